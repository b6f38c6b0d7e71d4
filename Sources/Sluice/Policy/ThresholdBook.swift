import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

/// Thresholds that could hold for somebody, and where they stand.
struct ThresholdLayer: Encodable {
    /// Where a value may stand, the nearest first.
    enum Level: String, Encodable {
        case mailbox, domain
        case domainFile = "file (domain)"
        case global, file
    }

    let level: Level
    let thresholds: Thresholds
    /// `audit 34 (acme.test)`, or file and line of each value.
    let origin: String
    var author: String?
    var changed: Date?
}

/// The directory's thresholds and the file's, in the order in which the stage goes by them.
struct ThresholdBook {
    private let link: Link?
    private var entries: [PolicyScope: ThresholdsEntry]

    init(_ site: PolicySite) throws {
        link = site.chain.links.last { $0.name == ScoreVerdict.name }
        let all = try told { try site.directory.thresholds() }
        entries = Dictionary(all.map { ($0.scope, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// This book with other thresholds for a scope; `nil`: with none of its own.
    func with(_ thresholds: Thresholds?, for scope: PolicyScope) -> ThresholdBook {
        var book = self
        book.entries[scope] = thresholds.map {
            ThresholdsEntry(scope: scope, thresholds: $0, author: "", changed: Date(), audit: 0)
        }
        return book
    }

    /// Whether the directory has any for just this scope.
    func hasOwn(_ scope: PolicyScope) -> Bool { entries[scope] != nil }

    /// All that could hold, what does first.
    func layers(of scope: PolicyScope) -> [ThresholdLayer] {
        var layers: [ThresholdLayer] = []
        for level in scope.levels {
            if case .global = level, let domain = scope.domain, let own = fileLayer(domain) { layers.append(own) }
            guard let entry = entries[level] else { continue }
            layers.append(
                ThresholdLayer(
                    level: level.level, thresholds: entry.thresholds, origin: "audit \(entry.audit)",
                    author: entry.author, changed: entry.changed))
        }
        if let file = link.flatMap({ Self.layer(of: $0.base, .file) }) { layers.append(file) }
        if layers.isEmpty { layers.append(ThresholdLayer(level: .file, thresholds: .standard, origin: "default")) }
        return layers
    }

    /// What holds.
    func thresholds(of scope: PolicyScope) -> Thresholds { layers(of: scope).first?.thresholds ?? .standard }

    private func fileLayer(_ domain: String) -> ThresholdLayer? {
        guard let link, let own = link.domains[domain] else { return nil }
        let keys = link.ownValues(of: own).map(\.key)
        guard keys.contains(where: { Thresholds.CodingKeys(stringValue: $0) != nil }) else { return nil }
        return Self.layer(of: own, .domainFile)
    }

    private static func layer(of variant: StageVariant, _ level: ThresholdLayer.Level) -> ThresholdLayer? {
        guard let stage = variant.stage as? ScoreVerdict else { return nil }
        let origins = Thresholds.CodingKeys.allCases.compactMap { variant.values[$0.rawValue]?.origin }
        let places = origins.filter { $0 != "default" }
        let words = places.count == origins.count ? places : places + ["default"]
        return ThresholdLayer(level: level, thresholds: stage.thresholds, origin: words.joined(separator: ", "))
    }
}

extension PolicyScope {
    /// The domain it is in.
    var domain: String? {
        switch self {
        case .global: nil
        case .domain(let domain): domain
        case .mailbox(let mailbox): mailbox.domain
        }
    }

    fileprivate var level: ThresholdLayer.Level {
        switch self {
        case .global: .global
        case .domain: .domain
        case .mailbox: .mailbox
        }
    }

    /// Whether what is set for this scope may hold for that one.
    func covers(_ other: PolicyScope) -> Bool { other.levels.contains(self) }
}

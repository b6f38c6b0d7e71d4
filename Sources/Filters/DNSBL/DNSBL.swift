import Content
public import MailTypes
public import Pipeline

/// What lists in DNS know of a client, and of the domains that a message names. RFC 5782.
///
/// Each list is one symbol with points by what the list answers; what follows from the sum is another stage's. A list
/// may also refuse, at RCPT. One that is silent, or that lists what no sound list does, is passed over until it is
/// sound again, and never costs anybody mail.
public struct DNSBL: RecipientStage, MessageStage, BlocklistStage {
    public static let name: StageName = "dnsbl"
    public static let effects: Effects = [.rejects, .scores]

    let policy: Configuration
    private let lists: [Configuration.List]

    public init(_ configuration: Configuration) {
        policy = configuration
        lists = configuration.lists.values.sorted { $0.symbol < $1.symbol }
    }

    public var blocklists: [Blocklist] { lists.map(\.blocklist) }

    public var currentEffects: Effects {
        guard !lists.isEmpty else { return [] }
        return lists.contains(where: \.refuse) ? Self.effects : Self.effects.subtracting(.rejects)
    }

    public var remarks: [String] {
        lists.compactMap { list in
            guard list.points == 0, list.weights.allSatisfy({ $0.points == 0 }) else { return nil }
            return "`lists`: no answer of \(list.zone) is worth any points"
        }
    }

    // MARK: At RCPT

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        let refusing = lists.filter(\.refuse)
        guard !refusing.isEmpty else { return .none }
        // Who is refused wrongly must have somebody here to tell it to. RFC 5321 §4.5.1.
        guard !policy.spares(recipient.address) else {
            return Finding(decidedBy: ["spared"], note: "\(recipient.address) is asked nothing")
        }
        let subjects = try await ListSubjects(of: transaction, message: nil, policy, for: refusing)
        let outcomes = await outcomes(of: refusing, subjects, transaction.services)
        guard let outcome = outcomes.first(where: { $0.refusal != nil }), let hit = outcome.refusal else {
            return Finding(note: Self.note(on: outcomes))
        }
        let reply = await refusal(by: outcome.list, of: hit, transaction.services)
        return Finding(.reject(reply), decidedBy: ["lists"], note: Self.note(on: outcomes))
    }

    /// What a client is told beside that it is listed: the list's own words, in which most say how one gets off it.
    private func refusal(by list: Configuration.List, of hit: ListHit, _ services: Services) async -> Reply {
        let text = "\(hit.subject.text) is listed at \(list.zone)"
        guard
            case .records(let records, _)? = try? await services.dns("\(hit.subject.name).\(list.zone)", .txt),
            case .text(let octets)? = records.first
        else { return Reply(550, .deliveryNotAuthorized, text) }
        let words = octets.prefix(Self.longestWords).map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: " ") }
        guard words.contains(where: { $0 != .space }) else { return Reply(550, .deliveryNotAuthorized, text) }
        return Reply(
            550, .deliveryNotAuthorized,
            lines: [text, "\(list.zone) says: \(String(decoding: words, as: UTF8.self))"])
    }

    /// Octets of a list's words that a client is told.
    private static let longestWords = 200

    // MARK: When the message has come

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard !lists.isEmpty else { return .none }
        let subjects = try await ListSubjects(of: transaction, message: message, policy, for: lists)
        let outcomes = await outcomes(of: lists, subjects, transaction.services)
        var finding = Finding(note: Self.note(on: outcomes))
        finding.edits = outcomes.compactMap { $0.symbol.map(Edit.score) }
        if !finding.edits.isEmpty { finding.decidedBy = ["lists"] }
        return finding
    }

    // MARK: Asking

    /// All lists at the same time. One that fails has nothing to say.
    private func outcomes(
        of lists: [Configuration.List], _ subjects: ListSubjects, _ services: Services
    ) async -> [ListOutcome] {
        let questions = lists.map { ($0, subjects.asked(of: $0)) }
        let asked = questions.filter { !$0.1.isEmpty }
        return await withTaskGroup(of: (Int, ListOutcome).self) { group in
            for (place, (list, subjects)) in asked.enumerated() {
                group.addTask { (place, await Self.outcome(of: list, subjects, services)) }
            }
            var outcomes: [(Int, ListOutcome)] = []
            for await outcome in group { outcomes.append(outcome) }
            return outcomes.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private static func outcome(
        of list: Configuration.List, _ subjects: [ListSubject], _ services: Services
    ) async -> ListOutcome {
        do throws(StageFailure) {
            let answer = try await services.listings(subjects.map(\.name), in: list.zone)
            return ListOutcome(list, answer, subjects)
        } catch {
            return ListOutcome(list, .passedOver(error.reason), subjects)
        }
    }

    private static func note(on outcomes: [ListOutcome]) -> String? {
        guard !outcomes.isEmpty else { return nil }
        let remarkable = outcomes.compactMap(\.note)
        guard remarkable.isEmpty else { return remarkable.joined(separator: "; ") }
        return "not on \(outcomes.count == 1 ? "the list" : "any of the \(outcomes.count) lists") asked"
    }
}

/// A subject that a list has, with the answer that counts.
struct ListHit: Sendable {
    let subject: ListSubject
    let answer: IPAddress
    let points: Double
    let meaning: String?

    var text: String {
        "\(subject.role) \(subject.text) (\(answer)\(meaning.map { ": \($0)" } ?? ""))"
    }
}

/// What came of asking one list.
struct ListOutcome: Sendable {
    let list: DNSBL.Configuration.List
    /// The one that counts first.
    private(set) var hits: [ListHit] = []
    private var silence: String?

    init(_ list: DNSBL.Configuration.List, _ answer: ListingAnswer, _ subjects: [ListSubject]) {
        self.list = list
        switch answer {
        case .passedOver(let reason): silence = "passed over: \(reason)"
        case .answered(let listings, let unanswered):
            if !unanswered.isEmpty { silence = "no answer about \(unanswered.count) of \(subjects.count)" }
            for listing in listings {
                guard let subject = subjects.first(where: { $0.name == listing.name }) else { continue }
                if let hit = list.hit(on: subject, listing.answers) { hits.append(hit) }
            }
            // The sort is stable: of equals the first that was asked about.
            hits.sort { abs($0.points) > abs($1.points) }
        }
    }

    /// Names that one line tells.
    private static let mostTold = 3

    var symbol: Symbol? {
        guard let first = hits.first, first.points != 0 else { return nil }
        return Symbol(list.symbol, points: first.points, description: "\(list.about): \(told)")
    }

    /// What it is refused for, if the list may refuse.
    var refusal: ListHit? { list.refuse ? hits.first { $0.points > 0 } : nil }

    private var told: String {
        let more = hits.count - Self.mostTold
        return hits.prefix(Self.mostTold).map(\.text).joined(separator: ", ") + (more > 0 ? ", and \(more) more" : "")
    }

    /// What is worth a word, if anything is.
    var note: String? {
        let parts = [hits.isEmpty ? nil : told, silence].compactMap(\.self)
        return parts.isEmpty ? nil : "\(list.zone): \(parts.joined(separator: "; "))"
    }
}

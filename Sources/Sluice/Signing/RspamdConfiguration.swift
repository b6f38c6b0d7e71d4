import Foundation
import MailTypes

/// rspamd's `dkim_signing.conf`, as far as it names keys: objects, lists and strings of UCL. What could mean something
/// else than it seems to, such as an include, is refused and not guessed.
struct RspamdConfiguration {
    enum Value {
        case text(String)
        case list([Value])
        case object([String: Value])

        fileprivate var text: String? { if case .text(let text) = self { text } else { nil } }
        fileprivate var object: [String: Value]? { if case .object(let object) = self { object } else { nil } }
    }

    private let root: [String: Value]
    private let file: String

    init(_ octets: [UInt8], file: String) throws {
        self.file = file
        var reader = RspamdReader(String(decoding: octets, as: UTF8.self), file: file)
        let whole = try reader.object(isRoot: true)
        root = whole["dkim_signing"]?.object ?? whole
    }

    /// A key as it is put together: by the domain's block, then by maps, then by what holds for all.
    private struct Draft {
        var selector: String?
        var path: String?
    }

    /// Selector and file of each key that rspamd signs with for a domain.
    func keys(of domain: String) throws -> [(selector: String, file: String)] {
        try refuseOtherPlaces()
        var drafts = try own(domain)
        if let selector = try map("selector_map")?.value(of: domain) { fill(&drafts, \.selector, selector) }
        if let path = try map("path_map")?.value(of: domain) { fill(&drafts, \.path, path) }
        guard !drafts.isEmpty || isOn("try_fallback") ?? true else {
            throw CommandFailure.wrong(
                "\(file) has nothing of \(domain), and `try_fallback` is off: rspamd does not sign for it.")
        }
        if let path = root["path"]?.text { fill(&drafts, \.path, path) }
        fill(&drafts, \.selector, root["selector"]?.text ?? Self.usualSelector)
        return try drafts.map { draft in
            guard let path = draft.path, let selector = draft.selector else { throw unreadable(domain) }
            let named = path.replacingOccurrences(of: "$domain", with: domain)
                .replacingOccurrences(of: "$selector", with: selector)
            guard !named.contains("$") else {
                throw CommandFailure.wrong(
                    "\(file): what \(named) stands for only rspamd knows; write the whole path.")
            }
            return (selector, named)
        }
    }

    /// Whether it signs for authors of domains below as well: by the registered domain, if it is not told otherwise.
    var signsBelow: Bool { isOn("use_esld") ?? true }

    /// What rspamd calls a key that has no name.
    private static let usualSelector = "dkim"

    /// Keys that lie in no file, or are chosen in another way.
    private static let otherPlaces = [
        ("use_vault", "the keys are in Vault"), ("use_redis", "the keys are in Redis"),
        ("use_http_headers", "the keys come with each request"),
    ]

    private func refuseOtherPlaces() throws {
        for (name, reason) in Self.otherPlaces where isOn(name) ?? false {
            throw CommandFailure.wrong("\(file): `\(name)`: \(reason), where they are not read. \(Self.byHand)")
        }
        for name in ["signing_table", "key_table"] where root[name] != nil {
            throw CommandFailure.wrong(
                "\(file): `\(name)` is a table of OpenDKIM's kind: import it with --opendkim (and --signing-table).")
        }
        for name in ["sign_condition", "use_domain_custom"] where root[name] != nil {
            throw CommandFailure.wrong("\(file): `\(name)` is a program, which is not read. \(Self.byHand)")
        }
    }

    private static let byHand = "Save each key in a file and import it with --selector."

    /// What the domain's block says: a key of its own, and a list of further ones.
    private func own(_ domain: String) throws -> [Draft] {
        guard let domains = root["domain"] else { return [] }
        guard let table = domains.object else {
            throw CommandFailure.wrong("\(file): `domain` is not a block here but a map elsewhere, which is not read.")
        }
        guard let value = table.first(where: { ForeignKey.domain($0.key) == domain })?.value else { return [] }
        guard let block = value.object else { throw unreadable(domain) }
        var blocks = block["path"] != nil || block["selector"] != nil ? [block] : []
        if let selectors = block["selectors"] { blocks += try self.selectors(selectors, domain) }
        return try blocks.map { block in
            Draft(selector: try text(block["selector"], domain), path: try text(block["path"], domain))
        }
    }

    private func text(_ value: Value?, _ domain: String) throws -> String? {
        guard let value else { return nil }
        guard let text = value.text else { throw unreadable(domain) }
        return text
    }

    private func fill(_ drafts: inout [Draft], _ part: WritableKeyPath<Draft, String?>, _ value: String) {
        if drafts.isEmpty { drafts = [Draft()] }
        for place in drafts.indices where drafts[place][keyPath: part] == nil { drafts[place][keyPath: part] = value }
    }

    private func map(_ name: String) throws -> RspamdMap? {
        guard let value = root[name] else { return nil }
        switch value {
        case .text(let place):
            let path = place.hasPrefix("file://") ? String(place.dropFirst(7)) : place
            guard path.hasPrefix("/"), !path.contains("$") else {
                throw CommandFailure.wrong(
                    "\(file): `\(name)` is not read from \(place); save it in a file and write its whole path.")
            }
            return try RspamdMap(file: path)
        case .list(let list): return try RspamdMap(lines: list.compactMap(\.text), place: "\(file): `\(name)`")
        case .object: throw CommandFailure.wrong("\(file): `\(name)` is not read in this way of writing.")
        }
    }

    private func isOn(_ name: String) -> Bool? {
        root[name]?.text.map { ["true", "yes", "on"].contains($0.asciiLowercased) }
    }

    private func selectors(_ value: Value, _ domain: String) throws -> [[String: Value]] {
        guard case .list(let list) = value else { throw unreadable(domain) }
        return try list.map { one in
            guard let object = one.object else { throw unreadable(domain) }
            return object
        }
    }

    private func unreadable(_ domain: String) -> CommandFailure {
        .wrong("\(file) does not say in which files the keys of \(domain) lie, or not in a way that is read here.")
    }
}

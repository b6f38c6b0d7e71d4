import Foundation
import GRDB
import MailTypes
public import Pipeline

/// Thresholds and lists. A scope is a domain, a mailbox's address, or `nil` for everybody.
extension DirectoryChanges {
    private var policies: PolicyLookup { PolicyLookup(db: db) }

    /// The place of a scope as a person typed it, which must be there.
    func place(of scope: String?) throws -> PolicyPlace {
        guard let scope else { return PolicyPlace(scope: .global) }
        if scope.utf8.contains(UInt8(ascii: "@")) {
            let row = try require(.mailbox, scope)
            return PolicyPlace(scope: .mailbox(row.address), addressID: row.id)
        }
        let domain = try requireDomain(scope)
        return PolicyPlace(scope: .domain(domain.entry.name), domainID: domain.id)
    }

    // MARK: Thresholds

    /// Sets all three: what holds for somebody is one decision, whatever becomes of everybody's later.
    @discardableResult
    public func setThresholds(_ thresholds: Thresholds, for scope: String?) throws -> ThresholdsEntry {
        let place = try place(of: scope)
        let before = try policies.thresholds(at: place)
        try db.execute(
            sql: "DELETE FROM threshold WHERE domainID IS ? AND addressID IS ?",
            arguments: [place.domainID, place.addressID])
        let number = try audited(
            "thresholds.set", place.scope, before: before.map { ThresholdsRecord($0.thresholds) },
            after: ThresholdsRecord(thresholds))
        try db.execute(
            sql: """
                INSERT INTO threshold (domainID, addressID, deferFrom, junkFrom, rejectFrom, author, changed, audit)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                place.domainID, place.addressID, thresholds.defer, thresholds.junk, thresholds.reject, actor,
                now.timeIntervalSinceReferenceDate, number,
            ])
        return ThresholdsEntry(
            scope: place.scope, thresholds: thresholds, author: actor, changed: now, audit: number)
    }

    /// Takes a scope's own away, so that those around it hold again; `nil` where it had none.
    @discardableResult
    public func resetThresholds(for scope: String?) throws -> ThresholdsEntry? {
        let place = try place(of: scope)
        guard let before = try policies.thresholds(at: place) else { return nil }
        try db.execute(
            sql: "DELETE FROM threshold WHERE domainID IS ? AND addressID IS ?",
            arguments: [place.domainID, place.addressID])
        let none: ThresholdsRecord? = nil
        _ = try audited(
            "thresholds.reset", place.scope, before: ThresholdsRecord(before.thresholds), after: none)
        return before
    }

    // MARK: Lists

    /// Puts a sender on a list. An entry of the list for the same sender takes the new values.
    @discardableResult
    public func addListEntry(_ new: NewListEntry, for scope: String?) throws -> ListEntry {
        let place = try place(of: scope)
        let sender = try names.listedSender(new.sender)
        try check(new, sender)
        let former = try policies.entries(at: place, sender: sender).first { $0.action == new.action }
        let reason = try new.reason.map { text throws(DirectoryError) in try names.title(text, of: "a reason") }
        let values: StatementArguments = [
            sender.isNetwork ? ListEntry.Match.either.rawValue : new.match.rawValue, new.needs.rawValue, reason,
            new.ends?.timeIntervalSinceReferenceDate, actor, now.timeIntervalSinceReferenceDate,
        ]
        let id: Int64
        if let former {
            id = former.id
            try db.execute(
                sql: """
                    UPDATE listEntry SET match = ?, needs = ?, reason = ?, ends = ?, author = ?, created = ?
                    WHERE id = ?
                    """,
                arguments: values + [id])
        } else {
            guard try policies.countEntries(at: place) < DirectoryLimits.listEntries else {
                throw DirectoryError.malformed(
                    text: place.scope.description,
                    reason: "has \(DirectoryLimits.listEntries) entries, which is the most")
            }
            try db.execute(
                sql: """
                    INSERT INTO listEntry
                        (match, needs, reason, ends, author, created, domainID, addressID, action, kind, sender, shown,
                         audit)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
                    """,
                arguments: values + [
                    place.domainID, place.addressID, new.action.rawValue, sender.kind, sender.key, sender.description,
                ])
            id = db.lastInsertedRowID
        }
        return try written(id, former, place.scope)
    }

    private func check(_ new: NewListEntry, _ sender: ListEntry.Sender) throws {
        if let ends = new.ends, ends <= now {
            throw DirectoryError.malformed(text: new.sender.shown, reason: "would end before it begins")
        }
        guard new.needs != .none else { return }
        if let reason = new.obstacle(for: sender) {
            throw DirectoryError.malformed(text: new.sender.shown, reason: reason)
        }
    }

    /// Notes in the entry which line of the audit log made it.
    private func written(_ id: Int64, _ former: ListEntry?, _ scope: PolicyScope) throws -> ListEntry {
        guard var entry = try policies.entry(id) else { throw DirectoryError.unavailable("an entry is not there") }
        let number = try audited(
            "list.\(entry.action.rawValue)", scope, before: former.map(ListRecord.init), after: ListRecord(entry))
        try db.execute(sql: "UPDATE listEntry SET audit = ? WHERE id = ?", arguments: [number, id])
        entry.audit = number
        return entry
    }

    /// Takes entries about a sender off a scope's lists, off one of them if it is named; returns what was there.
    @discardableResult
    public func removeListEntries(
        _ sender: String, action: ListEntry.Action? = nil, for scope: String?
    ) throws -> [ListEntry] {
        let place = try place(of: scope)
        let sender = try names.listedSender(sender)
        let found = try policies.entries(at: place, sender: sender).filter { action == nil || $0.action == action }
        guard !found.isEmpty else {
            throw DirectoryError.notFound(.listEntry, name: "\(sender) of \(place.scope)", nearest: nil)
        }
        for entry in found {
            try db.execute(sql: "DELETE FROM listEntry WHERE id = ?", arguments: [entry.id])
            let none: ListRecord? = nil
            _ = try audited("list.remove", place.scope, before: ListRecord(entry), after: none)
        }
        return found
    }

    /// Writes the audit log, and tells the number of its line.
    private func audited(
        _ verb: String, _ scope: PolicyScope, before: (some Encodable)?, after: (some Encodable)?
    ) throws -> Int64 {
        try audit(verb, scope.description, before: before, after: after)
        return db.lastInsertedRowID
    }
}

extension NewListEntry {
    /// Why the proof that it asks for proves nothing of what it compares: words that go on from the sender.
    fileprivate func obstacle(for sender: ListEntry.Sender) -> String? {
        if action == .block { return "cannot be blocked on proof: nobody proves who he is in order to be refused" }
        if sender.isNetwork { return "needs no proof: a client's address is what it is" }
        switch (match, needs) {
        case (_, .none), (.headerFrom, .dmarc), (.envelopeFrom, .spf): return nil
        case (.headerFrom, .spf): return "is compared with the From field, which dmarc proves and spf does not"
        case (.envelopeFrom, .dmarc): return "is compared with the reverse-path, which spf proves and dmarc does not"
        case (.either, _):
            return "can be proven where one sender is compared: header-from by dmarc, envelope-from by spf"
        }
    }
}

extension ListEntry.Sender {
    fileprivate var kind: String {
        switch self {
        case .domain: "domain"
        case .address: "address"
        case .network: "network"
        }
    }
}

extension Names {
    /// A domain, an address, an IP address or a network as a person typed it.
    func listedSender(_ text: String) throws(DirectoryError) -> ListEntry.Sender {
        let text = text.hasPrefix("@") || text.hasPrefix("*.") ? String(text.drop { "@*.".contains($0) }) : text
        if text.utf8.contains(UInt8(ascii: "@")) { return .address(try address(text)) }
        if let network = Network(text) { return .network(network) }
        guard !text.utf8.contains(UInt8(ascii: "/")), !text.utf8.contains(UInt8(ascii: ":")) else {
            throw .malformed(
                text: text.shown, reason: "is not a network such as 192.0.2.0/24 (all bits behind the prefix zero)")
        }
        do { return .domain(try domain(text)) } catch {
            throw .malformed(
                text: text.shown, reason: "is not a domain, an address, an IP address or a network")
        }
    }
}

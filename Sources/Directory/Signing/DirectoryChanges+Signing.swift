import Foundation
import GRDB
public import Pipeline

/// Keys that domains sign with. Private keys are not the directory's: it knows their public halves.
extension DirectoryChanges {
    /// Keeps a selector, which does not sign before it is activated. `domain` must be one of the directory's.
    @discardableResult
    public func addSelector(_ new: NewSelector, domain: String) throws -> SelectorEntry {
        let domain = try requireDomain(domain)
        let name = try names.selector(new.name, of: domain.entry.name)
        guard try signing.selector(name, of: domain) == nil else {
            throw DirectoryError.alreadyExists(.selector, name: "\(name) of \(domain.entry.name)")
        }
        try db.execute(
            sql: """
                INSERT INTO selector
                    (domainID, name, algorithm, bits, publicKey, isTest, granularity, notes, state, created)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'prepared', ?)
                """,
            arguments: [
                domain.id, name, new.algorithm.rawValue, new.bits, new.publicKey, new.isTest,
                try checked(granularity: new.granularity), try checked(notes: new.notes),
                now.timeIntervalSinceReferenceDate,
            ])
        let entry = try requireSelector(name, of: domain)
        try audit("dkim.add", entry.recordName, before: nothing, after: entry)
        return entry
    }

    /// What its record says beside the key. What is `nil` stays as it is; `.some(nil)` clears it.
    @discardableResult
    public func setSelector(
        _ name: String, domain: String, isTest: Bool? = nil, granularity: String?? = nil, notes: String?? = nil
    ) throws -> SelectorEntry {
        let domain = try requireDomain(domain)
        let before = try requireSelector(name, of: domain)
        try db.execute(
            sql: "UPDATE selector SET isTest = ?, granularity = ?, notes = ? WHERE domainID = ? AND name = ?",
            arguments: [
                isTest ?? before.isTest, try checked(granularity: granularity ?? before.granularity),
                try checked(notes: notes ?? before.notes), domain.id, before.name,
            ])
        let after = try requireSelector(before.name, of: domain)
        try audit("dkim.set", after.recordName, before: before, after: after)
        return after
    }

    private func checked(granularity: String?) throws -> String? {
        try granularity.map { text in try names.granularity(text) }
    }

    private func checked(notes: String?) throws -> String? {
        try notes.map { text in try names.title(text, of: "notes") }
    }

    /// Lets a selector sign, in place of the active one for the same algorithm, which is returned, retired.
    @discardableResult
    public func activateSelector(_ name: String, domain: String) throws -> SelectorEntry? {
        let domain = try requireDomain(domain)
        let before = try requireSelector(name, of: domain)
        let entry = try signing.entry(domain)
        if let obstacle = entry.obstacle(toActivating: before) {
            throw DirectoryError.malformed(text: before.name, reason: obstacle)
        }
        let other = entry.selectors.first {
            $0.state == .active && $0.algorithm == before.algorithm
        }
        let retired = try other.map { try retire($0, of: domain) }
        try db.execute(
            sql: """
                UPDATE selector SET state = 'active', activated = ?, retired = NULL WHERE domainID = ? AND name = ?
                """,
            arguments: [now.timeIntervalSinceReferenceDate, domain.id, before.name])
        let after = try requireSelector(before.name, of: domain)
        try audit("dkim.activate", after.recordName, before: before, after: after)
        return retired
    }

    /// It signs no more; what it has signed is verified as long as its record stays published.
    @discardableResult
    public func retireSelector(_ name: String, domain: String) throws -> SelectorEntry {
        let domain = try requireDomain(domain)
        let entry = try requireSelector(name, of: domain)
        guard entry.state == .active else {
            throw DirectoryError.malformed(
                text: entry.name, reason: "does not sign for \(domain.entry.name): it is \(entry.state.rawValue)")
        }
        return try retire(entry, of: domain)
    }

    private func retire(
        _ before: SelectorEntry, of domain: (id: Int64, entry: DomainEntry)
    ) throws -> SelectorEntry {
        try db.execute(
            sql: "UPDATE selector SET state = 'retired', retired = ? WHERE domainID = ? AND name = ?",
            arguments: [now.timeIntervalSinceReferenceDate, domain.id, before.name])
        let after = try requireSelector(before.name, of: domain)
        try audit("dkim.retire", after.recordName, before: before, after: after)
        return after
    }

    /// An active one stays.
    public func removeSelector(_ name: String, domain: String) throws {
        let domain = try requireDomain(domain)
        let before = try requireSelector(name, of: domain)
        guard before.state != .active else {
            let reason = "signs for \(domain.entry.name): activate another one, or retire it, first"
            throw DirectoryError.malformed(text: before.name, reason: reason)
        }
        try remove(before, of: domain.id)
    }

    private func remove(_ before: SelectorEntry, of domainID: Int64) throws {
        try db.execute(
            sql: "DELETE FROM selector WHERE domainID = ? AND name = ?", arguments: [domainID, before.name])
        try audit("dkim.remove", before.recordName, before: before, after: nothing)
    }

    /// Of a domain that goes.
    func removeSigning(of domainID: Int64, named domain: String) throws {
        for entry in try signing.selectors(of: domainID, named: domain) { try remove(entry, of: domainID) }
        try db.execute(sql: "DELETE FROM signing WHERE domainID = ?", arguments: [domainID])
    }

    /// Changes how a domain signs. It holds once the domain has had an active selector.
    public func setSigning(domain: String, _ change: (inout SigningSettings) -> Void) throws {
        let domain = try requireDomain(domain)
        let before = try signing.settings(of: domain.id)
        var after = before
        change(&after)
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO signing
                    (domainID, sign, subdomains, algorithm, headerCanonicalization, bodyCanonicalization, length,
                     identity)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                domain.id, after.sign, after.subdomains, after.algorithm?.rawValue,
                after.headerCanonicalization?.rawValue, after.bodyCanonicalization?.rawValue, after.length,
                after.identity,
            ])
        try audit("dkim.settings", domain.entry.name, before: before, after: after)
    }

    private var signing: SigningLookup { SigningLookup(db: db) }

    private func requireSelector(_ name: String, of domain: (id: Int64, entry: DomainEntry)) throws -> SelectorEntry {
        let name = try names.selector(name, of: domain.entry.name)
        if let entry = try signing.selector(name, of: domain) { return entry }
        let others = try signing.selectors(of: domain.id, named: domain.entry.name).map(\.name)
        throw DirectoryError.notFound(
            .selector, name: "\(name) of \(domain.entry.name)", nearest: NearestName.among(others, to: name))
    }
}

public import struct Foundation.Date
import GRDB
import MailTypes
public import Pipeline

/// Somebody who may not send, as a list shows him.
public struct SendBlockEntry: Sendable, Hashable, Codable {
    public var party: SendParty
    public var reason: String
    public var author: String
    public var since: Date
}

extension MailDirectory {
    /// Who may not send, the latest first. Blocks.
    public func sendBlocks() throws(DirectoryError) -> [SendBlockEntry] {
        try read { lists in
            try Row.fetchAll(
                lists.db, sql: SendBlockRow.select + " WHERE isActive ORDER BY since DESC, sendBlock.id DESC"
            )
            .map { try SendBlockRow(row: $0).entry }
        }
    }

    /// Keeps somebody from sending, from now on; who is blocked already stays so for the reason that he is. Blocks no
    /// thread of the caller's.
    public func block(_ order: SendBlockOrder, by actor: String) async throws(StageFailure) {
        let failure: DirectoryError?
        do {
            failure = try await reads.run { [self] in
                do throws(DirectoryError) {
                    try change(by: actor) { _ = try $0.block(order.party, reason: order.reason) }
                    return nil
                } catch { return error }
            }
        } catch { throw StageFailure("too many questions wait for the directory") }
        if let failure { throw StageFailure("directory: \(failure)") }
    }
}

extension DirectoryChanges {
    /// Keeps a mailbox, or all mailboxes of a post office, from sending. `who` is an address, or a post office's name.
    @discardableResult
    public func blockSending(of who: String, reason: String) throws -> SendBlock {
        try block(try party(who), reason: try names.title(reason, of: "a reason"))
    }

    /// Lets it send again; what it has sent before counts no more.
    public func unblockSending(of who: String) throws {
        let party = try party(who)
        guard let row = try blockRow(of: party), row.isActive else {
            throw DirectoryError.malformed(text: party.description, reason: "is not blocked")
        }
        try db.execute(
            sql: "UPDATE sendBlock SET isActive = 0, pardons = pardons + 1 WHERE id = ?", arguments: [row.id])
        try audit("sending.unblock", party.description, before: row.entry, after: nothing)
    }

    func block(_ party: SendParty, reason: String) throws -> SendBlock {
        if let row = try blockRow(of: party) {
            if row.isActive { return row.block }
            try db.execute(
                sql: "UPDATE sendBlock SET isActive = 1, reason = ?, author = ?, since = ? WHERE id = ?",
                arguments: [reason, actor, now.timeIntervalSinceReferenceDate, row.id])
        } else {
            let owner = try owner(of: party)
            try db.execute(
                sql: """
                    INSERT INTO sendBlock (addressID, postOfficeID, isActive, reason, author, since)
                    VALUES (?, ?, 1, ?, ?, ?)
                    """,
                arguments: [
                    owner.addressID, owner.postOfficeID, reason, actor, now.timeIntervalSinceReferenceDate,
                ])
        }
        let row = try blockRow(of: party)
        try audit("sending.block", party.description, before: nothing, after: row?.entry)
        return row?.block ?? SendBlock(party, reason: reason, since: now)
    }

    /// Whom a person means.
    private func party(_ who: String) throws -> SendParty {
        guard who.utf8.contains(UInt8(ascii: "@")) else { return .postOffice(try requirePostOffice(who).entry.name) }
        return .mailbox(try require(.mailbox, who).address)
    }

    private func owner(of party: SendParty) throws -> (addressID: Int64?, postOfficeID: Int64?) {
        switch party {
        case .mailbox(let address): (try require(.mailbox, address.description).id, nil)
        case .postOffice(let name): (nil, try requirePostOffice(name).id)
        }
    }

    private func blockRow(of party: SendParty) throws -> SendBlockRow? {
        let owner = try owner(of: party)
        return try SendBlockRow.fetchOne(
            db, sql: SendBlockRow.select + " WHERE sendBlock.addressID IS ? AND sendBlock.postOfficeID IS ?",
            arguments: [owner.addressID, owner.postOfficeID])
    }
}

extension AddressLookup {
    /// What is known of a mailbox that sends; `nil` if there is no such one.
    func sendStanding(of mailbox: EmailAddress) throws -> SendStanding? {
        guard let row = try find(normalized(mailbox)), row.kind == .mailbox,
            let office = try Row.fetchOne(
                db,
                sql: """
                    SELECT postOffice.id, postOffice.name FROM domain
                    JOIN postOffice ON postOffice.id = domain.postOfficeID WHERE domain.name = ?
                    """,
                arguments: [row.address.domain])
        else { return nil }
        let rows = try SendBlockRow.fetchAll(
            db, sql: SendBlockRow.select + " WHERE sendBlock.addressID = ? OR sendBlock.postOfficeID = ?",
            arguments: [row.id, office["id"] as Int64])
        let (own, offices) = (rows.first { $0.isOfMailbox }, rows.first { !$0.isOfMailbox })
        return SendStanding(
            mailbox: row.address, postOffice: office["name"],
            block: [own, offices].compactMap(\.self).first(where: \.isActive)?.block, pardons: own?.pardons ?? 0,
            postOfficePardons: offices?.pardons ?? 0)
    }
}

/// A row of the table `sendBlock`, with the name of whom it is about.
private struct SendBlockRow: FetchableRecord {
    static let select = """
        SELECT sendBlock.*, address.localPart, domain.name AS domain, postOffice.name AS postOffice
        FROM sendBlock LEFT JOIN address ON address.id = sendBlock.addressID
            LEFT JOIN domain ON domain.id = address.domainID
            LEFT JOIN postOffice ON postOffice.id = sendBlock.postOfficeID
        """

    let id: Int64
    let isActive: Bool
    let isOfMailbox: Bool
    let pardons: Int
    let entry: SendBlockEntry

    var block: SendBlock { SendBlock(entry.party, reason: entry.reason, since: entry.since) }

    init(row: Row) throws {
        id = row["id"]
        isActive = row["isActive"]
        pardons = row["pardons"]
        let name: String? = row["postOffice"]
        isOfMailbox = name == nil
        entry = SendBlockEntry(
            party: name.map(SendParty.postOffice)
                ?? .mailbox(EmailAddress(localPart: row["localPart"] ?? "", domain: row["domain"] ?? "")),
            reason: row["reason"], author: row["author"], since: Date(timeIntervalSinceReferenceDate: row["since"]))
    }
}

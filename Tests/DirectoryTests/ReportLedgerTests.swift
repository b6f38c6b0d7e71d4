import Directory
import Foundation
import MailTypes
import Testing

@Suite struct ReportLedgerTests {
    static let end = Date(timeIntervalSince1970: 1_795_305_600)

    static func entry(_ state: ReportEntry.State, _ address: String = "a@own.example", days: Double = 0) -> ReportEntry
    {
        let id = TransactionID(milliseconds: UInt64(days) + 1, random: 7)
        return ReportEntry(
            domain: "own.example", address: address, end: end + days * 86_400, id: id, state: state)
    }

    @Test func `what was written is there for the next process`() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("reports.sqlite")
        let ledger = try ReportLedger(path)
        #expect(try ledger.covered() == nil)
        try ledger.cover(until: Self.end)
        try ledger.write(Self.entry(.begun))
        try ledger.write(Self.entry(.queued))
        try ledger.write(Self.entry(.refused, "b@own.example"))
        let reader = try ReportLedger(readOnly: path)
        #expect(try reader.entries() == [Self.entry(.queued), Self.entry(.refused, "b@own.example")])
        reader.close()
        // As a kill leaves it: not closed.
        let next = try ReportLedger(path)
        #expect(try next.covered() == Self.end)
        #expect(try next.entry(domain: "own.example", address: "a@own.example", end: Self.end) == Self.entry(.queued))
        #expect(try next.entry(domain: "own.example", address: "a@own.example", end: Self.end + 1) == nil)
        #expect(try next.count(end: Self.end) == 2)
        next.close()
        ledger.close()
    }

    @Test func `what is long done with is cleared away`() throws {
        let folder = try TemporaryFolder()
        let ledger = try ReportLedger(folder.file("reports.sqlite"))
        for days in [0.0, 1, 9] { try ledger.write(Self.entry(.queued, days: days)) }
        try ledger.cover(until: Self.end + 9 * 86_400)
        #expect(try ledger.entries().map(\.end) == [Self.end + 86_400, Self.end + 9 * 86_400])
        ledger.close()
    }
}

import Adapters
import Pipeline
import Testing

@testable import Filters

/// A world of public suffixes.
private struct ListWorld: ServiceSource {
    let suffixes: PublicSuffixes

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        guard case .publicSuffix(let domain) = question else { throw StageFailure("only suffixes are known here") }
        return .publicSuffix(suffixes.suffix(of: domain))
    }
}

@Suite struct DMARCSuiteTests {
    struct Record: Decodable {
        var record: String
        var expected: String
    }

    struct Alignment: Decodable {
        var identifier: String
        var domain: String
        var mode: String
        var isAligned: Bool
    }

    /// Where RFC 7489 has it otherwise, and why.
    static let otherwise = [
        "v=DMARC1; p=n;": "n is no policy: RFC 7489 §6.3 knows none, quarantine and reject, and no beginnings of them"
    ]

    @Test(.enabled(if: SuiteFiles.exists("dmarc-records"), "the DMARC tables are not here"))
    func `records are read as the table says`() throws {
        var tally = Tally("dmarc-records")
        for row in try SuiteFiles.load("dmarc-records", as: Record.self) ?? [] {
            let found = Self.outcome(Array(row.record.utf8))
            let reason = Self.otherwise[row.record]
            #expect((found == row.expected) == (reason == nil), "\(row.record)")
            tally.note(found == row.expected, "\(row.record): \(found) instead of \(row.expected); \(reason ?? "")")
        }
        tally.report()
    }

    /// In the table's words. What is wrong beside the policy is an error there, and a note here.
    private static func outcome(_ text: [UInt8]) -> String {
        guard !text.isEmpty else { return "DMARC_PARSE_ERROR_EMPTY" }
        guard DMARCRecord.isRecord(text) else { return "DMARC_PARSE_ERROR_BAD_VERSION" }
        do throws(DMARCRecord.SyntaxError) {
            return try DMARCRecord(text).defects.isEmpty ? "DMARC_PARSE_OKAY" : "DMARC_PARSE_ERROR_BAD_VALUE"
        } catch {
            return error.isMissing ? "DMARC_PARSE_ERROR_NO_REQUIRED_P" : "DMARC_PARSE_ERROR_BAD_VALUE"
        }
    }

    @Test(.enabled(if: SuiteFiles.exists("dmarc-alignment"), "the DMARC tables are not here"))
    func `domains are aligned as the table says`() async throws {
        var tally = Tally("dmarc-alignment")
        let services = Services(ListWorld(suffixes: try PublicSuffixes()))
        for row in try SuiteFiles.load("dmarc-alignment", as: Alignment.self) ?? [] {
            let alignment = try await DMARCAlignment(of: DMARCAlignment.normalized(row.domain), services: services)
            let mode: DMARCRecord.Alignment = row.mode == "strict" ? .strict : .relaxed
            let found = try await alignment.holds(for: DMARCAlignment.normalized(row.identifier), mode)
            tally.note(found == row.isAligned, "\(row.identifier) for \(row.domain), \(row.mode): \(found)")
        }
        tally.report()
        #expect(tally.deviations == [])
    }
}

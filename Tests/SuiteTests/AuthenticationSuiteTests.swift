import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Real fields of other servers: none of them is ours, until it is written in our name. Those that begin with a result
/// are nobody's.
@Suite struct AuthenticationSuiteTests {
    struct Row: Decodable {
        var header: String
        var value: String
        /// Who wrote it, as another reader has it.
        var writer: String?
    }

    @Test(.enabled(if: SuiteFiles.exists("auth-results"), "the auth-results suite is not here"))
    func `whoever wrote a field, in his name it is forged, in another's it is not`() async throws {
        var tally = Tally("auth-results")
        for row in try SuiteFiles.load("auth-results", as: Row.self) ?? [] where row.header == "Authentication-Results"
        {
            let field = HeaderField(name: row.header, value: row.value)
            let isNobodys = row.writer == nil && row.value.prefix { $0 != ";" }.contains("=")
            let isTaken = try await Self.isTaken(field, by: "mx.here.example")
            tally.note(isTaken == isNobodys, "\(isTaken ? "taken out without need" : "left, nobody's"): \(row.value)")
            guard let writer = row.writer else { continue }
            tally.note(try await Self.isTaken(field, by: writer), "left, for \(writer): \(row.value)")
            for (spelling, forged) in Self.spellings(of: writer, in: row.value) {
                let field = HeaderField(name: row.header, value: forged)
                tally.note(try await Self.isTaken(field, by: writer), "left, \(spelling), for \(writer): \(forged)")
            }
        }
        tally.report()
        #expect(tally.deviations == [])
    }

    /// The field with its writer's name in another spelling.
    private static func spellings(of writer: String, in value: String) -> [(String, String)] {
        guard let place = value.range(of: writer) else { return [] }
        let folded = writer.replacing(".", with: " . ")
        let named: [(String, String)] = [
            ("upper case", writer.uppercased()), ("quoted", "\"\(writer)\""), ("with a dot", "\(writer)."),
            ("with a version", "\(writer) 1"), ("behind a comment", "(by (some) one)\(writer)"),
            ("before a comment", "\(writer)(by one)"), ("with blanks", folded), ("later", "other.example; \(writer)"),
            ("escaped", "\"\\\(writer)\""),
        ]
        return named.map { ($0, value.replacingCharacters(in: place, with: $1)) }
    }

    private static func isTaken(_ field: HeaderField, by hostname: String) async throws -> Bool {
        var message = Message.sample()
        message.header.prepend(field)
        let services = Services(MemoryServices())
        let transaction = Transaction(
            id: TransactionID(milliseconds: 0, random: 0), hostname: hostname, session: .sample(), services: services)
        let stages: [any MessageStage] = [HeaderSanity(HeaderSanity.Configuration()), Results(Results.Configuration())]
        var taken: [Bool] = []
        for stage in stages {
            let finding = try await stage.message(message, in: transaction)
            taken.append(finding.edits.contains(.removeFields(at: [0])))
        }
        #expect(Set(taken).count == 1, "both stages must agree")
        return taken[0]
    }
}

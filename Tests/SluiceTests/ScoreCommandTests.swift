import Foundation
import Testing

/// `sluice score`: what rules find, and what matched.
@Suite struct ScoreCommandTests {
    private static let rules = """
        [rule.OWN_WINNER]
        body        = 'winn+er'
        points      = 1.5
        describe    = "Somebody has won"

        [rule.OWN_GREETING]
        header.Subject = '^Dear \\w+'
        points         = 0.5
        describe       = "A greeting in the subject"

        """
    private static let message = "From: a@out.test\nSubject: Dear friend\n\nYou are a winnnner today.\n"

    private func place() async throws -> Place {
        let place = try await Place()
        try FileManager.default.createDirectory(
            atPath: "\(place.folder.path)/rules.d", withIntermediateDirectories: true)
        try place.folder.write(Self.rules, to: "rules.d/own.toml")
        try place.folder.write(Self.message, to: "one.eml")
        return place
    }

    private func score(_ place: Place, _ words: [String]) async throws -> Ran {
        let ran = try await Programs.run(
            Programs.sluice, ["score"] + words + ["--config", "sluice.toml"], folder: place.folder.path)
        #expect(ran.code == 0, "\(ran)")
        return ran
    }

    @Test func `what matched is shown from its beginning to its end`() async throws {
        let place = try await place()
        let text = try await score(place, ["one.eml"]).output
        #expect(text.contains("text: winnnner\n"), "\(text)")
        #expect(text.contains("subject field: Dear friend\n"), "\(text)")
        let report = try #require(try await score(place, ["one.eml", "--json"]).json() as? [String: Any])
        let found = try #require(report["rules"] as? [[String: Any]])
        let winner = try #require(found.first { $0["rule"] as? String == "OWN_WINNER" })
        #expect(winner["matched"] as? String == "winnnner" && winner["view"] as? String == "text")
        #expect(winner["points"] as? Double == 1.5)
    }

    @Test func `many messages are told without what matched`() async throws {
        let place = try await place()
        try place.folder.write("From: a@out.test\nSubject: Hello\n\nText.\n", to: "two.eml")
        let lines = try await score(place, ["one.eml", "two.eml", "--lines"]).output.split(separator: "\n")
        try #require(lines.count == 2)
        let reports = try lines.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        let rules = try reports.map { try #require($0["rules"] as? [[String: Any]]) }
        #expect(rules[0].contains { $0["rule"] as? String == "OWN_WINNER" })
        #expect(!rules[1].contains { $0["rule"] as? String == "OWN_WINNER" })
        #expect(rules.joined().allSatisfy { $0["matched"] == nil && $0["view"] == nil })
    }

    @Test func `compiled patterns are kept in the data folder`() async throws {
        let place = try await place()
        let data = try await Programs.run(
            "find", [place.folder.path, "-path", "*/patterns/*.image"], folder: place.folder.path)
        let before = Set(data.output.split(separator: "\n"))
        _ = try await score(place, ["one.eml"])
        let after = try await Programs.run(
            "find", [place.folder.path, "-path", "*/patterns/*.image"], folder: place.folder.path)
        let new = Set(after.output.split(separator: "\n")).subtracting(before)
        #expect(new.count == 1, "\(after)")
        let file = String(try #require(new.first))
        let written = try FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date
        _ = try await score(place, ["one.eml"])
        #expect(try FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date == written)
    }
}

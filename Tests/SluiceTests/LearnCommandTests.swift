import Foundation
import Testing

/// `sluice learn`: from files, mbox files and Maildirs, listed and undone.
@Suite struct LearnCommandTests {
    private func learn(_ place: Place, _ words: [String]) async throws -> Ran {
        try await Programs.run(
            Programs.sluice, ["learn"] + words + ["--config", "sluice.toml"], folder: place.folder.path)
    }

    private func message(_ number: Int, _ words: String) -> String {
        "Message-ID: <\(number)@out.test>\nFrom: a@out.test\nSubject: \(words)\n\n\(words)\n>From here on\n"
    }

    /// As a list of objects.
    private func json(_ place: Place, _ words: [String]) async throws -> [[String: Any]] {
        let ran = try await learn(place, words + ["--json"])
        #expect(ran.code == 0, "\(ran)")
        return try #require(try ran.json() as? [[String: Any]])
    }

    @Test func `files, mbox files and folders are learnt, each message once`() async throws {
        let place = try await Place()
        let folder = place.folder
        try folder.write(message(1, "one"), to: "one.eml")
        let mailbox = (2...4).map { "From a@out.test Thu Jan  1 00:00:00 2026\n\(message($0, "many \($0)"))" }
        try folder.write(mailbox.joined(separator: "\n"), to: "many.mbox")
        for name in ["cur", "new", "tmp"] {
            try FileManager.default.createDirectory(
                atPath: "\(folder.path)/Junk/\(name)", withIntermediateDirectories: true)
        }
        try folder.write(message(5, "five"), to: "Junk/cur/5:2,S")
        try folder.write(message(6, "six"), to: "Junk/new/6")
        try folder.write(message(7, "unfinished"), to: "Junk/tmp/7")
        let paths = ["one.eml", "many.mbox", "Junk"]
        let ran = try await learn(place, ["spam"] + paths)
        #expect(ran.code == 0 && ran.output == "Learnt 6 messages as spam.\n", "\(ran)")
        let again = try await learn(place, ["spam"] + paths)
        #expect(again.output == "Learnt 0 messages as spam; 6 were taught already.\n")
        // The same message by itself: the mark of the mbox file and its quoting are no part of it.
        try folder.write(message(3, "many 3").replacing("\n>From", with: "\nFrom"), to: "three.eml")
        let changed = try await learn(place, ["ham", "three.eml"])
        #expect(changed.output == "Learnt 0 messages as ham, and 1 that were the opposite before.\n", "\(changed)")
        let stats = try await json(place, ["stats"])
        #expect(stats.map { $0["spam"] as? Int } == [5] && stats.map { $0["ham"] as? Int } == [1])
        let history = try await json(place, ["history"])
        #expect(history.count == 7 && history.first?["messageID"] as? String == "<3@out.test>")
        let audit = try await Programs.run(
            Programs.sluice, ["audit", "--json", "--object", "global", "--config", "sluice.toml"],
            folder: folder.path)
        let verbs = try #require(try audit.json() as? [[String: Any]]).map { $0["verb"] as? String }
        #expect(verbs == ["learn.ham", "learn.spam"], "\(audit)")
    }

    @Test func `lessons are for a mailbox or a domain that is there, and are undone`() async throws {
        let place = try await Place()
        try place.folder.write(message(1, "one"), to: "one.eml")
        for scope in [["--mailbox", "Anna@acme.test"], ["--domain", "ACME.test"]] {
            let ran = try await learn(place, ["spam", "one.eml"] + scope)
            #expect(ran.code == 0 && ran.output == "Learnt 1 message as spam.\n", "\(ran)")
        }
        #expect(
            try await json(place, ["stats"]).map { $0["scope"] as? String }
                == ["domain acme.test", "mailbox anna@acme.test"])
        let nobody = try await learn(place, ["spam", "one.eml", "--mailbox", "nobody@acme.test"])
        #expect(nobody.code == 1 && nobody.errors.contains("nobody@acme.test"), "\(nobody)")
        let both = try await learn(place, ["spam", "one.eml", "--mailbox", "anna@acme.test", "--domain", "acme.test"])
        #expect(both.code == 2)
        let forgotten = try await learn(place, ["forget", "one.eml", "--domain", "acme.test"])
        #expect(forgotten.output == "Undid 1 lesson.\n", "\(forgotten)")
        let own = try await json(place, ["history", "--mailbox", "anna@acme.test"])
        let id = try #require(own.first?["id"] as? Int)
        #expect(own.count == 1)
        let undone = try await learn(place, ["undo", "\(id)"])
        #expect(undone.output == "Undid lesson \(id): <1@out.test>.\n", "\(undone)")
        #expect(try await learn(place, ["undo", "\(id)"]).code == 1)
        #expect(try await json(place, ["stats"]).isEmpty)
    }

    @Test func `what cannot be read is said`() async throws {
        let place = try await Place()
        let ran = try await learn(place, ["spam", "missing.eml"])
        #expect(ran.code == 1 && ran.errors.contains("There is no file or folder missing.eml."), "\(ran)")
    }

    @Test func `nothing is taught where a path is missing`() async throws {
        let place = try await Place()
        try place.folder.write(message(1, "one"), to: "one.eml")
        #expect(try await learn(place, ["spam", "one.eml", "missing.eml"]).code == 1)
        #expect(try await json(place, ["stats"]).isEmpty)
    }

    @Test func `what was taught before something went wrong is told, and in the audit log`() async throws {
        let place = try await Place()
        let folder = place.folder
        try folder.write(message(1, "one"), to: "one.eml")
        // A folder that is there and cannot be read as one: its `cur` is a file.
        try folder.write("", to: "odd/cur")
        let ran = try await learn(place, ["spam", "one.eml", "odd"])
        #expect(ran.code == 1 && ran.errors.contains("1 lesson counted before this went wrong"), "\(ran)")
        #expect(ran.errors.contains("odd/cur cannot be read"), "\(ran)")
        #expect(try await json(place, ["stats"]).map { $0["spam"] as? Int } == [1])
        let audit = try await Programs.run(
            Programs.sluice, ["audit", "--json", "--object", "global", "--config", "sluice.toml"],
            folder: folder.path)
        let verbs = try #require(try audit.json() as? [[String: Any]]).map { $0["verb"] as? String }
        #expect(verbs == ["learn.spam"], "\(audit)")
    }

    @Test func `that lessons do not count yet is said`() async throws {
        let place = try await Place()
        try place.folder.write(message(1, "one"), to: "one.eml")
        #expect(try await learn(place, ["stats"]).code == 0)
        // No model can be made: its lock is a folder.
        let lock = place.folder.path + "/data/lessons/lock"
        try? FileManager.default.removeItem(atPath: lock)
        try FileManager.default.createDirectory(atPath: lock, withIntermediateDirectories: true)
        let ran = try await learn(place, ["spam", "one.eml"])
        #expect(ran.output == "Learnt 1 message as spam.\n", "\(ran)")
        #expect(ran.errors.contains("does not count yet"), "\(ran)")
    }

    @Test func `a server with damaged lessons starts without them, and says so`() async throws {
        let place = try await Place()
        try place.folder.write(message(1, "one"), to: "one.eml")
        #expect(try await learn(place, ["spam", "one.eml"]).code == 0)
        let path = place.folder.path + "/data/lessons.sqlite"
        // What SQLite keeps beside it may have the same pages, sound.
        for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.write(contentsOf: [UInt8](repeating: 0xA5, count: 200))
        try file.close()
        let refused = try await learn(place, ["stats"])
        #expect(refused.code == 1 && refused.errors.contains("lessons.sqlite are damaged"), "\(refused)")
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(LiveServer.Setup(), in: place)
            let status = try await server.sluice("status")
            await server.stop()
            #expect(server.log.contains("damaged lessons set aside"), "\(server.log)")
            #expect((status.output + status.errors).contains("lessons.sqlite.damaged-"), "\(status)")
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: place.folder.path + "/data")
        #expect(names.contains { $0.hasPrefix("lessons.sqlite.damaged-") }, "\(names)")
        #expect(try await learn(place, ["spam", "one.eml"]).output == "Learnt 1 message as spam.\n")
    }
}

import Foundation
import Testing

/// `sluice import` and `sluice export`, as an operator uses them.
@Suite struct TransferCommandTests {
    private func sluice(_ place: Place, _ words: String..., input: String = "") async throws -> Ran {
        try await Programs.run(
            Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"], input: Array(input.utf8))
    }

    private func write(_ text: String, _ name: String, in place: Place) throws -> String {
        try place.folder.write(text, to: name)
        return "\(place.folder.path)/\(name)"
    }

    @Test func `users are imported, with generated passwords in a file that only its owner reads`() async throws {
        let place = try await Place()
        let file = try write(
            "emailaddress;password;quota\r\neve@new.test;;1GB\r\nfay@new.test;own;\r\n", "u", in: place)
        let passwords = "\(place.folder.path)/passwords.csv"
        let choices = ["--postoffice", "acme", "--generate-passwords", passwords]
        let tried = try await Programs.run(
            Programs.sluice,
            ["import", "accounts", file, "--dry-run", "--config", place.folder.path + "/sluice.toml"] + choices)
        #expect(tried.code == 0 && tried.output.contains("Would add domain new.test."), "\(tried)")
        #expect(!FileManager.default.fileExists(atPath: passwords))
        #expect(try await sluice(place, "mailbox", "list").output.contains("new.test") == false)
        let done = try await Programs.run(
            Programs.sluice, ["import", "accounts", file, "--config", place.folder.path + "/sluice.toml"] + choices)
        #expect(done.code == 0 && done.output.contains("Added domain new.test.\naccounts: 2 added\n"), "\(done)")
        let list = try String(contentsOfFile: passwords, encoding: .utf8)
        #expect(list.hasPrefix("emailaddress,password\r\neve@new.test,") && !list.contains("fay@"))
        let mode = try FileManager.default.attributesOfItem(atPath: passwords)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let password = try #require(list.split(separator: ",").last?.trimmingCharacters(in: .whitespacesAndNewlines))
        #expect(!done.output.contains(password) && !done.errors.contains(password))
        let audit = try await sluice(place, "audit", "--json").output
        #expect(audit.contains("\"eve@new.test\"") && !audit.contains(password) && !audit.contains("own\""))
        // A file that is there is nobody's to overwrite.
        let again = try await sluice(place, "import", "accounts", file, "--generate-passwords", passwords)
        #expect(again.code == 1 && again.errors.contains("is there already"), "\(again)")
    }

    @Test func `all that is wrong is told with its place, and nothing is imported`() async throws {
        let place = try await Place()
        let text = "bob@acme.test,x\nanna@acme.test,x\neve@acme.test,x,12\n\"fay@acme.test\n"
        let file = try write(text, "users.csv", in: place)
        let ran = try await sluice(place, "import", "accounts", file)
        let lines = ran.errors.split(separator: "\n").map(String.init)
        #expect(ran.code == 1 && lines.count == 4, "\(ran)")
        for (line, start) in zip(lines, [":2:1: error: ", ":3:17: error: ", ":4:1: error: "]) {
            #expect(line.hasPrefix(file + start), "\(line)")
        }
        #expect(lines.last == "sluice: 3 problems; nothing was imported.")
        #expect(try await sluice(place, "mailbox", "list").output.contains("bob@") == false)
        let json = try await sluice(place, "import", "accounts", file, "--json")
        #expect(
            json.code == 1 && json.output.contains("\"problemCount\" : 3") && json.output.contains("\"column\" : 17"))
        let missing = try await sluice(place, "import", "accounts", "/nonexistent")
        #expect(missing.code == 1 && missing.errors.contains("no file /nonexistent"))
    }

    @Test(arguments: ["--csv", "--json"])
    func `everything goes from one server to another`(_ format: String) async throws {
        let (first, second) = (try await Place(), try await Place())
        for words in [
            ["group", "add", "staff@acme.test", "anna@acme.test", "--name", "=1+1"],
            ["mailbox", "redirect", "carl@acme.test", "staff@acme.test", "--keep-copy"],
            ["domain", "alias", "add", "alias.test", "acme.test"],
            ["domain", "catch-all", "set", "beta.test", "both@acme.test"],
            ["sender", "add", "sales@acme.test", "anna@acme.test", "bert@acme.test"],
            ["relay-domain", "add", "relay.test", "--to", "192.0.2.1:2525", "--only-authenticated"],
        ] {
            let ran = try await Programs.run(
                Programs.sluice, words + ["--config", first.folder.path + "/sluice.toml"])
            #expect(ran.code == 0, "\(words): \(ran)")
        }
        let folder = "\(first.folder.path)/out"
        #expect(try await sluice(first, "export", "all", folder, format).code == 0)
        // The second has what all places have; the file changes it where it differs.
        let taken = try await sluice(second, "import", "all", folder, "--existing", "change", "--no-password")
        #expect(taken.code == 0, "\(taken)")
        let again = "\(second.folder.path)/again"
        #expect(try await sluice(second, "export", "all", again, format).code == 0)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(names.count == 8)
        for name in names {
            let (old, new) = (try Data(contentsOf: URL(filePath: "\(folder)/\(name)")), "\(again)/\(name)")
            #expect(FileManager.default.contents(atPath: new) == old, "\(name)")
        }
        let repeated = try await sluice(first, "export", "all", folder, format)
        #expect(repeated.code == 1 && repeated.errors.contains("it is there already"), "\(repeated)")
    }

    @Test func `one kind goes to standard output, in the columns that were asked for`() async throws {
        let place = try await Place()
        let ran = try await sluice(
            place, "export", "accounts", "--columns", "friendlyname,emailaddress", "--separator", "semicolon")
        #expect(ran.output.hasPrefix("friendlyname;emailaddress\r\n;anna@acme.test\r\n"), "\(ran)")
        let wrong = try await sluice(place, "export", "accounts", "--columns", "password")
        #expect(wrong.code == 2 && wrong.output.isEmpty && wrong.errors.contains("is none of the columns"), "\(wrong)")
        let input = try await sluice(place, "import", "aliases", "-", input: "x@acme.test,anna@acme.test\n")
        #expect(input.code == 0 && input.output == "aliases: 1 added\n", "\(input)")
    }

    @Test func `a mailbox takes what fits, and what does not goes back`() async throws {
        try await LiveServer.run { server in
            let set = try await server.sluice("mailbox", "change", "bert@acme.test", "--quota", "3KB")
            #expect(set.code == 0)
            let wire = try await server.submission()
            let text = String(repeating: "0123456789\r\n", count: 300)
            for (subject, body) in [("small", "x\r\n"), ("large", text)] {
                let mail = "From: anna@acme.test\r\nSubject: \(subject)\r\n\r\n\(body)"
                #expect(try await wire.deliver(mail, from: "anna@acme.test", to: ["bert@acme.test"]).hasPrefix("250"))
            }
            let report = try await server.mail(of: "anna@acme.test", count: 1)[0]
            #expect(report.contains("Final-Recipient: rfc822; bert@acme.test\r\nAction: failed\r\nStatus: 5.2.2\r\n"))
            #expect(server.mail(of: "bert@acme.test").count == 1)
            #expect(try await server.queueIsEmpty())
        }
    }

    @Test func `of a full mailbox the sender hears while he is on the line`() async throws {
        try await LiveServer.run { server in
            let set = try await server.sluice("mailbox", "change", "bert@acme.test", "--quota", "3KB")
            #expect(set.code == 0)
            let wire = try await server.smtp()
            try await wire.greet()
            let body = String(repeating: "0123456789\r\n", count: 150)
            #expect(
                try await wire.deliver("From: a@out.test\r\nSubject: x\r\n\r\n\(body)", to: ["bert@acme.test"])
                    .hasPrefix("250"))
            _ = try await server.mail(of: "bert@acme.test", count: 1)
            /// A look that takes too long tells the next one who asks.
            func reply(_ size: Int, _ start: String) async -> Bool {
                await eventually {
                    guard (try? await wire.say("MAIL FROM:<a@out.test> SIZE=\(size)"))?.hasPrefix("250") == true,
                        let reply = try? await wire.say("RCPT TO:<bert@acme.test>")
                    else { return false }
                    _ = try? await wire.say("RSET")
                    return reply.hasPrefix(start)
                }
            }
            #expect(await reply(100, "250"))
            #expect(await reply(2_500, "552 5.2.2"))
            #expect(await reply(4_000, "552 5.2.3"))
            // Other recipients of the message are not concerned.
            try await wire.expect("MAIL FROM:<a@out.test> SIZE=2500", "250")
            try await wire.expect("RCPT TO:<anna@acme.test>", "250")
            try await wire.expect("RSET", "250")
            let place = "\(server.data)/mailboxes/acme.test/bert/Maildir/new"
            for name in try FileManager.default.contentsOfDirectory(atPath: place) {
                try FileManager.default.removeItem(atPath: "\(place)/\(name)")
            }
            #expect(await reply(2_500, "250"), "he has made room")
            #expect(try await server.queueIsEmpty())
            #expect(server.mail(of: "anna@acme.test").isEmpty)
        }
    }
}

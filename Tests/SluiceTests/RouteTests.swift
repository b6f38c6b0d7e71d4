import Foundation
import Testing

/// Where mail goes, on the running server and told by commands.
@Suite struct RouteTests {
    static let message = "From: a@out.test\r\nSubject: hello\r\n\r\nbody\r\n"

    /// Carl is redirected to anna with a copy, new.test is acme.test, and bert reads what nobody has.
    private static func set(up sluice: ([String]) async throws -> Ran) async throws {
        let commands = [
            ["mailbox", "redirect", "carl@acme.test", "anna@acme.test", "--keep-copy"],
            ["domain", "alias", "add", "new.test", "acme.test"],
            ["domain", "catch-all", "set", "acme.test", "bert@acme.test"],
            ["group", "add", "staff@acme.test", "both@acme.test", "carl@acme.test"],
            ["group", "change", "staff@acme.test", "--add-address", "team@beta.test"],
        ]
        for command in commands {
            let ran = try await sluice(command)
            #expect(ran.code == 0 && ran.errors.isEmpty, "\(ran)")
        }
    }

    @Test func `redirections, aliases of domains, groups and catch-alls work together`() async throws {
        try await LiveServer.run { server in
            try await Self.set(up: { words in try await server.sluice(words) })
            let wire = try await server.smtp()
            try await wire.greet()
            let sent = [
                ["carl@new.test"], ["team@beta.test"], ["x@acme.test", "y@new.test", "anna@acme.test"],
            ]
            for recipients in sent {
                #expect(try await wire.deliver(Self.message, to: recipients).hasPrefix("250 2.0.0 Taken as "))
            }
            #expect(try await server.queueIsEmpty())
            #expect(try await server.mail(of: "carl@acme.test", count: 2).count == 2)
            let anna = try await server.mail(of: "anna@acme.test", count: 3)
            #expect(anna.count == 3, "each message once")
            #expect(!anna.contains { $0.contains("X-Sluice-Catch-All") })
            let bert = try await server.mail(of: "bert@acme.test", count: 2)
            #expect(bert.count == 2, "one copy for both that nobody has")
            let lists = bert.filter { $0.contains("X-Sluice-Catch-All: x@acme.test, y@new.test\r\n") }
            #expect(lists.count == 1, "\(bert)")
            #expect(try await server.sluice("domain", "catch-all", "reset", "acme.test").code == 0)
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<x@acme.test>", "550 5.1.1")
        }
    }

    @Test func `route tells each step and what decided it`() async throws {
        let place = try await Place()
        func sluice(_ words: [String]) async throws -> Ran {
            try await Programs.run(Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"])
        }
        try await Self.set(up: sluice)
        let known = try await sluice(["route", "team+x@beta.test"])
        #expect(known.code == 0, "\(known)")
        for words in [
            "group of both@acme.test, carl@acme.test", "group staff@acme.test, audit ", "alias both@acme.test, audit ",
            "mailbox carl@acme.test, redirected to anna@acme.test, with a copy", "by cli:",
            "goes to      carl@acme.test by mailbox carl@acme.test",
        ] { #expect(known.output.contains(words), "\(words): \(known)") }
        let lost = try await sluice(["route", "nobody@new.test"])
        for words in [
            "domain alias of nobody@acme.test", "domain alias new.test, audit ", "catch-all of acme.test, audit ",
            "goes to      bert@acme.test by mailbox bert@acme.test",
        ] { #expect(lost.output.contains(words), "\(words): \(lost)") }
        let foreign = try await sluice(["route", "x@far.test"])
        #expect(foreign.code == 1 && foreign.output.contains("550 5.7.1"), "\(foreign)")
        #expect(foreign.output.contains("networks = ") && foreign.output.contains("far.test: not hosted here"))
        let user = try await sluice(["route", "x@far.test", "--from", "anna@acme.test", "--json"])
        let found = try #require(try user.json() as? [String: Any])
        #expect(found["routes"] as? [String] == ["x@far.test by mx far.test"], "\(user)")
        #expect(try await sluice(["route", "noaddress"]).code == 1)
    }

    @Test func `verify and check tell what leads astray`() async throws {
        let place = try await Place()
        func sluice(_ words: [String], _ input: String = "") async throws -> Ran {
            try await Programs.run(
                Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"], input: Array(input.utf8))
        }
        try await Self.set(up: { words in try await sluice(words) })
        let sound = try await sluice(["route", "verify"])
        #expect(sound.code == 0 && sound.output.hasSuffix("entries walked, nothing wrong.\n"), "\(sound)")
        let leak = try await sluice(["mailbox", "redirect", "bert@acme.test", "b@far.test"])
        #expect(leak.code == 0 && leak.errors.contains("warning: the catch-all of acme.test leads to another server"))
        let check = try await sluice(["check"])
        #expect(check.code == 0 && check.errors.contains("31-catchall.toml"), "\(check)")
        #expect(check.errors.contains("bert@acme.test > b@far.test"), "\(check)")
        #expect(try await sluice(["route", "verify"]).code == 0, "a leak is only worth a look")
        #expect(try await sluice(["mailbox", "change", "anna@acme.test", "--disable-mail"]).code == 0)
        #expect(try await sluice(["alias", "add", "a@beta.test", "anna@acme.test"]).code == 0)
        let dead = try await sluice(["route", "verify", "--json"])
        #expect(dead.code == 1, "\(dead)")
        let faults = try #require((try dead.json() as? [String: Any])?["faults"] as? [[String: Any]])
        let alias = try #require(faults.first { $0["entry"] as? String == "alias a@beta.test" })
        #expect(alias["kind"] as? String == "dead end")
        #expect(alias["witness"] as? [String] == ["a@beta.test", "anna@acme.test"])
    }

    @Test func `verify knows the limits of the chain`() async throws {
        let place = try await Place()
        func sluice(_ words: [String]) async throws -> Ran {
            try await Programs.run(Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"])
        }
        try await Self.set(up: sluice)
        #expect(try await sluice(["route", "verify"]).code == 0)
        let stage = "stage = \"recipients\"\n\n[recipients]\n"
        try place.folder.write(stage + "max_members = 2\n", to: "filters.d/24-recipients.toml")
        let wide = try await sluice(["route", "verify"])
        let words = "too wide: group staff@acme.test: staff@acme.test stands for more than max_members = 2 others"
        #expect(wide.code == 1 && wide.output.contains(words), "\(wide)")
        try place.folder.write(stage + "max_depth = 1\n", to: "filters.d/24-recipients.toml")
        let deep = try await sluice(["route", "verify"])
        #expect(deep.code == 1 && deep.output.contains("too deep: group staff@acme.test: "), "\(deep)")
    }

    @Test func `aliases and members come from files, all or none`() async throws {
        let place = try await Place()
        func sluice(_ words: [String], _ input: String) async throws -> Ran {
            try await Programs.run(
                Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"], input: Array(input.utf8))
        }
        let wrong = try await sluice(
            ["alias", "load", "-"],
            "# ours\nok@acme.test anna@acme.test\nbad@acme.test\n\nx@acme.test nobody@acme.test\n")
        #expect(wrong.code == 1)
        #expect(wrong.errors.contains("-:3: \"bad@acme.test\" would be an alias for nobody"), "\(wrong)")
        #expect(wrong.errors.contains("-:5: There is no address nobody@acme.test"), "\(wrong)")
        #expect(!(try await sluice(["alias", "list"], "").output.contains("ok@acme.test")))
        let right = try await sluice(
            ["alias", "load", "-"], "ok@acme.test\tanna@acme.test, x@far.test\n@acme.test bert@acme.test\n")
        #expect(right.code == 0 && right.output == "Added 2 aliases.\n", "\(right)")
        try Data([0x61, 0xFF, 0x0A]).write(to: URL(fileURLWithPath: place.folder.path + "/latin1"))
        for words in [["add", "bad@acme.test"], ["change", "staff@acme.test"]] {
            let ran = try await sluice(["group"] + words + ["--members-from", place.folder.path + "/latin1"], "")
            #expect(ran.code == 1 && ran.errors.contains("latin1 is not UTF-8."), "\(ran)")
        }
        let members = (0..<3000).map { "u\($0)@far.test\n" }.joined()
        #expect(try await sluice(["group", "add", "all@acme.test", "--members-from", "-"], members).code == 0)
        #expect(try await sluice(["group", "list"], "").output.contains("u2999@far.test"))
        #expect(
            try await sluice(["group", "change", "all@acme.test", "--members-from", "-"], "anna@acme.test").code == 0)
    }
}

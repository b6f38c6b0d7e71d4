import Foundation
import Testing

/// What other programs rely on: the forms of the commands, their exit codes, their JSON.
@Suite struct CommandTests {
    @Test func `a fresh installation takes mail and files it where it is said to lie`() async throws {
        try await LiveServer.run { server in
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(to: ["both@acme.test"]).hasPrefix("550 5.6.0"), "there is no From field")
            let message = "From: a@out.test\r\nSubject: hello\r\n\r\nbody\r\n"
            #expect(try await wire.deliver(message, to: ["both@acme.test"]).hasPrefix("250 2.0.0 Taken as "))
            let anna = try await server.mail(of: "anna@acme.test", count: 1)
            #expect(anna[0].contains("Delivered-To: anna@acme.test"))
            #expect(anna[0].contains("Return-Path: <a@out.test>"))
            _ = try await server.mail(of: "bert@acme.test", count: 1)
        }
    }

    @Test func `what cannot be printed is no success`() async throws {
        let place = try await Place()
        let command = "\(Programs.sluice) export accounts --config \(place.folder.path)/sluice.toml > /dev/full"
        let ran = try await Programs.run("/bin/sh", ["-c", command])
        #expect(ran.code == 75 && ran.errors.contains("What is printed cannot be written"), "\(ran)")
    }

    @Test func `try says what would become of a message, and changes nothing`() async throws {
        let place = try await Place()
        try place.folder.write("From: a@out.test\nSubject: x\n\nbody\n", to: "message.eml")
        let config = place.folder.path + "/sluice.toml"
        let arguments = [
            "try", place.folder.path + "/message.eml", "--client", "192.0.2.7", "--hello", "mx.out.test", "--from",
            "a@out.test", "--to", "anna@acme.test", "--json", "--config", config,
        ]
        for _ in 0..<2 {
            let ran = try await Programs.run(Programs.sluice, arguments)
            #expect(ran.code == 0, "\(ran)")
            let trace = try #require(try ran.json() as? [String: Any])
            let reply = try #require(trace["reply"] as? [String: Any])
            // The greylist has never seen this client, the second time as little as the first.
            #expect(reply["code"] as? Int == 451)
            #expect(reply["enhanced"] as? String == "4.7.1")
            #expect((reply["text"] as? String)?.isEmpty == false)
            let recipients = try #require(trace["recipients"] as? [[String: Any]])
            #expect(recipients.map { $0["address"] as? String } == ["anna@acme.test"])
            for key in ["address", "disposition", "route"] { #expect(recipients.first?[key] != nil, "\(key)") }
            #expect(trace["score"] is NSNumber)
            #expect(trace["symbols"] is [[String: Any]])
            #expect((trace["authentication"] as? String)?.hasPrefix("mx.acme.test;") == true)
            let stages = try #require(trace["stages"] as? [[String: Any]])
            for key in ["name", "file", "verdict", "edits", "microseconds"] {
                #expect(stages.allSatisfy { $0[key] != nil }, "\(key)")
            }
            #expect(stages.map { $0["name"] as? String }.contains("greylist"))
            #expect((trace["facts"] as? [Any])?.isEmpty == false)
        }
    }

    @Test func `domains in the letters of their people are taken everywhere`() async throws {
        let place = try await Place()
        try place.folder.write("From: a@bücher.test\nSubject: x\n\nbody\n", to: "message.eml")
        let config = place.folder.path + "/sluice.toml"
        let domain = ["domain", "add", "bücher.test", "--postoffice", "acme", "--config", config]
        #expect(try await Programs.run(Programs.sluice, domain).code == 0)
        for sender in [["--from", "a@bücher.test"], []] {
            let ran = try await Programs.run(
                Programs.sluice,
                ["try", place.folder.path + "/message.eml", "--to", "x@Bücher.test", "--json", "--config", config]
                    + sender)
            #expect(ran.code == 0, "\(ran)")
            #expect(ran.output.contains("\"a@xn--bcher-kva.test\"") && ran.output.contains("x@xn--bcher-kva.test"))
            #expect(ran.output.contains("5.1.1"), "the domain is known, and the user is not: \(ran.output)")
        }
    }

    @Test func `symbols have a name, points and a description`() async throws {
        let place = try await Place()
        let fields = "From: a@out.test\nTo: anna@acme.test\nSubject: x\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n"
        try place.folder.write(fields + "\nbody\n", to: "message.eml")
        let ran = try await Programs.run(
            Programs.sluice,
            [
                "try", "message.eml", "--to", "anna@acme.test", "--json", "--config", "sluice.toml",
            ], folder: place.folder.path)
        let trace = try #require(try ran.json() as? [String: Any])
        let symbols = try #require(trace["symbols"] as? [[String: Any]])
        #expect(!symbols.isEmpty)
        for key in ["name", "points", "description"] { #expect(symbols.allSatisfy { $0[key] != nil }, "\(key)") }
        let recipient = try #require((trace["recipients"] as? [[String: Any]])?.first)
        #expect(recipient["disposition"] as? String == "deliver")
        #expect(recipient["route"] as? [String] == ["mailbox anna@acme.test"])
    }

    static let commands: [([String], Int32)] = [
        (["bogus"], 2), (["try"], 2), (["queue", "retry"], 2), (["mailbox", "change", "anna@acme.test"], 2),
        (["replay"], 2), (["check"], 0), (["chain"], 0), (["chain", "--json"], 0), (["version"], 0), (["--help"], 0),
        (["mailbox", "add", "--help"], 0), (["queue", "list", "--json"], 0), (["mailbox", "list", "--json"], 0),
        (["postoffice", "add", "acme"], 1), (["domain", "add", "new.test", "--postoffice", "none"], 1),
        (["mailbox", "add", "x@nowhere.test"], 1), (["mailbox", "add", "noaddress"], 1),
        (["alias", "add", "loop@acme.test", "loop@acme.test"], 1), (["trace", "0000000000000000"], 1),
        (["status"], 75), (["reload"], 75), (["queu", "list"], 2), (["help", "bogus"], 2),
        (["trace", "--outcome", "bogus"], 2), (["trace", "--limit", "0"], 2), (["audit", "--limit", "-1"], 2),
        (["replay", "--since", "1h", "--limit", "0"], 2), (["dkim", "list", "--json"], 0),
        (["dkim", "show", "acme.test"], 0), (["dkim", "show", "nowhere.test"], 1), (["dkim", "dns", "acme.test"], 1),
        (["dkim", "create", "acme.test", "a/b"], 1), (["dkim", "create", "acme.test", "s1", "--bits", "512"], 2),
        (["dkim", "create", "acme.test", "s1", "--algorithm", "ed25519", "--bits", "2048"], 2),
        (["dkim", "activate", "acme.test", "s1"], 1), (["dkim", "settings", "acme.test", "--sign", "maybe"], 2),
        (["dkim", "import", "acme.test", "nothing.pem", "--selector", "s1"], 1),
        (["dkim", "import", "acme.test", "nothing.pem"], 1),
    ]

    @Test(arguments: commands)
    func `exit codes say what is wrong`(_ arguments: [String], _ code: Int32) async throws {
        let place = try await Place()
        let hasConfig = !["bogus", "--help", "version"].contains(arguments[0]) && !arguments.contains("--help")
        let config = hasConfig ? ["--config", place.folder.path + "/sluice.toml"] : []
        let ran = try await Programs.run(Programs.sluice, arguments + config, input: Array("secret\n".utf8))
        #expect(ran.code == code, "\(ran)")
        if code == 0 { #expect(!ran.output.isEmpty) } else { #expect(!ran.errors.isEmpty) }
        #expect(code == 0 || ran.output.isEmpty, "what is wrong is told on stderr alone")
    }

    @Test func `lists know what they are asked for, and audit says what is otherwise`() async throws {
        let place = try await Place()
        func sluice(_ words: String...) async throws -> Ran {
            try await Programs.run(Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"])
        }
        #expect(try await sluice("mailbox", "list", "--domain", "ACME.test").output.contains("anna@acme.test"))
        let wrong = try await sluice("mailbox", "list", "--domain", "acne.test")
        #expect(wrong.code == 1 && wrong.errors.contains("did you mean acme.test?"), "\(wrong)")
        #expect(try await sluice("domain", "list", "--postoffice", "none").code == 1)
        #expect(try await sluice("alias", "change", "both@acme.test", "--add", "carl@acme.test").code == 0)
        let audit = try await sluice("audit", "--object", "both@acme.test", "--limit", "1")
        let members = "members: anna@acme.test, bert@acme.test > anna@acme.test, bert@acme.test, carl@acme.test"
        #expect(audit.output.contains("alias.set  both@acme.test  \(members)"), "\(audit)")
    }

    @Test func `each mistake of a configuration is told at its place with the nearest right word`() async throws {
        let place = try await Place()
        let config = place.folder.path + "/sluice.toml"
        let text = try place.folder.text("sluice.toml")
        try place.folder.write("hostnam = \"x\"\n" + text + "\n[queue]\ngive_up_after = \"soon\"\n", to: "sluice.toml")
        try place.folder.write("stage = \"greylst\"\n", to: "filters.d/41-grey.toml")
        try place.folder.write("stage = \"size\"\n[size]\nmaks = \"1MB\"\n", to: "filters.d/16-size.toml")
        let replays = "stage = \"dkim-verify\"\n[dkim-verify]\nreplays = \"0/1d\"\n"
        try place.folder.write(replays, to: "filters.d/28-dkim-verify.toml")
        let ran = try await Programs.run(Programs.sluice, ["check", "--config", config])
        #expect(ran.code == 1)
        let lines = ran.errors.split(separator: "\n").map(String.init)
        for line in lines {
            #expect(line.wholeMatch(of: /\/.+:\d+:\d+: (error|warning|lint): .+/) != nil, "\(line)")
        }
        func told(_ file: String, _ words: String...) -> Bool {
            lines.contains { line in line.contains(file) && words.allSatisfy(line.contains) }
        }
        #expect(told("sluice.toml:1:1:", "hostnam", "hostname"))
        #expect(told("sluice.toml:", "give_up_after"))
        #expect(told("41-grey.toml:1:", "greylst", "greylist"))
        #expect(told("16-size.toml:3:1:", "maks", "max"))
        #expect(told("28-dkim-verify.toml:3:", "every signature a replay"))
        let serve = try await Programs.run(Programs.sluice, ["serve", "--config", config])
        #expect(serve.code == 1)
    }

    @Test func `a word that is no command is told with the nearest that is`() async throws {
        for (words, hint) in [
            (["queu", "list"], "`sluice queu`. Did you mean queue?"), (["mailbox", "ad"], "Did you mean add?"),
            (["queue", "zzz"], "There are list, show, retry"), (["help", "trase"], "Did you mean trace?"),
        ] {
            let ran = try await Programs.run(Programs.sluice, words)
            #expect(ran.code == 2 && ran.errors.contains(hint), "\(ran)")
        }
    }

    @Test func `what a stage's file cannot mean is told at its place, with what it could`() async throws {
        let place = try await Place()
        let results = "stage = \"results\"\nonly = [\"dkim.softfail\"]\n[results]\nauthserv_id = \"mx; spf=pass\"\n"
        try place.folder.write(results, to: "filters.d/38-results.toml")
        let arc = "stage = \"arc\"\nunless = [\"arc.policy\"]\n[arc]\ntrusted = [\"a.example\", \"x.\"]\n"
        try place.folder.write(arc, to: "filters.d/29-arc.toml")
        let ran = try await Programs.run(Programs.sluice, ["check", "--config", place.folder.path + "/sluice.toml"])
        #expect(ran.code == 1)
        for said in [
            "38-results.toml:2:9: error: \"dkim.softfail\" never holds: there are \"dkim.none\", \"dkim.pass\", "
                + "\"dkim.fail\", \"dkim.policy\", \"dkim.neutral\", \"dkim.temperror\", \"dkim.permerror\"\n",
            "29-arc.toml:2:11: error: \"arc.policy\" never holds: there are \"arc.none\", ",
            "38-results.toml:4:15: error: `authserv_id`: \"mx; spf=pass\" is no domain: letters",
            "29-arc.toml:4:25: error: `trusted`: \"x.\" is no domain: letters",
        ] { #expect(ran.errors.contains(said), "\(ran.errors)") }
    }

    @Test func `mistakes are told beside an unknown stage`() async throws {
        let place = try await Place()
        try place.folder.write("stage = \"siz\"\nonly = [\"authentcated\"]\n", to: "filters.d/16-size.toml")
        let ran = try await Programs.run(Programs.sluice, ["check", "--config", place.folder.path + "/sluice.toml"])
        #expect(ran.code == 1)
        #expect(ran.errors.contains("16-size.toml:1:9: error: \"siz\" is not a stage; did you mean \"size\"?"))
        #expect(ran.errors.contains("16-size.toml:2:9: error: \"authentcated\" is not a condition"))
    }

    @Test func `chain shows of a domain what differs, and check misses the guard against loops`() async throws {
        let place = try await Place()
        let config = ["--config", place.folder.path + "/sluice.toml"]
        let own = "stage = \"greylist\"\n[domain.\"acme.test\".greylist]\ndelay = \"1m\"\n"
        try place.folder.write(own, to: "filters.d/40-greylist.toml")
        let chain = try await Programs.run(Programs.sluice, ["chain"] + config)
        let lines = chain.output.split(separator: "\n").filter { $0.contains("acme.test: ") }
        #expect(lines.count == 1)
        #expect(lines.first?.contains("acme.test: delay = \"1m\"") == true)
        #expect(lines.first?.hasSuffix("40-greylist.toml:3:9") == true)
        try FileManager.default.removeItem(atPath: place.folder.path + "/filters.d/32-received.toml")
        let check = try await Programs.run(Programs.sluice, ["check"] + config)
        #expect(check.code == 0, "a lint forbids nothing")
        #expect(check.errors.contains(": lint: ") && check.errors.contains("the stage \"received\" is missing"))
        // Neither relay nor an empty table of transport takes mail for the domains that are hosted here.
        try FileManager.default.removeItem(atPath: place.folder.path + "/filters.d/24-recipients.toml")
        let unknown = try await Programs.run(Programs.sluice, ["check"] + config)
        #expect(unknown.code == 0 && unknown.errors.contains("the stage \"recipients\" is missing"), "\(unknown)")
    }

    @Test func `a command sees a server's changes, and the server a command's, at once`() async throws {
        try await LiveServer.run { server in
            let wire = try await server.smtp()
            try await wire.greet()
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<new@acme.test>", "550 5.1.1")
            let added = try await server.sluice("mailbox", "add", "new@acme.test", "--password-stdin", input: "pw\n")
            #expect(added.code == 0, "\(added)")
            try await wire.expect("RCPT TO:<new@acme.test>", "250")
            #expect(try await server.sluice("mailbox", "remove", "new@acme.test").code == 0)
            try await wire.expect("RCPT TO:<new@acme.test>", "550 5.1.1")
            let audit = try await server.sluice("audit", "--json")
            #expect(audit.output.contains("new@acme.test"))
            #expect(!audit.output.contains("sesame"))
        }
    }

    @Test func `a trace is found by id, by recipient and by time`() async throws {
        try await LiveServer.run { server in
            let wire = try await server.smtp()
            try await wire.greet()
            let reply = try await wire.deliver("From: a@out.test\r\n\r\nbody\r\n")
            let id = String(reply.suffix(16))
            #expect(await eventually { (try? await server.sluice("trace", id).code) == 0 })
            let shown = try await server.sluice("trace", id, "--json")
            #expect((try shown.json() as? [String: Any])?["id"] as? String == id)
            for query in [
                ["--to", "anna@acme.test"], ["--from", "@out.test"], ["--since", "1h"], ["--outcome", "accepted"],
            ] {
                let listed = try await server.sluice(["trace"] + query)
                #expect(listed.output.contains(id), "\(query)")
            }
            let everybody = ["anna", "bert", "carl", "both"].map { "\($0)@acme.test" }
            let many = try await wire.deliver("From: a@out.test\r\n\r\nbody\r\n", to: everybody)
            #expect(await eventually { (try? await server.sluice("trace", String(many.suffix(16))).code) == 0 })
            let list = try await server.sluice("trace")
            #expect(list.output.contains("  anna@acme.test, bert@acme.test, carl@acme.test +1  "), "\(list)")
            let others = try await server.sluice("trace", "--to", "nobody@acme.test")
            #expect(!others.output.contains(id))
            let received = try await server.mail(of: "anna@acme.test", count: 1)[0]
            #expect(received.contains("id \(id)"))
            #expect(server.log.contains(id))
        }
    }
}

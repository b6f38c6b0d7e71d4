import Foundation
import Testing

/// A key from its making to its end, with a server, a DNS and another program that verifies.
@Suite struct KeyCommandTests {
    static func setup(_ names: NameServer) -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        setup.more = "[dns]\nservers = [\"127.0.0.1:\(names.port)\"]\n"
        // Who sends mail in again from here is no neighbour that comes back.
        setup.filters["40-greylist.toml"] = ""
        setup.filters["28-dkim-verify.toml"] = "stage = \"dkim-verify\"\n"
        return setup
    }

    /// The record of a key in one piece, as `sluice dkim dns` prints it.
    static func record(_ selector: String, _ server: LiveServer) async throws -> String {
        let ran = try await server.sluice("dkim", "dns", "acme.test", selector)
        #expect(ran.code == 0, "\(ran)")
        let line = ran.output.split(separator: "\n").first { $0.hasPrefix("; v=DKIM1") }
        return String(try #require(line).dropFirst(2))
    }

    /// What anna writes to bert, as bert gets it.
    static func send(_ server: LiveServer) async throws -> String {
        let count = server.mail(of: "bert@acme.test").count
        let wire = try await server.submission()
        let subject = "number \(count)"
        let message = "From: Anna <anna@acme.test>\r\nTo: bert@acme.test\r\nSubject: \(subject)\r\n\r\nHello.\r\n"
        let reply = try await wire.deliver(message, from: "anna@acme.test", to: ["bert@acme.test"])
        #expect(reply.hasPrefix("250"), "\(reply)")
        let mail = try await server.mail(of: "bert@acme.test", count: count + 1)
        return try #require(mail.first { $0.contains(subject) })
    }

    /// The signatures, unfolded.
    static func signatures(_ mail: String) -> [String] {
        let header = mail.components(separatedBy: "\r\n\r\n")[0].replacingOccurrences(of: "\r\n\t", with: " ")
            .replacingOccurrences(of: "\r\n ", with: " ")
        return header.components(separatedBy: "\r\n").filter { $0.hasPrefix("DKIM-Signature:") }
    }

    static let dkimpy = """
        import sys, dkim
        records = dict(zip(sys.argv[1::2], sys.argv[2::2]))
        def txt(name, timeout=5):
            return records.get(name.decode().rstrip("."), "").encode()
        message = sys.stdin.buffer.read()
        try:
            print(dkim.DKIM(message, minkey=1024).verify(dnsfunc=txt))
        except dkim.DKIMException as error:
            print(error)
        """

    /// Whether another implementation holds the topmost signature valid.
    static func verdict(_ mail: String, _ name: String, _ record: String) async throws -> String {
        let ran = try await Programs.run(
            "python3", ["-c", dkimpy, name, record], input: Array(mail.utf8))
        #expect(ran.code == 0, "\(ran)")
        return ran.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test func `the manual's recipe: RSA of 1024 bits, relaxed, no l=, no i=, in test mode, active`() async throws {
        let names = try await NameServer.start([:])
        try await LiveServer.run(Self.setup(names)) { server in
            let made = try await server.sluice("dkim", "create", "acme.test", "test", "--bits", "1024", "--test")
            #expect(made.code == 0 && made.output.contains("\ntest._domainkey.acme.test. IN TXT "), "\(made)")
            #expect(made.errors.contains("1024 bits is within reach of attackers"), "\(made)")
            let choices = [
                "--algorithm", "rsa", "--header-canonicalization", "relaxed", "--body-canonicalization", "relaxed",
                "--length", "off", "--identity", "off",
            ]
            let set = try await server.sluice(["dkim", "settings", "acme.test"] + choices)
            #expect(set.code == 0, "\(set)")
            #expect(try await Self.signatures(Self.send(server)) == [], "it signs before it is activated")

            let unseen = try await server.sluice("dkim", "activate", "acme.test", "test")
            #expect(unseen.code == 1 && unseen.errors.contains("not published"), "\(unseen)")
            let record = try await Self.record("test", server)
            #expect(record.hasPrefix("v=DKIM1; k=rsa; t=y; p="))
            names.set("test._domainkey.acme.test", [.text(record)])
            let activated = try await server.sluice("dkim", "activate", "acme.test", "test")
            #expect(activated.code == 0 && activated.errors.contains("t=y"), "\(activated)")

            let mail = try await Self.send(server)
            let signatures = Self.signatures(mail)
            #expect(signatures.count == 1)
            let signature = try #require(signatures.first)
            for tag in ["a=rsa-sha256;", "c=relaxed/relaxed;", "d=acme.test;", "s=test;"] {
                #expect(signature.contains(tag), "\(tag) \(signature)")
            }
            #expect(!signature.contains(" l=") && !signature.contains(" i="))
            let changed = try await server.sluice("dkim", "change", "acme.test", "test", "--test", "off")
            #expect(changed.code == 0 && changed.output.contains("\"v=DKIM1; k=rsa; p="), "\(changed)")
            #expect(try await server.sluice("dkim", "check").code == 1, "the old record is there still")
            let verdict = try await Self.verdict(mail, "test._domainkey.acme.test", record)
            #expect(verdict == "True")
        }
        await names.stop()
    }

    @Test func `a key is rolled while mail flows`() async throws {
        let names = try await NameServer.start([:])
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(Self.setup(names))
            for (selector, more) in [("s1", []), ("s2", []), ("e1", ["--algorithm", "ed25519"])] as [(String, [String])]
            {
                let made = try await server.sluice(["dkim", "create", "acme.test", selector] + more)
                #expect(made.code == 0, "\(made)")
            }
            // Behind an alias in DNS, as some providers have it.
            names.set("s1._domainkey.acme.test", [.alias("keys.beta.test")])
            names.set("keys.beta.test", [.text(try await Self.record("s1", server))])
            for name in ["s2", "e1"] {
                names.set("\(name)._domainkey.acme.test", [.text(try await Self.record(name, server))])
            }
            for name in ["s1", "e1"] {
                let ran = try await server.sluice("dkim", "activate", "acme.test", name)
                #expect(ran.code == 0 && ran.errors.isEmpty, "\(ran)")
            }
            let first = try await Self.send(server)
            #expect(Self.signatures(first).count == 2)
            // Our own verifier, as the server of somebody else would.
            let wire = try await server.smtp()
            try await wire.greet()
            let forwarded = first.components(separatedBy: "\r\n").drop { !$0.hasPrefix("DKIM-Signature:") }
            let reply = try await wire.deliver(forwarded.joined(separator: "\r\n"), to: ["carl@acme.test"])
            #expect(reply.hasPrefix("250"), "\(reply)")
            let id = String(reply.suffix(16))
            #expect(await eventually { (try? await server.sluice("trace", id).code) == 0 })
            let trace = try await server.sluice("trace", id, "--facts")
            for selector in ["s1", "e1"] {
                #expect(trace.output.contains("\(selector) of acme.test: pass"), "\(trace)")
            }

            let rolled = try await server.sluice("dkim", "activate", "acme.test", "s2")
            #expect(
                rolled.code == 0 && rolled.output.contains("s1 is retired. Leave s1._domainkey.acme.test"), "\(rolled)")
            let second = try await Self.send(server)
            #expect(Self.signatures(second).contains { $0.contains("s=s2;") })
            #expect(!Self.signatures(second).contains { $0.contains("s=s1;") })
            try await Self.checks(names, server)
            await server.stop()
            try await server.replay()
            try await Self.ends(server)
        }
        await names.stop()
    }

    /// What is published is asked for.
    static func checks(_ names: NameServer, _ server: LiveServer) async throws {
        let good = try await server.sluice("dkim", "check", "acme.test")
        #expect(good.code == 0, "\(good)")
        #expect(good.output.components(separatedBy: "published as it should be").count == 4, "\(good)")
        // What has retired may be gone; what is active may not.
        names.set("keys.beta.test", nil)
        #expect(try await server.sluice("dkim", "check").code == 0)
        let record = try await Self.record("s2", server)
        for wrong in [[.text(record), .text(record)], [.text("v=DKIM1; p=")], []] as [[NameServer.Record]] {
            names.set("s2._domainkey.acme.test", wrong)
            let bad = try await server.sluice("dkim", "check", "acme.test", "s2", "--json")
            #expect(bad.code == 1, "\(bad)")
            let entry = try #require((try bad.json() as? [[String: Any]])?.first)
            #expect(entry["record"] as? String == (wrong.isEmpty ? "missing" : "wrong"))
        }
        names.set("s2._domainkey.acme.test", [.text(record)])
    }

    /// No key goes that is needed.
    static func ends(_ server: LiveServer) async throws {
        let key = "\(server.data)/keys/dkim/acme.test/s1.pem"
        let attributes = try FileManager.default.attributesOfItem(atPath: key)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let folder = try FileManager.default.attributesOfItem(atPath: "\(server.data)/keys/dkim/acme.test")
        #expect(folder[.posixPermissions] as? Int == 0o700)
        let active = try await server.sluice("dkim", "delete", "acme.test", "s2", "--force")
        #expect(active.code == 1 && active.errors.contains("signs for acme.test"), "\(active)")
        let early = try await server.sluice("dkim", "delete", "acme.test", "s1")
        #expect(early.code == 1 && early.errors.contains("may be on its way until"), "\(early)")
        #expect(FileManager.default.fileExists(atPath: key))
        let listed = try await server.sluice("dkim", "list", "--json")
        let entries = try #require(try listed.json() as? [[String: Any]])
        let times = try #require(entries.first { $0["selector"] as? String == "s1" })
        let date = ISO8601DateFormatter()
        let retired = try #require((times["retired"] as? String).flatMap(date.date))
        let end = try #require((times["mayGo"] as? String).flatMap(date.date))
        // As long as its signatures are good, which is longer than the queue keeps mail.
        #expect(abs(end.timeIntervalSince(retired) - 7 * 86_400) < 2)
        let forced = try await server.sluice("dkim", "delete", "acme.test", "s1", "--force")
        #expect(forced.code == 0 && !FileManager.default.fileExists(atPath: key), "\(forced)")
        let retire = try await server.sluice("dkim", "retire", "acme.test", "s2")
        #expect(retire.code == 0, "\(retire)")
        let log = try await server.sluice("audit", "--object", "s2._domainkey.acme.test")
        for verb in ["dkim.add", "dkim.activate", "dkim.retire"] { #expect(log.output.contains(verb), "\(log)") }
    }

    @Test func `an active key without its file puts mail off, and everybody is told why`() async throws {
        let names = try await NameServer.start([:])
        var setup = Self.setup(names)
        // The file is gone when it is judged again, too; but nothing is accepted that could be.
        setup.isReplayed = false
        let port = try Ports.free(1)[0]
        setup.more += "[metrics]\nbind = [\"127.0.0.1:\(port)\"]\n"
        try await LiveServer.run(setup) { server in
            _ = try await server.sluice("dkim", "create", "acme.test", "s1")
            #expect(try await server.sluice("dkim", "activate", "acme.test", "s1", "--force").code == 0)
            #expect(try await Self.signatures(Self.send(server)).count == 1)
            // The trace is written behind the reply.
            let isKept = { try? await server.sluice("replay", "--since", "1h").output.contains("Judged 1 again") }
            #expect(await eventually { await isKept() == true })
            try FileManager.default.removeItem(atPath: "\(server.data)/keys/dkim/acme.test/s1.pem")
            let replayed = try await server.sluice("replay", "--since", "1h")
            #expect(replayed.code == 0 && replayed.output.contains("Judged 1 again: 0 found otherwise"), "\(replayed)")
            #expect(
                replayed.output.contains(
                    "Not signed again: dkim-sign: would be signed as acme.test (s1), by the directory; the key is not"
                ), "\(replayed)")
            let wire = try await server.submission()
            let message = "From: anna@acme.test\r\nSubject: late\r\n\r\nHello.\r\n"
            let reply = try await wire.deliver(message, from: "anna@acme.test", to: ["bert@acme.test"])
            #expect(reply.hasPrefix("451"), "\(reply)")
            #expect(
                await eventually {
                    let traces = try? await server.sluice("trace", "--outcome", "deferred", "--json")
                    return traces?.output.contains("the active key s1 of acme.test cannot be used") == true
                })
            let status = try await server.sluice("status")
            #expect(
                status.code == 1 && status.output.contains("The active key s1 of acme.test cannot be used"), "\(status)"
            )
            #expect(await eventually { server.log.contains("mail cannot be signed") })
            let asking = try await Wire.connect(port: port)
            asking.push(Array("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            let health = try await asking.end()
            #expect(health.hasPrefix("HTTP/1.1 200 ") && health.contains("degraded\nThe active key s1 of"), "\(health)")
            let check = try await server.sluice("check")
            #expect(
                check.code == 0 && check.errors.contains("the active key s1 of acme.test cannot be used"), "\(check)")
            let asked = try await server.sluice("dkim", "check", "acme.test")
            #expect(asked.code == 1 && asked.output.contains("the private key cannot be used"), "\(asked)")
        }
        await names.stop()
    }

    @Test func `all questions are asked at once, and none where the answer does not count`() async throws {
        let names = try await NameServer.start([:])
        let place = try await Place()
        try place.folder.write(LiveServer.settings(Self.setup(names), (2525, 2587, 2465, 2424)), to: "sluice.toml")
        func sluice(_ words: String...) async throws -> Ran {
            try await Programs.run(Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"])
        }
        for selector in ["s1", "s2", "s3"] {
            #expect(try await sluice("dkim", "create", "acme.test", selector).code == 0)
            let listed = try await sluice("dkim", "dns", "acme.test", selector)
            let line = try #require(listed.output.split(separator: "\n").first { $0.hasPrefix("; v=DKIM1") })
            names.set("\(selector)._domainkey.acme.test", [.text(String(line.dropFirst(2)))])
        }
        #expect(try await sluice("dkim", "create", "acme.test", "e1", "--algorithm", "ed25519").code == 0)
        names.hold("s1._domainkey.acme.test", untilAsked: "s3._domainkey.acme.test")
        let checked = try await sluice("dkim", "check", "acme.test")
        let right = checked.output.split(separator: "\n").filter { $0.contains("published as it should be") }
        #expect(checked.code == 0 && right.map { String($0.prefix(2)) } == ["s1", "s2", "s3"], "\(checked)")

        #expect(try await sluice("dkim", "activate", "acme.test", "s1").code == 0)
        #expect(try await sluice("dkim", "settings", "acme.test", "--algorithm", "rsa").code == 0)
        let asked = names.asked.count
        let kind = try await sluice("dkim", "activate", "acme.test", "e1", "--force")
        #expect(kind.code == 1 && kind.errors.contains("e1 is for ed25519-sha256, and acme.test signs with"), "\(kind)")
        let twice = try await sluice("dkim", "activate", "acme.test", "s1", "--force")
        #expect(twice.code == 1 && twice.errors.contains("s1 signs for acme.test already"), "\(twice)")
        #expect(names.asked.count == asked, "DNS was asked")

        // RFC 6376 §3.6.1: t=s wants the very domain in i=.
        names.set("s1._domainkey.acme.test", [.text("v=DKIM1; t=s; " + (try await Self.publicPart("s1", sluice)))])
        #expect(try await sluice("dkim", "check", "acme.test", "s1").code == 0)
        #expect(try await sluice("dkim", "settings", "acme.test", "--identity", "on", "--subdomains", "on").code == 0)
        let strict = try await sluice("dkim", "check", "acme.test", "s1")
        #expect(strict.code == 1 && strict.output.contains("t=s makes signatures"), "\(strict)")
        // What nobody signs with is no alarm.
        #expect(try await sluice("domain", "change", "acme.test", "--disable-mail").code == 0)
        let disabled = try await sluice("dkim", "check", "acme.test", "s1")
        #expect(disabled.code == 0 && disabled.output.contains("; the domain is disabled"), "\(disabled)")
        await names.stop()
        // Who gets no answer is not told to publish what may be published.
        let silence = try await sluice("dkim", "activate", "acme.test", "s2")
        #expect(silence.code == 75 && silence.errors.contains("Try again when name servers answer"), "\(silence)")
        #expect(!silence.errors.contains("Publish"), "\(silence)")
    }

    private static func publicPart(_ selector: String, _ sluice: (String...) async throws -> Ran) async throws -> String
    {
        let listed = try await sluice("dkim", "dns", "acme.test", selector)
        let record = try #require(listed.output.split(separator: "\n").last)
        return String(record[try #require(record.range(of: "p=")).lowerBound...])
    }

    @Test func `who removes a domain hears what is left of its keys; disabled, it does not sign`() async throws {
        let place = try await Place()
        func sluice(_ words: String...) async throws -> Ran {
            try await Programs.run(Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"])
        }
        #expect(try await sluice("dkim", "create", "beta.test", "s1").code == 0)
        #expect(try await sluice("dkim", "create", "beta.test", "e1", "--algorithm", "ed25519").code == 0)
        #expect(try await sluice("dkim", "activate", "beta.test", "e1", "--force").code == 0)
        #expect(try await sluice("domain", "change", "beta.test", "--disable-mail").code == 0)
        let shown = try await sluice("dkim", "show", "beta.test")
        #expect(shown.errors.contains("warning: beta.test is disabled: its mail is not signed"), "\(shown)")
        let seal = "stage = \"arc-seal\"\n[arc-seal]\ndomain = \"beta.test\"\nselector = \"s1\"\n"
        try place.folder.write(seal, to: "filters.d/92-arc-seal.toml")
        let removed = try await sluice("domain", "remove", "beta.test", "--force")
        #expect(removed.code == 0, "\(removed)")
        for words in [
            "It had 2 DKIM keys: s1 (prepared), e1 (active).",
            "\(place.folder.path)/data/keys/dkim/beta.test: delete e1.pem there, unless",
            "92-arc-seal.toml signs with beta.test/s1: its file and its record must stay.",
            "has arrived: e1._domainkey.beta.test\n",
        ] {
            #expect(removed.output.contains(words), "\(removed)")
        }
        #expect(FileManager.default.fileExists(atPath: "\(place.folder.path)/data/keys/dkim/beta.test/e1.pem"))
        #expect(try await sluice("dkim", "create", "acme.test", "s1").code == 0)
        let office = try await sluice("postoffice", "remove", "acme", "--force")
        #expect(office.code == 0 && office.output.contains("It had 1 DKIM key: s1 (prepared)."), "\(office)")
    }

    @Test func `where the file names a domain too, everybody is told whose word counts`() async throws {
        let names = try await NameServer.start([:])
        let place = try await SigningTests.place()
        try place.folder.write(LiveServer.settings(Self.setup(names), (2525, 2587, 2465, 2424)), to: "sluice.toml")
        func sluice(_ words: String...) async throws -> Ran {
            try await Programs.run(Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"])
        }
        let before = try await sluice("dkim", "show", "acme.test")
        #expect(
            before.output.contains("acme.test signs with s1, e1, as its table in 90-dkim-sign.toml says"), "\(before)")
        #expect(try await sluice("dkim", "create", "acme.test", "new").code == 0)
        #expect(try await sluice("dkim", "show", "acme.test").output.contains("until a selector is activated"))
        #expect(try await !sluice("check").errors.contains("does not count"))
        // Its keys are there already, and can be taken over as they are.
        let key = place.folder.path + "/data/keys/dkim/acme.test/s1.pem"
        let taken = try await sluice("dkim", "import", "acme.test", key, "--selector", "s1")
        #expect(taken.code == 0, "\(taken)")
        let named = try await sluice("dkim", "delete", "acme.test", "s1")
        #expect(named.code == 1 && named.errors.contains("90-dkim-sign.toml names s1"), "\(named)")
        #expect(try await sluice("dkim", "activate", "acme.test", "s1", "--force").code == 0)
        let after = try await sluice("dkim", "show", "acme.test")
        #expect(after.output.contains("its table in 90-dkim-sign.toml does not count"), "\(after)")
        let check = try await sluice("check")
        #expect(check.code == 0 && check.errors.contains("the table of acme.test does not count"), "\(check)")
        await names.stop()
    }

    @Test func `what would put a domain's mail off is refused, and told where it was forced`() async throws {
        let names = try await NameServer.start([:])
        let place = try await SigningTests.place()
        try place.folder.write(LiveServer.settings(Self.setup(names), (2525, 2587, 2465, 2424)), to: "sluice.toml")
        func sluice(_ words: String...) async throws -> Ran {
            try await Programs.run(Programs.sluice, words + ["--config", place.folder.path + "/sluice.toml"])
        }
        for (selector, kind) in [("r2", "rsa"), ("e2", "ed25519")] {
            #expect(try await sluice("dkim", "create", "acme.test", selector, "--algorithm", kind).code == 0)
            #expect(try await sluice("dkim", "activate", "acme.test", selector, "--force").code == 0)
        }
        #expect(try await sluice("dkim", "settings", "acme.test", "--algorithm", "ed25519").code == 0)
        let standstill = "no active key of acme.test is for ed25519-sha256"
        let retired = try await sluice("dkim", "retire", "acme.test", "e2")
        #expect(retired.code == 1 && retired.errors.contains("Then \(standstill)"), "\(retired)")
        #expect(try await sluice("check").errors.contains(standstill) == false)
        let forced = try await sluice("dkim", "retire", "acme.test", "e2", "--force")
        #expect(forced.code == 0 && forced.errors.contains("No active key of acme.test"), "\(forced)")
        #expect(try await sluice("check").errors.contains(standstill))
        let asked = try await sluice("dkim", "check", "acme.test")
        #expect(asked.code == 1 && asked.output.contains(standstill), "\(asked)")
        #expect(try await sluice("dkim", "settings", "acme.test", "--algorithm", "default").code == 0)
        let set = try await sluice("dkim", "settings", "acme.test", "--algorithm", "ed25519")
        #expect(set.code == 1 && set.errors.contains("Then \(standstill)"), "\(set)")
        // The last key by which the directory counts is not deleted in passing: the file names the domain, too.
        #expect(try await sluice("dkim", "delete", "acme.test", "e2", "--force").code == 0)
        #expect(try await sluice("dkim", "retire", "acme.test", "r2").code == 0)
        let deleted = try await sluice("dkim", "delete", "acme.test", "r2")
        #expect(deleted.code == 1, "\(deleted)")
        #expect(try await sluice("dkim", "delete", "acme.test", "r2", "--force").code == 0)
        await names.stop()
    }
}

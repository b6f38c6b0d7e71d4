import Configuration
import Foundation
import MailTypes
import Pipeline
import Testing

@testable import Filters

/// The files of `filters.d` as a postmaster gets them, read as the server reads them.
@Suite struct ShippedChainTests {
    private static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "filters.d").path

    private static func decode(
        _ file: FilterFile, domain: String? = nil
    ) throws -> (stage: (any Stage)?, mistakes: [String]) {
        let kind = try #require(Registry.kind(named: file.stage.value))
        func table<Table: Decodable>(_ type: Table.Type) -> (Any?, [String]) {
            let decoded = file.decode(type, domain: domain)
            return (decoded.value, decoded.diagnostics.map(\.message))
        }
        let (value, mistakes) = table(kind.configuration)
        return (try value.flatMap(kind.assemble), mistakes)
    }

    private static func read(_ text: String) throws -> FilterFile {
        let loaded = FilterFile.read(Array(text.utf8), file: "99-test.toml", number: 99, name: "test")
        #expect(loaded.diagnostics.map(\.description) == [])
        return try #require(loaded.value)
    }

    /// All options of a stage, in an order.
    private static func options(_ stage: any Stage) -> String {
        let policy = Mirror(reflecting: stage).children.first { $0.label == "policy" }
        return policy.map { String(reflecting: $0.value) } ?? ""
    }

    @Test func `the shipped chain is whole, and nothing is to be said about it`() throws {
        let files = FilterFile.load(folder: Self.folder)
        #expect(files.diagnostics.map(\.description) == [])
        #expect(Set(files.value.map(\.stage.value)) == Set(Registry.all.map(\.name.text)))
        var links: [Link] = []
        for file in files.value {
            let (stage, mistakes) = try Self.decode(file)
            #expect(mistakes == [])
            let words = file.only + file.unless
            #expect(words.allSatisfy { Condition($0.value) != nil })
            links.append(Link(number: file.number, file: file.file, base: StageVariant(try #require(stage))))
        }
        #expect(Chain(links).lints.map(\.message) == [])
    }

    @Test(arguments: Registry.all.map(\.name.text))
    func `what stands there in comments can be written so, and is the default`(_ name: String) throws {
        let file = try #require(FilterFile.load(folder: Self.folder).value.first { $0.stage.value == name })
        let text = try String(contentsOfFile: file.file, encoding: .utf8)
        let written = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.firstMatch(of: /^# (\[|[a-z0-9_]+ +=|"[a-z.]+" +=)/) == nil ? line : line.dropFirst(2)
        }
        let whole = try Self.read(written.joined(separator: "\n"))
        for domain in [nil] + whole.domains.map(\.value) {
            let (stage, mistakes) = try Self.decode(whole, domain: domain)
            #expect(mistakes == [])
            #expect(stage != nil)
        }
        // Here the sample shows what one might write, since there is no default to show.
        guard name != "transport", name != "recipients", name != "size" else { return }
        let given = try #require(try Self.decode(whole).stage)
        let standard = try #require(try Self.decode(Self.read("stage = \"\(name)\"")).stage)
        #expect(Self.options(given) == Self.options(standard))
    }

    /// A table, and what must be said about it: all of it at once.
    @Test(
        arguments: [
            ("access", "allow = [\"192.0.2.1/24\", \"x\"]\ndefault = \"dney\"", ["allow", "allow", "default"]),
            ("early-talker", "early = \"refuse\"\npoints = \"2\"", ["early", "points"]),
            (
                "rate", "client_messages = \"300\"\nipv4_prefix = 33\nuser_mesages = \"1/1h\"",
                ["client_messages", "ipv4_prefix", "user_mesages"]
            ),
            ("size", "max = \"50 MB\"\nceiling = -1", ["max", "ceiling"]),
            (
                "transport",
                "\"a.test\" = \"smtp\"\n\"b.test\" = { to = \"mx\", tls = \"verified\" }\n"
                    + "\"c.test\" = { tls = \"none\" }\n"
                    + "\"d.test\" = { to = \"smtp:h\", lgin = \"x\" }\n\"e.test\" = 5",
                ["a.test", "tls", "to", "lgin", "e.test"]
            ),
            (
                "srs", "domain = \"a b\"\ndays = 366\ndigest_length = 3\nreports = true",
                ["domain", "days", "digest_length", "reports"]
            ),
            ("relay", "networks = [\"all\"]\nrefuse_routing = 1", ["networks", "refuse_routing"]),
            ("relay-domain", "networks = [\"all\"]\nonly = true", ["networks", "only"]),
            ("smarthost", "direct = \"a.test\"\nhost = \"b.test\"", ["direct", "host"]),
            (
                "send-limits",
                "mailbox_messages = \"5/1h\"\npost_office_recipients = [\"5\"]\nexceeded = \"wait\"\nexempt = [\"x\"]\n"
                    + "mailboxes = { \"a@b.test\" = { mesages = [] } }",
                ["mailbox_messages", "post_office_recipients", "exceeded", "exempt", "mesages"]
            ),
            (
                "senders", "envelope = \"users\"\nheader = true\nfields = \"From\"\nown_from = \"never\"",
                ["envelope", "header", "fields", "own_from"]
            ),
            (
                "recipients", "max_depth = 0\nmax_members = 1000000\npostmaster = \"nobody\"",
                ["max_depth", "max_members", "postmaster"]
            ),
            (
                "dkim-verify", "fail = \"drop\"\nmax_signatures = 31\nmin_rsa_bits = 512\ntest_keys = true",
                ["fail", "max_signatures", "min_rsa_bits", "test_keys"]
            ),
            (
                "clamav", "engine = \"clam\"\nfound = \"drop\"\nmacros_points = \"2\"\nmacro = \"tag\"",
                ["engine", "found", "macros_points", "macro"]
            ),
            ("greylist", "delay = 5\nknown_for = \"all\"\nwindow = \"1m\"", ["delay", "known_for", "window"]),
            (
                "dnsbl",
                "use = [\"a\"]\nmax_names = 0\n[dnsbl.lists.a]\nzone = \"a b\"\nkind = \"host\"\n"
                    + "[dnsbl.lists.b]\nzone = \"b.test\"\nkind = \"domain\"\ncheck = [\"client\"]\n"
                    + "weights = [{ answer = \"127.0.0\", points = 1 }]\n",
                ["max_names", "zone", "kind", "check", "answer"]
            ),
            (
                "rspamd", "servers = [\"127.0.0.1\"]\nmax_size = \"x\"\nfactor = 0.0\n",
                ["servers", "max_size", "factor"]
            ),
            ("spamassassin", "servers = []\nleast_points = 1\nusr = \"\"\n", ["servers", "usr"]),
            ("iprev", "fail = \"drop\"\nmax_names = 0", ["fail", "max_names"]),
            ("helo", "mismatch = \"reject\"\nown_name = []", ["mismatch", "own_name"]),
            ("dmarc", "reject = \"bounce\"\ntrusted_sealer = []", ["reject", "trusted_sealer"]),
            ("lists", "block = \"drop\"\nallow = \"all\"", ["block", "allow"]),
            ("thresholds", "junk = 3\ndelay = 5\nown_user = \"x\"", ["junk", "delay", "own_user"]),
            ("thresholds", "reject = 1000", ["reject"]), ("thresholds", "window = \"1m\"", ["window"]),
            ("results", "auth = 1\nauthserv = \"x\"", ["auth", "authserv"]),
            (
                "arc", "fail = \"drop\"\nmax_sets = 51\nmin_key_bits = 512\ntrusted = \"x\"",
                ["fail", "max_sets", "min_key_bits", "trusted"]
            ),
            (
                "dkim-sign",
                "algorithm = \"rsa-sha1\"\nlength = 5\nmin_key_bit = 1024\n"
                    + "domains.\"a.test\" = { active = \"s1\", sing = true }",
                ["algorithm", "length", "min_key_bit", "active", "sing"]
            ),
            ("arc-seal", "recipients = \"some\"\ndomain = 5", ["recipients", "domain"]),
            ("received", "max_hops = 5000\ndelivered_to = \"yes\"", ["max_hops", "delivered_to"]),
            (
                "header", "from = \"drop\"\nmax_parts = 0\nstrip = \"X-Spam\"\nstray-control = \"score\"",
                ["from", "max_parts", "strip", "stray-control"]
            ),
        ] as [(String, String, [String])])
    func `every mistake is told at once, by its key`(_ name: String, _ table: String, _ keys: [String]) throws {
        let file = try Self.read("stage = \"\(name)\"\n[\(name)]\n\(table)\n")
        let mistakes = try Self.decode(file).mistakes
        #expect(mistakes.count == keys.count, "\(mistakes)")
        for key in keys { #expect(mistakes.contains { $0.contains("`\(key)`") }, "\(key): \(mistakes)") }
    }

    @Test func `every default can be shown as it would be written`() throws {
        func texts(_ name: String, _ type: (some Decodable).Type) throws -> [String] {
            try Self.read("stage = \"\(name)\"").decode(type).options.map { "\($0.key) = \($0.value)" }
        }
        #expect(
            try texts("greylist", Greylist.Configuration.self) == [
                "delay = \"5m\"", "window = \"2d\"", "lifetime = \"36d\"", "known_after = 5", "known_for = \"domain\"",
                "pools = true", "correspondents = \"60d\"", "min_score = -999.0", "max_score = 999.0",
                "ipv4_prefix = 24", "ipv6_prefix = 64",
            ])
        let all =
            try texts("access", Access.Configuration.self) + texts("rate", Rate.Configuration.self)
            + texts("header", HeaderSanity.Configuration.self) + texts("relay", Relay.Configuration.self)
        #expect(all.filter { $0.hasSuffix("= default") } == [])
        #expect(all.contains("exempt = [\"127.0.0.0/8\", \"::1\"]"))
    }

    @Test func `a domain has its own values over everybody's`() throws {
        let file = try Self.read(
            """
            stage = "greylist"
            [greylist]
            delay = "10m"
            known_after = 0
            [domain."example.org".greylist]
            delay = "1m"
            """)
        let own = try #require(try Self.decode(file, domain: "example.org").stage as? Greylist)
        #expect(own.policy.delay == "1m")
        #expect(own.policy.knownAfter == 0)
    }
}

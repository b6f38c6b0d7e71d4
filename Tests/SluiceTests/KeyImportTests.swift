import Adapters
import Foundation
import Pipeline
import SluiceTesting
import Testing

/// Keys from other programs' files, whole or not at all.
@Suite struct KeyImportTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var files: [String: String]
        /// `%` stands for the folder.
        var words: [String]
        /// Imported selectors, or what is complained about.
        var expected: Result<[String], Complaint>

        struct Complaint: Error, Sendable { let text: String }

        init(_ name: String, _ files: [String: String], _ words: [String], _ selectors: [String]) {
            (testDescription, self.files, self.words, expected) = (name, files, words, .success(selectors))
        }

        init(_ name: String, _ files: [String: String], _ words: [String], refused: String) {
            (testDescription, self.files, self.words) = (name, files, words)
            expected = .failure(Complaint(text: refused))
        }
    }

    /// Of OpenSSL's older kind, as opendkim-genkey writes it, would be the same to libcrypto.
    static let rsa = SampleKeys.rsa2048 + "\n"
    /// The seed within `SampleKeys.ed25519`: its last 32 octets.
    static let seed: [UInt8] = {
        let line = SampleKeys.ed25519.split(separator: "\n")[1]
        return Data(base64Encoded: String(line)).map { Array($0.suffix(32)) } ?? []
    }()
    static let seedText = Data(seed).base64EncodedString() + "\n"
    /// A secret key as libsodium has it, whose second half is another's.
    static let mixedText = Data(seed + seed).base64EncodedString()

    static let keyTable = """
        # name            domain:selector:file

        one._domainkey.acme.test  acme.test:one:%/one.private   # the old one
        two    ACME.test:Two:%/two.private
        other  elsewhere.test:s1:/nonexistent/other.private
        """
    static let tables = ["KeyTable": keyTable, "one.private": rsa, "two.private": SampleKeys.ed25519]

    static let rspamd = """
        # local.d
        sign_local: true;
        domain {
          beta.test { path = "/nonexistent"; selector = "b"; }
          acme.test {
            selectors [
              { path = "%/x.key"; selector = "ds"; },
              { path: '%/y.key', selector: eddsa }
            ]
          }
        }
        """

    static let cases: [Case] = [
        Case("a key in PEM", ["k.pem": rsa], ["%/k.pem", "--selector", "S1"], ["s1"]),
        Case("PEM with words around it", ["k": "Our key\n\(rsa)"], ["%/k", "--selector", "s1"], ["s1"]),
        Case("OpenDKIM's KeyTable", tables, ["%/KeyTable", "--opendkim"], ["one", "two"]),
        Case(
            "one line of KeyTable for all domains", ["KeyTable": "all %:s1:%/%.private\n", "acme.test.private": rsa],
            ["%/KeyTable", "--opendkim"], ["s1"]),
        Case(
            "a key within KeyTable",
            ["KeyTable": "x %:s1:\(SampleKeys.rsa2048.split(separator: "\n").dropFirst().dropLast().joined())"],
            ["%/KeyTable", "--opendkim"], ["s1"]),
        Case("rspamd's file", ["acme.test.mail.key": rsa], ["%/acme.test.mail.key", "--rspamd"], ["mail"]),
        Case(
            "rspamd's file by another name", ["mail.key": rsa], ["%/mail.key", "--rspamd", "--selector", "m"], ["m"]),
        Case(
            "rspamd's folder",
            ["acme.test.a.key": rsa, "acme.test.b.key": seedText, "beta.test.c.key": rsa, "README": "x"],
            ["%", "--rspamd"], ["a", "b"]),
        Case(
            "rspamd's configuration, a block with a list",
            ["dkim_signing.conf": rspamd, "x.key": rsa, "y.key": seedText],
            ["%/dkim_signing.conf", "--rspamd"], ["ds", "eddsa"]),
        Case(
            "rspamd's configuration for all",
            ["dkim_signing.conf": "path = \"%/$domain.$selector.key\";\nselector = mail\n", "acme.test.mail.key": rsa],
            ["%/dkim_signing.conf", "--rspamd"], ["mail"]),
        Case(
            "rspamd's configuration that includes others",
            ["dkim_signing.conf": "selector = \"a\";\n.include \"b\"\n"], ["%/dkim_signing.conf", "--rspamd"],
            refused: "dkim_signing.conf:2: .include is not followed"),
        Case(
            "rspamd's configuration with a map", ["dkim_signing.conf": "domain = \"/etc/map\";"],
            ["%/dkim_signing.conf", "--rspamd"], refused: "a map elsewhere"),
        Case(
            "rspamd's maps",
            [
                "dkim_signing.conf":
                    "selector_map = \"%/selectors\";\npath_map = \"file://%/paths\";\ntry_fallback = false;\n",
                "selectors": "# names\nbeta.test b\nACME.test\tmapped # ours\n", "paths": "acme.test %/m.key\n",
                "m.key": rsa,
            ], ["%/dkim_signing.conf", "--rspamd"], ["mapped"]),
        Case(
            "rspamd's map in its configuration, beside a block",
            [
                "dkim_signing.conf": """
                selector_map = ["acme.test listed"]; path = "%/$domain.$selector.key"; try_fallback = false
                domain { acme.test { path = "%/x.key"; selectors [ { path = "%/y.key"; selector = "own"; } ] } }
                """, "x.key": rsa, "y.key": seedText,
            ], ["%/dkim_signing.conf", "--rspamd"], ["listed", "own"]),
        Case(
            "rspamd's maps without the domain, and what holds for all",
            [
                "dkim_signing.conf": "selector_map = [\"beta.test b\"]; path = \"%/k\"; selector = \"all\"", "k": rsa,
            ], ["%/dkim_signing.conf", "--rspamd"], ["all"]),
        Case(
            "rspamd's maps without the domain, and nothing for all",
            [
                "dkim_signing.conf": "selector_map = [\"beta.test b\"]; path = \"%/k\"; try_fallback = no", "k": rsa,
            ], ["%/dkim_signing.conf", "--rspamd"], refused: "`try_fallback` is off"),
        Case(
            "rspamd's configuration, and a name beside it", ["dkim_signing.conf": "path = \"%/k\"", "k": rsa],
            ["%/dkim_signing.conf", "--rspamd", "--selector", "s1"], refused: "names the keys itself"),
        Case(
            "rspamd's map in quotes", ["dkim_signing.conf": "selector_map = \"%/m\"", "m": "\n\"a b\" c\n"],
            ["%/dkim_signing.conf", "--rspamd"], refused: "m:2: this is not NAME VALUE"),
        Case(
            "rspamd's map elsewhere", ["dkim_signing.conf": "path_map = \"http://maps.test/paths\""],
            ["%/dkim_signing.conf", "--rspamd"], refused: "`path_map` is not read from http://maps.test/paths"),
        Case(
            "rspamd's keys in Vault", ["dkim_signing.conf": "use_vault = true; path = \"%/k\"", "k": rsa],
            ["%/dkim_signing.conf", "--rspamd"], refused: "`use_vault`: the keys are in Vault"),
        Case(
            "rspamd's keys in Redis", ["dkim_signing.conf": "use_redis = yes; path = \"%/k\"", "k": rsa],
            ["%/dkim_signing.conf", "--rspamd"], refused: "`use_redis`: the keys are in Redis"),
        Case(
            "rspamd with OpenDKIM's tables", ["dkim_signing.conf": "key_table = \"/k\"; signing_table = \"/s\""],
            ["%/dkim_signing.conf", "--rspamd"], refused: "import it with --opendkim"),
        Case(
            "rspamd's own names of places", ["dkim_signing.conf": "path = \"${DBDIR}/dkim/$domain.$selector.key\""],
            ["%/dkim_signing.conf", "--rspamd"], refused: "only rspamd knows"),
        Case(
            "half a configuration of rspamd's", ["dkim_signing.conf": "domain { acme.test { path = \"x\""],
            ["%/dkim_signing.conf", "--rspamd"], refused: "a name was expected"),
        Case("no such file", [:], ["%/k.pem", "--selector", "s1"], refused: "No such file"),
        Case("a folder for a file", [:], ["%", "--selector", "s1"], refused: "is not a file"),
        Case("no name", ["k.pem": rsa], ["%/k.pem"], refused: "--selector"),
        Case("no key", ["k.pem": "hello"], ["%/k.pem", "--selector", "s1"], refused: "cannot be used"),
        Case("an empty file", ["k.pem": ""], ["%/k.pem", "--selector", "s1"], refused: "cannot be used"),
        Case("halves of two keys", ["k": mixedText], ["%/k", "--selector", "s1"], refused: "do not belong together"),
        Case("no selector", ["k.pem": rsa], ["%/k.pem", "--selector", "../x"], refused: "is not a selector"),
        Case(
            "a line that is none", ["KeyTable": "a b\n"], ["%/KeyTable", "--opendkim"],
            refused: "KeyTable:1: this is not NAME DOMAIN:SELECTOR:FILE"),
        Case(
            "a path from who knows where", ["KeyTable": "\na acme.test:s1:./k\n"], ["%/KeyTable", "--opendkim"],
            refused: "KeyTable:2: where ./k is depends"),
        Case(
            "nothing of the domain", ["KeyTable": "a beta.test:s1:/k\n"], ["%/KeyTable", "--opendkim"],
            refused: "has no key of acme.test"),
        Case(
            "one good, one bad", ["KeyTable": keyTable, "one.private": rsa, "two.private": "junk"],
            ["%/KeyTable", "--opendkim"], refused: "two.private cannot be used"),
        Case(
            "one name twice", ["KeyTable": "a acme.test:s1:%/k\nb acme.test:s1:%/e\n", "k": rsa, "e": seedText],
            ["%/KeyTable", "--opendkim"], refused: "is there already, with another key"),
        Case(
            "an empty folder of rspamd's", [:], ["%", "--rspamd"], refused: "has no file acme.test.SELECTOR.key"),
        Case("a file of unknown name", ["k": rsa], ["%/k", "--rspamd"], refused: "--selector"),
    ]

    @Test(arguments: cases)
    func `all of it or nothing`(_ one: Case) async throws {
        let place = try await Place()
        let folder = try TemporaryFolder()
        for (name, text) in one.files {
            try folder.write(text.replacingOccurrences(of: "%/", with: folder.path + "/"), to: name)
        }
        let words = one.words.map { $0.hasPrefix("%") ? folder.path + $0.dropFirst() : $0 }
        let config = ["--config", place.folder.path + "/sluice.toml"]
        let ran = try await Programs.run(Programs.sluice, ["dkim", "import", "acme.test"] + words + config)
        let listed = try await Programs.run(Programs.sluice, ["dkim", "list", "--json"] + config)
        let entries = try #require(try listed.json() as? [[String: Any]])
        let names = entries.compactMap { $0["selector"] as? String }.sorted()
        let keys = place.folder.path + "/data/keys/dkim/acme.test"
        let files = ((try? FileManager.default.contentsOfDirectory(atPath: keys)) ?? []).sorted()
        switch one.expected {
        case .success(let selectors):
            #expect(ran.code == 0 && names == selectors, "\(ran)")
            #expect(files == selectors.map { "\($0).pem" })
            let check = try await Programs.run(Programs.sluice, ["check"] + config)
            #expect(check.code == 0, "\(check)")
        case .failure(let complaint):
            #expect(ran.code == 1 && ran.errors.contains(complaint.text), "\(ran)")
            #expect(names == [] && files == [], "half of it was taken")
        }
    }

    @Test(arguments: [
        // Patterns: the first line that fits.
        ("*@acme.test two\n", ["two"]), ("# x\n*@*\ttwo:%\n", ["two"]), ("*@*.test three\n", ["three"]),
        ("*@acme.test three\n* first\n*@acme.test two\n", ["three", "two"]),
        ("*@elsewhere.test first\n*@a*e.te* three\n", ["three"]),
        ("refile:* first\nacme.test three\n", ["first"]),
        // Words: the domain, what is above it, a star.
        ("acme.test first\n", ["first"]), ("* first\n.test two\nacme.test three\n", ["three", "two"]),
        ("file:* first\nacme.test three\n", ["three"]), ("* %\n", ["whole"]),
        // Nobody knows.
        ("anna@acme.test two\n", ["NAME"]), ("*@elsewhere.test two\n.test first\n", ["NAME"]),
    ])
    func `SigningTable tells which keys sign now, the first of each kind`(
        _ table: String, _ expected: [String]
    ) async throws {
        let keys = """
            first acme.test:first:%/one.private
            two acme.test:two:%/two.private
            three acme.test:three:%/one.private
            acme.test %:whole:%/one.private
            """
        let kind = ["refile:", "file:"].first { table.hasPrefix($0) } ?? ""
        let files = Self.tables.merging(["KeyTable": keys, "SigningTable": String(table.dropFirst(kind.count))]) { $1 }
        let ran = try await Self.imported(
            files, ["%/KeyTable", "--opendkim", "--signing-table", "\(kind)%/SigningTable"])
        #expect(ran.code == 0 && Self.advice(ran) == expected, "\(ran)")
        #expect(ran.errors.contains("signs for anna@acme.test by a line of its own") == table.contains("anna"))
    }

    @Test func `two keys that can sign together are both to be activated`() async throws {
        let both = try await Self.imported(Self.tables, ["%/KeyTable", "--opendkim"])
        #expect(both.code == 0 && Self.advice(both) == ["one", "two"], "\(both)")
        let three = ["acme.test.a.key": Self.rsa, "acme.test.b.key": Self.rsa, "acme.test.c.key": Self.seedText]
        let folder = try await Self.imported(three, ["%", "--rspamd"])
        #expect(folder.code == 0 && Self.advice(folder) == ["NAME"], "\(folder)")
        var files = three
        files["dkim_signing.conf"] =
            "domain { acme.test { selectors [ "
            + "abc".map { "{ path = \"%/acme.test.\($0).key\"; selector = \($0); }" }.joined(separator: ", ") + " ] } }"
        let listed = try await Self.imported(files, ["%/dkim_signing.conf", "--rspamd"])
        #expect(listed.code == 0 && Self.advice(listed) == ["a", "c"], "\(listed)")
        #expect(listed.errors.contains("warning: b is named as signing after a; here one key of a kind signs."))
    }

    @Test func `domains stand in the tables as their people write them, too`() async throws {
        let files = ["k": Self.rsa, "KeyTable": "b Bücher.test:s1:%/k\n", "SigningTable": "*@bücher.test b\n"]
        let words = ["%/KeyTable", "--opendkim", "--signing-table", "%/SigningTable"]
        let ran = try await Self.imported(files, words, of: "bücher.test")
        #expect(ran.code == 0 && Self.advice(ran) == ["s1"] && ran.errors.isEmpty, "\(ran)")
        let conf = "selector_map = [\"bücher.test s1\"]; path = \"%/k\"; try_fallback = false"
        let mapped = try await Self.imported(
            ["k": Self.rsa, "x.conf": conf], ["%/x.conf", "--rspamd"], of: "bücher.test")
        #expect(mapped.code == 0 && Self.advice(mapped) == ["s1"], "\(mapped)")
    }

    @Test func `a key that verifiers need not know is warned of`() async throws {
        let pem = try LibcryptoSignatures().newKey(.rsaSHA256, bits: 4352)
        let text = String(decoding: pem, as: UTF8.self)
        let ran = try await Self.imported(["k.pem": text], ["%/k.pem", "--selector", "big"])
        #expect(ran.code == 0 && ran.errors.contains("know no RSA key of 4352 bits"), "\(ran)")
    }

    /// The table, and whether authors of domains below are signed for by it.
    @Test(
        arguments: [
            ("refile:", "*@acme.test one", false), ("refile:", "*@acme.test one\n*@*.acme.test one", true),
            ("refile:", "*@news.acme.test one", true), ("refile:", "* one", true), ("file:", "acme.test one", false),
            ("file:", "acme.test one\n.acme.test one", true), ("file:", "* one", true),
            ("file:", "acme.test one\nnews.acme.test one", true), ("file:", "joe@.acme.test one", true),
            ("refile:", "*@acme.test one\n*@news.acme.test two", false), ("file:", "acme.test one\n* all", false),
        ])
    func `who was signed for below the domain is not forgotten`(
        _ kind: String, _ table: String, _ isBelow: Bool
    ) async throws {
        let keys = "one acme.test:one:%/one.private\ntwo news.acme.test:two:/x\nall %:all:%/all.private\n"
        let files = ["KeyTable": keys, "one.private": Self.rsa, "all.private": Self.seedText]
        let folder = try TemporaryFolder()
        try folder.write(table + "\n", to: "S")
        let ran = try await Self.imported(
            files, ["%/KeyTable", "--opendkim", "--signing-table", "\(kind)\(folder.path)/S"])
        #expect(ran.code == 0 && ran.output.contains("--subdomains on") == isBelow, "\(ran)")
    }

    @Test(arguments: [("", true), ("use_esld = false;\n", false), ("use_esld = true;\n", true)])
    func `rspamd signs for the registered domain unless it is told otherwise`(
        _ line: String, _ isBelow: Bool
    ) async throws {
        let configuration = "path = \"%/$domain.$selector.key\";\nselector = mail;\n" + line
        let files = ["dkim_signing.conf": configuration, "acme.test.mail.key": Self.rsa]
        let ran = try await Self.imported(files, ["%/dkim_signing.conf", "--rspamd"])
        #expect(ran.code == 0 && ran.output.contains("--subdomains on") == isBelow, "\(ran)")
    }

    /// `%` in the files and at the beginning of a path stands for their folder.
    static func imported(
        _ files: [String: String], _ words: [String], of domain: String = "acme.test"
    ) async throws -> Ran {
        let place = try await Place()
        let config = ["--config", place.folder.path + "/sluice.toml"]
        if domain != "acme.test" {
            let added = ["domain", "add", domain, "--postoffice", "acme"]
            #expect(try await Programs.run(Programs.sluice, added + config).code == 0)
        }
        let folder = try TemporaryFolder()
        for (name, text) in files {
            try folder.write(text.replacingOccurrences(of: "%/", with: folder.path + "/"), to: name)
        }
        let given = words.map { word in
            word == "%" ? folder.path : word.replacingOccurrences(of: "%/", with: folder.path + "/")
        }
        return try await Programs.run(
            Programs.sluice,
            ["dkim", "import", domain] + given + config)
    }

    static func advice(_ ran: Ran) -> [String] {
        ran.output.split(separator: "\n").filter { $0.hasPrefix("sluice dkim activate") }
            .compactMap { $0.split(separator: " ").last.map(String.init) }
    }
}

import Foundation
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
        ("*@acme.test two\n", "two"), ("acme.test one._domainkey.acme.test\n", "one"), ("# x\n*\ttwo:%\n", "two"),
        ("*@elsewhere.test two\n.test one._domainkey.acme.test\n", "one"), ("anna@acme.test two\n", "NAME"),
    ])
    func `SigningTable tells which key signs now`(_ table: String, _ expected: String) async throws {
        let place = try await Place()
        let folder = try TemporaryFolder()
        for (name, text) in Self.tables {
            try folder.write(text.replacingOccurrences(of: "%/", with: folder.path + "/"), to: name)
        }
        try folder.write(table, to: "SigningTable")
        let ran = try await Programs.run(
            Programs.sluice,
            [
                "dkim", "import", "acme.test", folder.path + "/KeyTable", "--opendkim", "--signing-table",
                folder.path + "/SigningTable", "--config", place.folder.path + "/sluice.toml",
            ])
        #expect(ran.code == 0, "\(ran)")
        let advice = ran.output.split(separator: "\n").filter { $0.hasPrefix("sluice dkim activate") }
        #expect(advice == ["sluice dkim activate acme.test \(expected)"])
    }
}

import MailTypes
import Pipeline
import Testing

@testable import Directory

/// What is exported, imported into an empty directory and exported again is the same.
@Suite struct RoundTripTests {
    /// A bit of everything, with names that a spreadsheet would compute.
    private func filled() throws -> Sample {
        let sample = try Sample()
        try sample.directory.change(by: "test") { changes in
            try changes.addPostOffice("=cmd|' /C calc'!A0")
            try changes.setPostOffice("=cmd|' /C calc'!A0", enabled: false)
            try changes.addDomain("third.test", postOffice: "=cmd|' /C calc'!A0")
            try changes.setDomain("other.test", enabled: false)
            try changes.addDomainAlias("alias.test", of: "acme.test")
            try changes.addMailbox("+x@acme.test", passwordHash: nil, fullName: "@SUM(1;2)", quota: 5 << 30)
            try changes.addMailbox("\"a, b\"@acme.test", passwordHash: nil, fullName: "'=1, \"two\"", quota: 12_345)
            try changes.setMailbox("carl@acme.test", enabled: false, quota: .some(0))
            try changes.addGroup("-all@acme.test", fullName: "-1+1", members: ["carl@acme.test", "x@far.test"])
            try changes.addGroup("empty@acme.test")
            try changes.addGroupAddress("everybody@acme.test", to: "-all@acme.test")
            try changes.setGroup("empty@acme.test", enabled: false)
            // Each leads to something of a kind that comes later.
            try changes.redirectMailbox("anna@acme.test", to: ["-all@acme.test", "\"q r\"@far.test"], keepsCopy: true)
            try changes.addAlias(
                "many@acme.test", members: ["\"a, b\"@acme.test", "carl@acme.test", "empty@acme.test"])
            try changes.setAlias("many@acme.test", enabled: false)
            try changes.setPostmaster("info@acme.test", domain: "acme.test")
            try changes.setCatchAll("everybody@acme.test", domain: "other.test")
            try changes.addSender("sales@far.test", to: "anna@acme.test")
            try changes.addSender("sales@far.test", to: "carl@acme.test")
            try changes.addRelayDomain(
                "relay.test", to: NewRelay(host: "2001:db8::1", port: 2525, security: .verified), postOffice: "acme",
                onlyAuthenticated: true)
            try changes.addRelayDomain(
                "third.test", to: NewRelay(host: "mx.far.test", port: 25, security: .none), asksServer: true)
            try changes.addRelayDomain("back.test", to: .ownExchangers, giveUpAfter: "10d")
            try changes.addRelayDomain("last.test", to: .ownExchangers, asksServer: false)
        }
        return sample
    }

    private func empty() throws -> (MailDirectory, TemporaryFolder) {
        let folder = try TemporaryFolder()
        return (try MailDirectory.open(folder.file("directory.sqlite"), hasher: CountingHasher()), folder)
    }

    private func exported(_ directory: MailDirectory, _ format: String) throws -> [TransferKind: String] {
        var texts: [TransferKind: String] = [:]
        for kind in TransferKind.allCases {
            texts[kind] =
                switch format {
                case "json": try directory.exportJSON(kind)
                case "tab": try directory.exportCSV(kind, separator: .tab)
                default: try directory.exportCSV(kind)
                }
        }
        return texts
    }

    private var options: ImportOptions {
        var options = ImportOptions()
        options.missingPassword = .none
        options.relay = { text in
            let parts = text.host.split(separator: ":", omittingEmptySubsequences: false)
            let host = parts.dropLast().joined(separator: ":").filter { $0 != "[" && $0 != "]" }
            guard let port = parts.last.flatMap({ Int($0) }),
                let security = text.tls.flatMap(RelayHost.Security.init(rawValue:))
            else { throw DirectoryError.malformed(text: text.host, reason: "is no server") }
            return NewRelay(host: host, port: port, security: security)
        }
        return options
    }

    @Test(arguments: ["csv", "tab", "json"])
    func `export, import and export are the same`(_ format: String) throws {
        let sample = try filled()
        let first = try exported(sample.directory, format)
        let (directory, folder) = try empty()
        defer { withExtendedLifetime(folder) {} }
        // In the wrong order: the kinds know which comes first.
        let files = TransferKind.allCases.reversed().map { kind in
            TransferFile(name: kind.rawValue, kind: kind, content: Array((first[kind] ?? "").utf8))
        }
        let transfer = DirectoryImport(files, into: directory, options, by: "test")
        let rehearsal = try transfer.rehearse()
        #expect(rehearsal.problems.map(\.description) == [])
        let report = try transfer.perform()
        #expect(!report.isTrial)
        let second = try exported(directory, format)
        for kind in TransferKind.allCases { #expect(first[kind] == second[kind], "\(kind)") }
        // Once more over what is there now: nothing is changed.
        var again = options
        again.existing = .change
        let count = try directory.audit(limit: 1_000).count
        let repeated = DirectoryImport(files, into: directory, again, by: "test")
        #expect(try repeated.rehearse().problems.map(\.description) == [])
        let unchanged = try repeated.perform()
        for (kind, counts) in unchanged.kinds { #expect(counts.added + counts.changed == 0, "\(kind): \(counts)") }
        #expect(try directory.audit(limit: 1_000).count == count)
    }

    @Test func `no cell of an export is a formula, and no password is in it`() throws {
        let sample = try filled()
        for (kind, text) in try exported(sample.directory, "csv") {
            var reader = CSVReader(TextCursor(Array(text.utf8)), separator: .comma, file: "")
            while let record = reader.next() {
                for cell in record {
                    #expect(
                        !"=+-@\t\r".unicodeScalars.contains { $0 == cell.text.unicodeScalars.first }, "\(kind): \(cell)"
                    )
                }
            }
            #expect(reader.problems.isEmpty)
        }
        // The sample's hasher writes `1:115,101,…` for what anna's password is.
        for format in ["csv", "json"] {
            #expect(try exported(sample.directory, format).values.allSatisfy { !$0.contains("115,101") })
        }
    }

    @Test func `columns and domain choose`() throws {
        let sample = try Sample()
        let text = try sample.directory.exportCSV(
            .accounts, domain: "acme.test", columns: [.friendlyName, .emailAddress], separator: .semicolon)
        #expect(text == "friendlyname;emailaddress\r\n;anna@acme.test\r\n;Carl@acme.test\r\n")
        #expect(try sample.directory.exportJSON(.accounts, domain: "other.test") == "[]\n")
        #expect(try sample.directory.exportCSV(.domains, domain: "other.test").contains("acme.test") == false)
    }
}

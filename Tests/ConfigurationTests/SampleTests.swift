import Foundation
import MailTypes
import Testing

@testable import Configuration

/// The shipped sample, the documentation and the decoder say the same of every option.
@Suite struct SampleTests {
    /// Options that have no default of their own: the documentation says in words what happens without.
    static let wordy: Set = [
        ".hostname", "tls.certificate", "tls.key", "[tls.names].name", "[tls.names].certificate", "[tls.names].key",
        "[listener].protocol", "[listener].bind", "[listener].name", "[listener].tls", "[listener].certificate",
        "[listener].key", "[listener].auth", "[listener].requires_auth", "delivery.trust_roots", "chain.postmaster",
        "run.user", "run.group", "dns.public_suffixes", "dmarc_reports.organization", "dmarc_reports.from",
        "dmarc_reports.contact", "[delivery.tls_policy].domain", "[delivery.tls_policy].tls",
        "[delivery.tls_policy].dane", "[delivery.tls_policy].mta_sts", "tls_reports.organization", "tls_reports.from",
        "tls_reports.contact",
    ]

    /// `section.key` with its default, as the tables of docs/operations.md have it; `nil`: in words.
    static func documented() throws -> [String: String?] {
        let text = try String(contentsOf: Repository.documentation, encoding: .utf8)
        let row = /^\| `([a-z_0-9]+)` \| (.+?) \| .+ \|$/
        let header = /^### (?:`\[(.+)\]`|Before the first section)$/
        var section = ""
        var options: [String: String?] = [:]
        // Other tables of the document are not about options.
        for line in text.split(separator: "\n").drop(while: { $0 != "## sluice.toml" }) {
            if let match = line.firstMatch(of: header) { section = match.1.map(String.init) ?? "" }
            guard let match = line.firstMatch(of: row) else { continue }
            let isExact = match.2.wholeMatch(of: /`[^`]+`/) != nil
            options["\(section).\(match.1)"] = .some(isExact ? String(match.2.dropFirst().dropLast()) : nil)
        }
        return options
    }

    /// The sample with every option switched on.
    static func wholeSample() throws -> String {
        let text = try String(contentsOf: Repository.sample, encoding: .utf8)
        let option = /#(\[?\[[a-z._]+\]\]?|[a-z_0-9]+ = .*)/
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.map { $0.wholeMatch(of: option).map { String($0.1) } ?? String($0) }.joined(separator: "\n")
    }

    /// `section.key` for a path of the tree.
    private static func name(_ path: TOMLPath) -> String {
        let words = path.compactMap(\.key)
        let table = words.dropLast().joined(separator: ".")
        let isRepeated = path.contains { $0.key == nil }
        return "\(isRepeated ? "[\(table)]" : table).\(words.last ?? "")"
    }

    private static func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["cert.pem", "key.pem", "mail.example.com.pem", "mail.example.com.key", "roots.pem"] {
            try folder.write("", to: "tls/\(name)")
        }
        try folder.write("", to: "public_suffix_list.dat")
        return folder
    }

    @Test func `the shipped sample has nothing to complain of`() throws {
        let folder = try Self.folder()
        let text = try String(contentsOf: Repository.sample, encoding: .utf8)
        let loaded = ServerConfiguration.read(Array(text.utf8), file: "\(folder.path)/sluice.toml")
        #expect(loaded.diagnostics == [])
        #expect(loaded.value.listeners.map(\.name) == ["smtp", "submission", "submissions"])
        #expect(loaded.value.hostname == "mx.example.org")
        #expect(loaded.value.filters == "\(folder.path)/filters.d")
    }

    @Test func `so has the sample with every option switched on`() throws {
        let folder = try Self.folder()
        let loaded = ServerConfiguration.read(Array(try Self.wholeSample().utf8), file: "\(folder.path)/sluice.toml")
        // This machine need not have the sample's user.
        #expect(loaded.diagnostics.filter { !$0.message.contains("on this machine") } == [])
    }

    @Test func `sample, documentation and decoder know the same options with the same defaults`() throws {
        let documented = try Self.documented()
        let document = try TOMLDocument(Array(try Self.wholeSample().utf8), file: "sluice.toml")
        let (_, log) = TOMLDecoder.decodeLogging(Grouped<ServerConfiguration>.self, from: document.root)
        var seen: Set<String> = []
        for (path, node) in log.asked {
            let name = Self.name(path)
            // The second and third listener of the sample are short.
            if path.first == "listener", path.dropFirst().first != 0 { continue }
            seen.insert(name)
            let node = try #require(node, "the sample does not mention \(name)")
            guard let standard = documented[name] else {
                Issue.record("the documentation does not mention \(name)")
                continue
            }
            if let standard {
                #expect(node.text == standard, "\(name) in the sample and in the documentation")
                #expect(try Self.standard(path) == standard, "\(name) in the program and in the documentation")
            } else {
                #expect(Self.wordy.contains(name), "\(name) has its default in words")
            }
        }
        #expect(seen == Set(documented.keys))
        #expect(documented.count > 100)
    }

    /// The default in the program, written as in a file.
    private static func standard(_ path: TOMLPath) throws -> String {
        let words = path.compactMap(\.key)
        let configuration = ServerConfiguration()
        let usual = DefaultTexts(of: configuration).text(of: words)
        if words.first == "tls_reports", usual == DefaultTexts.unknown {
            return DefaultTexts(of: configuration.tlsReports.reports).text(of: Array(words.dropFirst()))
        }
        guard words.first == "listener" else { return usual }
        let listener = Listener(.smtp)
        let own = DefaultTexts(of: listener).text(of: Array(words.dropFirst()))
        return own == DefaultTexts.unknown ? DefaultTexts(of: listener.limits).text(of: Array(words.dropFirst())) : own
    }

    @Test func `what is built in can be used as it is`() {
        let configuration = ServerConfiguration.default
        #expect(configuration.listeners.map(\.name) == ["smtp", "submission", "lmtp"])
        #expect(configuration.listeners.allSatisfy { $0.bind.allSatisfy { $0.description.hasPrefix("127.0.0.1:") } })
        #expect(Listener(.submission).requiresAuth)
        #expect(Listener(.smtp).auth == [])
        #expect(Listener(.lmtp).tls == .none)
    }
}

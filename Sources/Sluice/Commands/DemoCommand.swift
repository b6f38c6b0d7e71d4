import ArgumentParser
import Configuration
import Directory
import Foundation

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Start a demonstration server on 127.0.0.1 that needs no configuration.",
        discussion: """
            Makes a folder with a configuration, the usual chain, a post office, the domain example.test, two \
            mailboxes with random passwords and a self-signed certificate, and serves it. What lies there already is \
            kept. Delete the folder to begin anew.
            """)
    @Option(
        help: ArgumentHelp("The folder.", discussion: "Otherwise ~/.local/state/sluice-demo.", valueName: "folder"),
        completion: .directory)
    var data: String?

    func run() async throws {
        let demo = DemoFolder(data ?? DemoFolder.usual)
        try demo.prepare()
        let file = demo.configuration
        let loaded = try LoadedConfiguration(file: file).usable()
        try await Server.run(loaded, file: file) {
            FileHandle.standardOutput.write(Data(demo.welcome.utf8))
        }
    }
}

/// The folder of the demonstration server.
struct DemoFolder {
    let path: String

    init(_ path: String) { self.path = path }

    static var usual: String {
        let environment = ProcessInfo.processInfo.environment
        let state = environment["XDG_STATE_HOME"] ?? NSHomeDirectory() + "/.local/state"
        return state + "/sluice-demo"
    }

    var configuration: String { path + "/sluice.toml" }
    private var filters: String { path + "/filters.d" }
    private var tls: String { path + "/tls" }
    private var passwords: String { path + "/passwords" }

    static let domain = "example.test"
    static let users = ["anna", "bert"]

    /// Makes what is missing.
    func prepare() throws {
        guard !FileManager.default.fileExists(atPath: passwords) else { return }
        do {
            for folder in [path, filters, tls] {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            }
            for (name, text) in DefaultFilters.files {
                try Data(text).write(to: URL(fileURLWithPath: "\(filters)/\(name)"))
            }
            try Data(Self.settings(path).utf8).write(to: URL(fileURLWithPath: configuration))
        } catch let error as CocoaError {
            throw CommandFailure.wrong("The demonstration folder \(path) cannot be made: \(error.localizedDescription)")
        }
        try makeCertificate()
        try fillDirectory()
    }

    private func makeCertificate() throws {
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        openssl.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365",
            "-subj", "/CN=mx.\(Self.domain)", "-addext", "subjectAltName=DNS:mx.\(Self.domain),DNS:localhost",
            "-keyout", tls + "/key.pem", "-out", tls + "/cert.pem",
        ]
        openssl.standardError = FileHandle.nullDevice
        openssl.standardOutput = FileHandle.nullDevice
        do { try openssl.run() } catch {
            throw CommandFailure.wrong("The program openssl is missing; it makes the demonstration's certificate.")
        }
        openssl.waitUntilExit()
        guard openssl.terminationStatus == 0 else {
            throw CommandFailure.wrong("openssl could not make the demonstration's certificate.")
        }
    }

    private func fillDirectory() throws {
        let settings = try LoadedConfiguration(file: configuration).usable().settings
        let data = try DataFolder(settings).prepared()
        let directory = try told { try Stores.directory(in: data, settings) }
        defer { directory.close() }
        let users = try Self.users.map { ($0, try told { try directory.randomPassword() }) }
        let hashes = try users.map { try directory.passwordHash(Array($1.utf8)) }
        try told {
            try directory.change(by: DirectoryOptions.actor) { changes in
                try changes.addPostOffice("demo")
                try changes.addDomain(Self.domain, postOffice: "demo")
                for (user, hash) in zip(users, hashes) {
                    try changes.addMailbox("\(user.0)@\(Self.domain)", passwordHash: hash)
                }
                try changes.addAlias(
                    "info@\(Self.domain)", members: Self.users.map { "\($0)@\(Self.domain)" })
            }
        }
        let text = users.map { "\($0)@\(Self.domain) \($1)\n" }.joined()
        let isKept = FileManager.default.createFile(
            atPath: passwords, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600])
        guard isKept else { throw CommandFailure.wrong("The passwords cannot be kept in \(passwords).") }
    }

    /// How this program was called: it may not lie where the shell looks.
    private static var program: String { CommandLine.arguments.first ?? "sluice" }

    /// What sends samples to this demonstration, and to no other.
    private var tryOut: String {
        path == Self.usual ? "make try-out" : "\(Self.program) try-out --config \(configuration)"
    }

    /// What is kept may be from before an upgrade.
    private var age: String {
        let missing = DefaultFilters.files.map(\.name).filter {
            !FileManager.default.fileExists(atPath: "\(filters)/\($0)")
        }
        guard !missing.isEmpty else { return "" }
        return "It lacks \(missing.joined(separator: ", ")) of this version; delete \(path) to begin anew.\n"
    }

    var welcome: String {
        let known = (try? String(contentsOfFile: passwords, encoding: .utf8)) ?? ""
        let logins = known.split(separator: "\n").map { line in
            "    " + line.split(separator: " ").joined(separator: "   password ")
        }
        let running = Terminal.styled("Sluice is running on 127.0.0.1", .bold)
        return """
            \(running): SMTP 2525, submission 2587, LMTP 2424, metrics 2580

            \(logins.joined(separator: "\n"))
                info@\(Self.domain) is an alias of both

            In another terminal:
                \(tryOut)    sends samples and shows how each was judged
                \(Self.program) chain --config \(configuration)
                \(Self.program) trace --config \(configuration)
                swaks --server 127.0.0.1:2525 --to anna@\(Self.domain)

            Mail lies in \(path)/data/mailboxes, the chain in \(filters); change it, then
                \(Self.program) reload --config \(configuration)
            \(age)Ctrl-C stops.

            """
    }

    private static func settings(_ path: String) -> String {
        """
        # The demonstration server. samples/sluice.toml has every option.
        hostname = "mx.\(domain)"
        data     = "data"
        filters  = "filters.d"

        [tls]
        certificate = "tls/cert.pem"
        key         = "tls/key.pem"

        [[listener]]
        protocol = "smtp"
        bind     = ["127.0.0.1:2525"]
        tls      = "starttls"

        [[listener]]
        protocol = "submission"
        bind     = ["127.0.0.1:2587"]
        tls      = "starttls"

        [[listener]]
        protocol = "lmtp"
        bind     = ["127.0.0.1:2424"]

        [metrics]
        bind = ["127.0.0.1:2580"]

        [trace]
        keep_messages = "whole"

        """
    }
}

import Foundation
import Synchronization
import Testing

/// A folder with certificate, chain and directory, ready for a server: a copy of one that is made once.
struct Place: Sendable {
    let folder: TemporaryFolder

    init() async throws {
        let model = try await Self.model.value
        folder = try TemporaryFolder()
        for name in try FileManager.default.contentsOfDirectory(atPath: model.path) {
            try FileManager.default.copyItem(atPath: "\(model.path)/\(name)", toPath: "\(folder.path)/\(name)")
        }
    }

    private static let model = Task { try await makeModel() }
    /// Where it lies: it is no test's own, and goes with the process.
    private static let modelPath = Mutex("")

    private static func makeModel() async throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let path = folder.path
        modelPath.withLock { $0 = path }
        atexit { try? FileManager.default.removeItem(atPath: Place.modelPath.withLock { $0 }) }
        try FileManager.default.createDirectory(atPath: "\(path)/tls", withIntermediateDirectories: true)
        try await certificate("mx.acme.test", at: "\(path)/tls")
        let chain = URL(fileURLWithPath: Programs.root + "/filters.d").resolvingSymlinksInPath().path
        try FileManager.default.copyItem(atPath: chain, toPath: "\(path)/filters.d")
        // Without virus databases it would fail for every message; `ScanningTests` have some.
        try FileManager.default.removeItem(atPath: "\(path)/filters.d/33-clamav.toml")
        try folder.write(LiveServer.settings(.init(), (2525, 2587, 2465, 2424)), to: "sluice.toml")
        try await fill(path)
        return folder
    }

    /// A self-signed certificate: `cert.pem` and `key.pem`.
    static func certificate(_ name: String, at path: String) async throws {
        let made = try await Programs.run(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name),DNS:localhost,IP:127.0.0.1",
                "-keyout", "\(path)/key.pem", "-out", "\(path)/cert.pem",
            ])
        guard made.code == 0 else { throw Timeout("openssl: \(made)") }
    }

    /// The commands that other programs rely on, in their exact forms.
    private static func fill(_ path: String) async throws {
        let commands = [
            ["postoffice", "add", "acme"],
            ["domain", "add", "acme.test", "--postoffice", "acme"],
            ["domain", "add", "beta.test", "--postoffice", "acme"],
            ["mailbox", "add", "anna@acme.test", "--password-stdin"],
            ["mailbox", "add", "bert@acme.test", "--password-stdin"],
            ["mailbox", "add", "carl@acme.test", "--password-stdin"],
            ["alias", "add", "both@acme.test", "anna@acme.test", "bert@acme.test"],
        ]
        for command in commands {
            let ran = try await Programs.run(
                Programs.sluice, command + ["--config", "\(path)/sluice.toml"],
                input: Array("\(LiveServer.password)\n".utf8))
            guard ran.code == 0 else { throw Timeout("sluice \(command.joined(separator: " ")): \(ran)") }
        }
        // Compiles the patterns, once for all servers.
        let ran = try await Programs.run(
            Programs.sluice, ["score", "-", "--config", "\(path)/sluice.toml"], input: Array("Subject: x\n\nx\n".utf8))
        guard ran.code == 0 else { throw Timeout("sluice score: \(ran)") }
    }
}

import Foundation
import Testing

/// Viruses at the built server: with databases, without any, and when they come.
@Suite struct ScanningTests {
    /// In halves, so that no scanner finds it in this file.
    static let eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-FILE!$H+H*"].joined()

    static var signature: String {
        "Eicar-Test-Signature:0:*:" + eicar.utf8.map { String($0, radix: 16) }.joined() + "\n"
    }

    /// The usual chain with the shipped file, whose databases are at that place.
    static func setup(_ databases: String) throws -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        let file = Programs.root + "/filters.d/33-clamav.toml"
        setup.filters["33-clamav.toml"] = try String(contentsOfFile: file, encoding: .utf8)
        setup.more = "[clamav]\ndatabase = \"\(databases)\"\n"
        return setup
    }

    static func databases(_ content: String?) throws -> String {
        let folder = NSTemporaryDirectory() + "/databases-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if let content { try content.write(toFile: folder + "/eicar.ndb", atomically: true, encoding: .utf8) }
        return folder
    }

    static func message(_ body: String) -> String {
        "From: a@out.test\r\nDate: Sat, 14 Nov 2026 09:28:40 +0000\r\nMessage-ID: <1@out.test>\r\nSubject: x\r\n\r\n"
            + body + "\r\n"
    }

    @Test func `a virus is refused in and out, and what carries none is taken`() async throws {
        try await LiveServer.run(Self.setup(Self.databases(Self.signature))) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            let refused = try await wire.deliver(Self.message(Self.eicar))
            #expect(refused.hasPrefix("554 5.7.1 The message is not taken: Eicar-Test-Signature"), "\(refused)")
            #expect(try await wire.deliver(Self.message("Good morning.")).hasPrefix("250"))
            await wire.close()
            let user = try await server.submission()
            let own = Self.message(Self.eicar).replacing("a@out.test", with: "anna@acme.test")
            #expect(try await user.deliver(own, from: "anna@acme.test").hasPrefix("554 5.7.1"))
            await user.close()
            let status = try await server.sluice("status")
            #expect(status.code == 0 && status.output.contains("1 signature\n"), "\(status)")
            #expect(status.output.contains("eicar.ndb: of "), "\(status)")
            #expect(server.log.contains("msg=\"virus databases loaded\""))
        }
    }

    @Test func `without databases mail flows and everything says so, until there are some`() async throws {
        let folder = try Self.databases(nil)
        try await LiveServer.run(Self.setup(folder)) { server in
            let reason = "there is no virus database in \(folder)"
            #expect(server.log.contains("msg=\"nothing is scanned for viruses\""))
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message(Self.eicar)).hasPrefix("250"))
            let mail = try await server.mail(of: "anna@acme.test", count: 1)
            #expect(mail.first?.contains("X-Sluice-Unchecked: clamav (could not decide)") == true)
            let status = try await server.sluice("status")
            #expect(
                status.code == 1 && status.output.contains("Nothing is scanned for viruses: \(reason)."), "\(status)")
            try Self.signature.write(toFile: folder + "/eicar.ndb", atomically: true, encoding: .utf8)
            #expect(try await server.sluice("reload").code == 0)
            #expect(await eventually { server.log.contains("msg=\"virus databases loaded\"") })
            #expect(try await wire.deliver(Self.message(Self.eicar)).hasPrefix("554 5.7.1"))
            #expect(try await server.sluice("status").code == 0)
            await wire.close()
        }
    }
}

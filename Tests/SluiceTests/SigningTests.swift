import Foundation
import Testing

/// Signing with real keys in real files.
@Suite struct SigningTests {
    static let chainFile = """
        stage = "dkim-sign"
        [dkim-sign.domains."acme.test"]
        active = ["s1", "e1"]
        """

    /// A place with an RSA and an Ed25519 key of acme.test.
    static func place() async throws -> Place {
        let place = try await Place()
        let folder = place.folder.path + "/data/keys/dkim/acme.test"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, kind) in [("s1", ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]), ("e1", ["ED25519"])] {
            let file = "\(folder)/\(name).pem"
            let made = try await Programs.run("openssl", ["genpkey", "-out", file, "-algorithm"] + kind)
            guard made.code == 0 else { throw Timeout("openssl: \(made)") }
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        }
        try place.folder.write(chainFile, to: "filters.d/90-dkim-sign.toml")
        return place
    }

    @Test func `what a user sends is signed by both keys, and judged again it is signed alike`() async throws {
        let place = try await Self.place()
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(.init(), in: place)
            let wire = try await server.submission()
            let message = "From: anna@acme.test\r\nSubject: signed\r\n\r\nHello.\r\n"
            let reply = try await wire.deliver(message, from: "anna@acme.test", to: ["bert@acme.test"])
            #expect(reply.hasPrefix("250"), "\(reply)")
            #expect(await eventually { !server.mail(of: "bert@acme.test").isEmpty })
            let mail = String(decoding: server.mail(of: "bert@acme.test").first ?? [], as: UTF8.self)
            let signatures = mail.components(separatedBy: "DKIM-Signature: ").dropFirst()
            #expect(signatures.count == 2, "\(mail)")
            #expect(signatures.allSatisfy { $0.contains("d=acme.test;") })
            #expect(signatures.contains { $0.contains("a=rsa-sha256;") && $0.contains("s=s1;") })
            #expect(signatures.contains { $0.contains("a=ed25519-sha256;") && $0.contains("s=e1;") })
            await server.stop()
            try await server.replay()
            // Elsewhere, or later, there may be no keys: only a server needs them.
            try FileManager.default.removeItem(atPath: place.folder.path + "/data/keys/dkim/acme.test/e1.pem")
            let again = try await server.sluice("replay", "--since", "1h")
            #expect(again.code == 0 && again.output.contains("Judged 1 again: 0 found otherwise"), "\(again)")
            #expect(
                again.output.contains("dkim-sign: would be signed as acme.test (s1, e1); the key is not"), "\(again)")
        }
    }

    @Test func `a key that others may read, or that is not there, is told before anything is signed`() async throws {
        let place = try await Self.place()
        let key = place.folder.path + "/data/keys/dkim/acme.test/s1.pem"
        let check = ["check", "--config", place.folder.path + "/sluice.toml"]
        #expect(try await Programs.run(Programs.sluice, check).code == 0)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: key)
        let open = try await Programs.run(Programs.sluice, check)
        #expect(open.code == 1 && open.errors.contains("90-dkim-sign.toml:"), "\(open)")
        #expect(open.errors.contains("may be read or changed by others than its owner"), "\(open)")
        try FileManager.default.removeItem(atPath: key)
        let missing = try await Programs.run(Programs.sluice, check)
        #expect(missing.code == 1 && missing.errors.contains("No such file or directory"), "\(missing)")
        // A link could lead to a file of somebody else's.
        try FileManager.default.createSymbolicLink(atPath: key, withDestinationPath: "e1.pem")
        #expect(try await Programs.run(Programs.sluice, check).code == 1)
    }

    @Test(arguments: [("30h", true), ("31h", false), ("0s", false)])
    func `signatures that end before the last try of a delivery are warned of`(_ expires: String, _ isTold: Bool)
        async throws
    {
        let place = try await Self.place()
        let file = "stage = \"dkim-sign\"\n[dkim-sign]\nexpires = \"\(expires)\"\n"
        try place.folder.write(file, to: "filters.d/90-dkim-sign.toml")
        let ran = try await Programs.run(Programs.sluice, ["check", "--config", place.folder.path + "/sluice.toml"])
        #expect(ran.code == 0 && ran.errors.contains("what arrives late has a signature") == isTold, "\(ran)")
    }

    @Test func `check warns of a length limit`() async throws {
        let place = try await Self.place()
        try place.folder.write(Self.chainFile + "\nlength = true\n", to: "filters.d/90-dkim-sign.toml")
        let ran = try await Programs.run(
            Programs.sluice, ["check", "--config", place.folder.path + "/sluice.toml"])
        #expect(ran.code == 0 && ran.errors.contains(": lint: `length`"), "\(ran)")
    }
}

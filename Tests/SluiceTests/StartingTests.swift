import Foundation
import Testing

@testable import Sluice

#if canImport(Glibc)
    import Glibc
#endif

/// What keeps a server from starting, and how that is told.
@Suite struct StartingTests {
    /// A configuration whose folder has nothing else, with its listeners and more.
    private static func folder(_ text: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write("hostname = \"mx.acme.test\"\ndata = \"data\"\n\(text)", to: "sluice.toml")
        try FileManager.default.createDirectory(atPath: "\(folder.path)/filters.d", withIntermediateDirectories: true)
        return folder
    }

    private static func lmtp(_ address: String) -> String {
        "[[listener]]\nprotocol = \"lmtp\"\nbind = [\"\(address)\"]\n"
    }

    @Test func `an address that cannot be bound is named with its owner and what to do`() async throws {
        let taken = try await Sink.start()
        let free = try Ports.free(1)[0]
        for (text, said) in [
            (Self.lmtp("127.0.0.1:\(taken.port)"), "sluice: 127.0.0.1:\(taken.port) (listener lmtp)"),
            (
                Self.lmtp("127.0.0.1:\(free)") + "[metrics]\nbind = [\"127.0.0.1:\(taken.port)\"]\n",
                "sluice: 127.0.0.1:\(taken.port) ([metrics])"
            ),
        ] {
            let folder = try Self.folder(text)
            let ran = try await Programs.run(Programs.sluice, ["serve", "--config", folder.path + "/sluice.toml"])
            #expect(ran.code == 1)
            let told = "\n\(said) cannot be bound: address already in use\n"
            #expect(ran.errors.contains(told + "Another server has the port; `ss -ltnp` names it.\n"), "\(ran)")
        }
    }

    @Test func `an address that this machine does not have is told as that`() async throws {
        let folder = try Self.folder(Self.lmtp("192.0.2.1:\(try Ports.free(1)[0])"))
        let ran = try await Programs.run(Programs.sluice, ["serve", "--config", folder.path + "/sluice.toml"])
        #expect(ran.code == 1)
        #expect(ran.errors.contains("(listener lmtp) cannot be bound: cannot assign requested address\nThis machine "))
    }

    @Test func `where sluice.toml cannot be read, nothing is said of a chain`() async throws {
        let (folder, elsewhere) = (try Self.folder("[[listener]\n"), try TemporaryFolder())
        let ran = try await Programs.run(
            Programs.sluice, ["check", "--config", folder.path + "/sluice.toml"], folder: elsewhere.path)
        #expect(ran.code == 1)
        let lines = ran.errors.split(separator: "\n")
        #expect(lines.count == 1 && lines.allSatisfy { $0.contains("sluice.toml:") }, "\(ran)")
    }

    @Test func `a demonstration that lies elsewhere says how samples come to it`() {
        #expect(DemoFolder("/srv/demo").welcome.contains(" try-out --config /srv/demo/sluice.toml "))
        #expect(DemoFolder(DemoFolder.usual).welcome.contains(" make try-out "))
    }

    @Test func `a socket's place that something else has is named, at the start and by a reload`() async throws {
        try await LiveServer.run { server in
            let good = try server.folder.text("sluice.toml")
            let path = server.folder.path + "/notes"
            try server.folder.write("mine", to: "notes")
            let more = Self.lmtp("unix:\(path)") + "name = \"inner\"\n"
            try server.folder.write(good + more, to: "sluice.toml")
            let reload = try await server.sluice("reload")
            #expect(reload.code == 1)
            let told = "error: unix:\(path) (listener inner) cannot be bound: there is a file that is no socket\n"
            #expect(reload.errors.contains(told), "\(reload)")
            #expect(try server.folder.text("notes") == "mine")
            try server.folder.write(good, to: "sluice.toml")
        }
    }

    @Test func `a socket in the file system has its mode, and goes with its listener`() async throws {
        try await LiveServer.run { server in
            let good = try server.folder.text("sluice.toml")
            let path = server.folder.path + "/lmtp.sock"
            func mode() throws -> Int? {
                try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            }
            for _ in 0..<2 {
                // A socket that stays open takes another mode all the same.
                for (option, bits) in [("", 0o660), ("socket_mode = \"600\"\n", 0o600)] {
                    let more = Self.lmtp("unix:\(path)") + "name = \"inner\"\n\(option)"
                    try server.folder.write(good + more, to: "sluice.toml")
                    let reload = try await server.sluice("reload")
                    #expect(reload.code == 0, "\(reload)")
                    #expect(try mode() == bits)
                }
                try server.folder.write(good, to: "sluice.toml")
                #expect(try await server.sluice("reload").code == 0)
                #expect(!FileManager.default.fileExists(atPath: path))
            }
        }
    }

    @Test func `a server that does not get the queue leaves no socket behind`() async throws {
        try await LiveServer.run { server in
            let path = server.folder.path + "/lmtp.sock"
            let text = "hostname = \"mx.acme.test\"\ndata = \"data\"\n\(Self.lmtp("unix:\(path)"))"
            try server.folder.write(text, to: "other.toml")
            let second = try await Programs.run(
                Programs.sluice, ["serve", "--config", server.folder.path + "/other.toml"])
            #expect(second.code == 75 && second.errors.contains("in use by process"), "\(second)")
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func `the demonstration says nothing of passwords where its port is taken`() async throws {
        // Whoever else has it: it is taken.
        let taken = try? await Sink.start(port: 2525)
        let folder = try TemporaryFolder()
        let ran = try await Programs.run(Programs.sluice, ["demo", "--data", folder.path + "/demo"])
        #expect(ran.code == 1)
        #expect(ran.output == "")
        #expect(ran.errors.contains("sluice: 127.0.0.1:2525 (listener smtp) cannot be bound"), "\(ran)")
        _ = taken
    }

    @Test func `check finds in certificates what the server would find`() async throws {
        let place = try await Place()
        let tls = place.folder.path + "/tls"
        let config = ["check", "--config", place.folder.path + "/sluice.toml"]
        #expect(try await Programs.run(Programs.sluice, config).code == 0)
        let certificate = try place.folder.text("tls/cert.pem")
        try place.folder.write("no certificate", to: "tls/cert.pem")
        let broken = try await Programs.run(Programs.sluice, config)
        #expect(broken.code == 1 && broken.output.isEmpty)
        #expect(broken.errors.contains("\(tls)/cert.pem: error: is no certificate chain in PEM"), "\(broken)")
        try FileManager.default.createDirectory(atPath: tls + "/other", withIntermediateDirectories: true)
        try await Place.certificate("other.test", at: tls + "/other")
        try place.folder.write(certificate, to: "tls/cert.pem")
        try place.folder.write(try place.folder.text("tls/other/key.pem"), to: "tls/key.pem")
        let other = try await Programs.run(Programs.sluice, config)
        #expect(other.code == 1)
        #expect(other.errors.contains("\(tls)/key.pem: error: is not the key of \(tls)/cert.pem"), "\(other)")
    }
}

import Foundation
import MailTypes
import Pipeline
import Testing

@testable import Sluice

/// Mail that is forwarded leaves under a path of this server, and what is said about it finds its way back.
@Suite struct ForwardingTests {
    private static let mail = "From: a@out.test\r\n\r\nbody\r\n"

    /// Two domains elsewhere, on one server, and an alias that leads there.
    private static func run(
        _ sink: Sink, isReplayed: Bool = true, _ body: (LiveServer) async throws -> Void
    ) async throws {
        var setup = LiveServer.Setup()
        setup.isReplayed = isReplayed
        let route = "smtp:[127.0.0.1]:\(sink.port)"
        setup.filters["20-transport.toml"] = .transport(["far.test": route, "out.test": route])
        try await LiveServer.run(setup) { server in
            let added = try await server.sluice("alias", "add", "away@acme.test", "eve@far.test", "anna@acme.test")
            #expect(added.code == 0)
            try await body(server)
        }
        await sink.stop()
    }

    @Test func `a forward and the report on it`() async throws {
        let sink = try await Sink.start()
        try await Self.run(sink) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            let taken = try await wire.deliver(Self.mail, to: ["away@acme.test"])
            #expect(taken.hasPrefix("250"))
            let forward = try await sink.messages(count: 1)[0]
            #expect(forward.recipients == ["eve@far.test"])
            #expect(forward.sender.hasPrefix("SRS0=") && forward.sender.hasSuffix("=out.test=a@acme.test"))
            // The copy that stays is from whom it is.
            let kept = try await server.mail(of: "anna@acme.test", count: 1)[0]
            #expect(kept.contains("Return-Path: <a@out.test>"))

            // What the other server reports.
            #expect(try await wire.deliver(Self.mail, from: "", to: [forward.sender]).hasPrefix("250"))
            let report = try await sink.messages(count: 2)[1]
            #expect(report.sender.isEmpty && report.recipients == ["a@out.test"])
            let asked = try await server.sluice("srs", "reverse", forward.sender)
            #expect(asked.code == 0 && asked.output == "a@out.test\n")

            // What it did not.
            let forged = forward.sender.replacing("out.test=a@", with: "far.test=b@")
            try await wire.expect("MAIL FROM:<>", "250")
            try await wire.expect("RCPT TO:<\(forged)>", "550 5.7.1")
            try await wire.expect("RSET", "250")
            try await wire.expect("MAIL FROM:<b@far.test>", "250")
            try await wire.expect("RCPT TO:<\(forward.sender)>", "550 5.7.1 Address takes reports only")
            try await wire.expect("RSET", "250")
            #expect(try await server.sluice("srs", "reverse", forged).code == 1)

        }
    }

    @Test func `a copy is kept beside a forward, and what comes back is seen at its first return`() async throws {
        let sink = try await Sink.start()
        try await Self.run(sink) { server in
            let set = try await server.sluice("mailbox", "redirect", "carl@acme.test", "p@far.test", "--keep-copy")
            #expect(set.code == 0, "\(set)")
            let wire = try await server.smtp()
            try await wire.greet()
            for (number, recipients) in [["carl@acme.test"], ["carl@acme.test", "bert@acme.test"]].enumerated() {
                #expect(try await wire.deliver(Self.mail, to: recipients).hasPrefix("250"))
                let forward = try await sink.messages(count: number + 1)[number]
                #expect(forward.recipients == ["p@far.test"])
                #expect(forward.text.contains("Delivered-To: carl@acme.test\r\n"))
                #expect(!forward.text.contains("bert@acme.test"))
                _ = try await server.mail(of: "carl@acme.test", count: number + 1)
                // Its way back: sent to those whom it was for.
                #expect(try await wire.deliver(forward.text, to: recipients).hasPrefix("554 5.4.6"))
            }
            let bert = try await server.mail(of: "bert@acme.test", count: 1)
            #expect(!bert[0].contains("carl@acme.test"))
            #expect(try await server.queueIsEmpty())
            #expect(server.mail(of: "carl@acme.test").count == 2 && sink.messages.count == 2)
        }
    }

    /// With other secrets other paths are made, so what was judged by the old ones is not judged again here.
    @Test func `a new secret signs at once, and the old one is believed until it is taken away`() async throws {
        let sink = try await Sink.start()
        try await Self.run(sink, isReplayed: false) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.mail, to: ["away@acme.test"]).hasPrefix("250"))
            let forward = try await sink.messages(count: 1)[0]
            #expect(try await server.sluice("srs", "rotate").output == "A new secret signs; 1 old secret stays.\n")
            #expect(try await wire.deliver(Self.mail, to: ["away@acme.test"]).hasPrefix("250"))
            #expect(try await sink.messages(count: 2)[1].sender != forward.sender)
            #expect(try await wire.deliver(Self.mail, from: "", to: [forward.sender]).hasPrefix("250"))
            #expect(try await server.sluice("srs", "rotate", "--keep", "0").code == 0)
            try await wire.expect("MAIL FROM:<>", "250")
            try await wire.expect("RCPT TO:<\(forward.sender)>", "550 5.7.1 Address was not given out here")
        }
    }

    @Test func `a report of this server's own goes to whom the path stands for`() async throws {
        let sink = try await Sink.start { $0.contains("eve@far.test") ? "550 5.1.1 no such user" : nil }
        try await Self.run(sink) { server in
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.mail, to: ["away@acme.test"]).hasPrefix("250"))
            let report = try await sink.messages(count: 1)[0]
            #expect(report.sender.isEmpty && report.recipients == ["a@out.test"])
            #expect(report.text.contains("Status: 5.1.1"))
            #expect(try await server.queueIsEmpty())
        }
    }

    // MARK: The secrets

    @Test func `the file is made once, and read again when it changes`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/srs.secrets"
        let file = ReversePathSecretFile(path)
        #expect(throws: CryptographyFailure.self) { try file.secrets() }
        try file.make()
        let first = try file.secrets()
        #expect(first.count == 1 && first[0].count >= 32)
        try file.make()
        #expect(try ReversePathSecretFile(path).secrets() == first)
        #expect(try file.rotate(keeping: 1) == 1)
        #expect(try file.secrets().last == first[0] && file.secrets().count == 2)
        #expect(try file.rotate(keeping: 1) == 1)
        #expect(try !file.secrets().contains(first[0]))
        #expect(try file.rotate(keeping: 0) == 0)
        #expect(try file.secrets().count == 1)
    }

    @Test func `others' secrets can stand in it, and a file that others may read is refused`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/srs.secrets"
        try folder.write("# of PostSRSd\r\nnew\nold one\n\n", to: "srs.secrets")
        let file = ReversePathSecretFile(path)
        #expect(throws: CryptographyFailure.self) { try file.secrets() }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        #expect(try file.secrets() == [Array("new".utf8), Array("old one".utf8)])
        try folder.write("# nothing\n", to: "srs.secrets")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        #expect(throws: CryptographyFailure.self) { try file.secrets() }
    }
}

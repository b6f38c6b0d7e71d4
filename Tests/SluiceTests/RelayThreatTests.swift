import Foundation
import Testing

/// Nobody relays through this server who may not.
@Suite struct RelayThreatTests {
    static let host = "mx.acme.test", address = "127.0.0.1", far = "far.test"

    /// The pairs of nmap's smtp-open-relay and of the MAPS list.
    static let pairs: [(String, String)] = [
        ("<>", "<u@\(far)>"), ("<a@\(far)>", "<u@\(far)>"), ("<a@\(host)>", "<u@\(far)>"),
        ("<a@[\(address)]>", "<u@\(far)>"),
        ("<a@[\(address)]>", "<u%\(far)@[\(address)]>"), ("<a@[\(address)]>", "<u%\(far)@\(host)>"),
        ("<a@[\(address)]>", "<\"u@\(far)\">"), ("<a@[\(address)]>", "<\"u%\(far)\">"),
        ("<a@[\(address)]>", "<u@\(far)@[\(address)]>"), ("<a@[\(address)]>", "<\"u@\(far)\"@[\(address)]>"),
        ("<a@[\(address)]>", "<u@\(far)@\(host)>"), ("<a@[\(address)]>", "<@[\(address)]:u@\(far)>"),
        ("<a@[\(address)]>", "<@\(host):u@\(far)>"), ("<a@[\(address)]>", "<\(far)!u>"),
        ("<a@[\(address)]>", "<\(far)!u@[\(address)]>"), ("<a@[\(address)]>", "<\(far)!u@\(host)>"),
        ("<a@localhost>", "<u@\(far)>"), ("<a>", "<u@\(far)>"), ("<a@\(host)>", "<u%\(far)@\(host)>"),
        ("<a@\(host)>", "<u%\(far)@[\(address)]>"), ("<a@\(host)>", "<\"u@\(far)\">"),
        ("<a@\(host)>", "<\"u%\(far)\">"),
        ("<a@\(host)>", "<\"x@y\"[\(address)]>"), ("<a@[\(address)]>", "<u@\(far)@\(host)>"),
    ]

    @Test func `R27: of 24 relay tricks none gets an octet to the other server`() async throws {
        let sink = try await Sink.start(host: "127.0.0.2")
        let names = try await NameServer.start([
            Self.far: [.mx(10, "mail.\(Self.far)")], "mail.\(Self.far)": [.a("127.0.0.2")],
        ])
        var setup = LiveServer.Setup()
        setup.more = .outbound(names, port: sink.port)
        setup.smtp = "max_errors = 1000\nmax_refused_recipients = 1000"
        setup.lmtp = setup.smtp
        setup.submission = setup.smtp
        try await LiveServer.run(setup) { server in
            for (port, verb) in [
                (server.ports.smtp, "EHLO"), (server.ports.submission, "EHLO"), (server.ports.lmtp, "LHLO"),
            ] {
                let wire = try await Wire.connect(port: port)
                try await wire.greet(verb)
                for (sender, recipient) in Self.pairs {
                    let mail = try await wire.say("MAIL FROM:\(sender)")
                    let said = try await wire.say("RCPT TO:\(recipient)")
                    #expect(said.hasPrefix("5"), "\(verb) \(port): \(sender) to \(recipient): \(mail), \(said)")
                    try await wire.expect("DATA", "5")
                    try await wire.expect("RSET", "250")
                }
            }
            // The same through local names that lead nowhere else.
            let wire = try await server.smtp()
            try await wire.greet()
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            for local in ["anna+u%far.test@acme.test", "both+far.test!u@acme.test", "\"anna@far.test\"@acme.test"] {
                try await wire.expect("RCPT TO:<\(local)>", "5")
            }
            #expect(try await server.queue().isEmpty)
            #expect(sink.octets.isEmpty && sink.connections == 0)

            // The sink is really where such mail would go: who has logged in reaches it.
            let user = try await server.submission()
            let message = "From: anna@acme.test\r\n\r\nx\r\n"
            #expect(try await user.deliver(message, from: "anna@acme.test", to: ["u@far.test"]).hasPrefix("250"))
            #expect(try await sink.messages(count: 1)[0].recipients == ["u@far.test"])
        }
        await sink.stop()
        await names.stop()
    }
}

extension String {
    /// The tables for mail to other servers on this machine, whose names the tests' name server knows.
    static func outbound(_ names: NameServer, port: Int, more: String = "") -> String {
        """
        [dns]
        servers = ["127.0.0.1:\(names.port)"]

        [delivery]
        port = \(port)
        family = "only-ipv4"
        refuse_private_exchangers = false
        keep_connection = "0s"
        \(more)

        """
    }
}

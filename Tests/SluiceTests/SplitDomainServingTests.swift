import Foundation
import Testing

/// One domain on two servers.
@Suite struct SplitDomainServingTests {
    static let message = "From: a@out.test\r\nTo: carl@acme.test\r\nSubject: onward\r\n\r\nbody\r\n"
    /// Where the partner's mail comes from; whoever else there is on this machine is not the partner.
    static let partnerAddress = "127.0.0.3"

    /// A Postfix that has dora and fred of acme.test, and seeks all others at the Sluice on `port`.
    private static func partner(
        port: Int, other: Int, tls: String, logins: String? = nil, hasCatchAll: Bool = false
    ) throws -> PostfixPeer {
        let others = hasCatchAll ? "@acme.test fred@acme.test\n" : ""
        let known = ["dora", "fred", "anna", "bert", "carl", "ghost"].map { "\($0)@acme.test" }
        return try PostfixPeer(
            port: port, tls: tls, logins: logins,
            settings: """
                myhostname = partner.acme.test
                smtp_bind_address = \(partnerAddress)
                virtual_mailbox_domains =
                virtual_mailbox_maps = texthash:ROOT/etc/boxes
                virtual_alias_maps = texthash:ROOT/etc/aliases
                relay_domains = acme.test
                relay_recipient_maps = texthash:ROOT/etc/known
                transport_maps = texthash:ROOT/etc/transport
                smtp_tls_security_level = may

                """,
            tables: [
                "boxes": "dora@acme.test dora/Maildir/\nfred@acme.test fred/Maildir/\n",
                "aliases": known.map { "\($0) \($0)\n" }.joined() + others,
                "known": known.map { "\($0) x\n" }.joined() + (hasCatchAll ? "@acme.test x\n" : ""),
                "transport": "dora@acme.test virtual:\nfred@acme.test virtual:\n"
                    + "acme.test smtp:[127.0.0.1]:\(other)\n* error:5.4.4 elsewhere\n",
            ])
    }

    /// Its own port beside those that the server finds for itself.
    private static func setup(_ names: NameServer, exchange: Int, tls: String) -> LiveServer.Setup {
        var setup = LiveServer.Setup()
        setup.hostname = "out.acme.test"
        setup.more =
            .outbound(names, port: 25, more: "trust_roots = \"\(tls)/cert.pem\"")
            + "[[listener]]\nname = \"exchange\"\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:\(exchange)\"]\n"
        // As for clients that are not on this machine.
        let unless = "unless = [\"authenticated\"]\n"
        setup.filters["26-spf.toml"] = "stage = \"spf\"\n\(unless)"
        setup.filters["36-dmarc.toml"] = "stage = \"dmarc\"\n\(unless)[dmarc]\nreject = \"reject\"\n"
        return setup
    }

    private static func names() async throws -> NameServer {
        try await NameServer.start([
            // The partner's certificate is for this name.
            "mx.acme.test": [.a("127.0.0.1")], "out.test": [.a("127.0.0.1")],
            "acme.test": [.text("v=spf1 -all")], "_dmarc.acme.test": [.text("v=DMARC1; p=reject")],
        ])
    }

    /// What a user of the partner writes, over its submission.
    private static func send(from sender: String, to recipient: String, port: Int) async throws {
        let wire = try await Wire.connect(port: port)
        _ = try await wire.reply()
        try await wire.expect("EHLO client.test", "250")
        try await wire.expect("STARTTLS", "220")
        try await wire.startTLS()
        try await wire.expect("EHLO client.test", "250")
        let secret = Data("\0anna@isp.test\0open sesame".utf8).base64EncodedString()
        try await wire.expect("AUTH PLAIN \(secret)", "235")
        let text = "From: \(sender)\r\nTo: \(recipient)\r\nSubject: back\r\n\r\nbody\r\n"
        let reply = try await wire.deliver(text, from: sender, to: [recipient])
        #expect(reply.hasPrefix("250"), "\(reply)")
    }

    @Test func `a real Postfix has a part of the domain, with a login, in verified TLS`() async throws {
        let place = try await Place()
        let tls = place.folder.path + "/tls"
        let ports = try Ports.free(2)
        let dovecot = try DovecotLogins()
        defer { dovecot.child.kill() }
        let postfix = try Self.partner(port: ports[0], other: ports[1], tls: tls, logins: dovecot.socket)
        defer { postfix.child.kill() }
        try await LiveServer.run(Self.setup(try await Self.names(), exchange: ports[1], tls: tls)) { server in
            #expect(await eventually { (try? await Wire.connect(port: ports[0])) != nil })
            let added = try await server.sluice(
                "split-domain", "add", "acme.test", "--to", "mx.acme.test:\(ports[0])", "--from",
                Self.partnerAddress, "--login", "anna@isp.test", "--password-stdin", input: "open sesame\n")
            #expect(added.code == 0 && added.errors.isEmpty, "\(added)")
            // From outside: to who is here, to who is there, to nobody.
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message, to: ["anna@acme.test"]).hasPrefix("250"))
            _ = try await server.mail(of: "anna@acme.test", count: 1)
            let taken = try await wire.deliver(Self.message, to: ["dora@acme.test"])
            #expect(taken.hasPrefix("250"), "\(taken) \(postfix.log)")
            let arrived = await PeerServerTests.file(in: postfix.mail + "/dora", containing: "Subject: onward")
            #expect(arrived?.contains("\nSluice-Hop: t=") == true, "\(arrived ?? postfix.log)")
            #expect(arrived?.contains("using TLSv1.3") == true)
            #expect(postfix.log.contains("sasl_method=PLAIN, sasl_username=anna@isp.test"))
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<ghost@acme.test>", "250")
            try await wire.expect("RSET", "250")
            // Back: what its user writes is not taken for forged, and what anybody else writes in his name is.
            try await Self.send(from: "dora@acme.test", to: "bert@acme.test", port: ports[0])
            let back = try await server.mail(of: "bert@acme.test", count: 1)[0]
            let results = back.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(results.contains("dmarc=pass"), "\(back)")
            #expect(results.contains("a partner of the split domain acme.test"), "\(back)")
            let forged = "From: dora@acme.test\r\nSubject: forged\r\n\r\nbody\r\n"
            let refused = try await wire.deliver(forged, from: "dora@acme.test", to: ["bert@acme.test"])
            #expect(refused.hasPrefix("550 5.7."), "\(refused)")
            // Users here write to users there.
            let own = try await server.submission()
            let sent = try await own.deliver(
                "From: anna@acme.test\r\nSubject: within\r\n\r\nx\r\n", from: "anna@acme.test", to: ["fred@acme.test"])
            #expect(sent.hasPrefix("250"), "\(sent)")
            #expect(await PeerServerTests.file(in: postfix.mail + "/fred", containing: "Subject: within") != nil)
            #expect(try await server.queueIsEmpty(), "\(postfix.log)")
            let told = try await server.sluice("route", "dora@acme.test")
            #expect(told.output.contains("goes to      dora@acme.test by smtp mx.acme.test:\(ports[0])"), "\(told)")
        }
        await postfix.child.stop()
        await dovecot.child.stop()
    }

    @Test(arguments: [(false, false), (true, false), (false, true), (true, true)])
    func `with a catch-all here, there, or on both, nothing goes round`(_ here: Bool, _ there: Bool) async throws {
        let place = try await Place()
        let tls = place.folder.path + "/tls"
        let ports = try Ports.free(2)
        let postfix = try Self.partner(port: ports[0], other: ports[1], tls: tls, hasCatchAll: there)
        defer { postfix.child.kill() }
        try await LiveServer.run(Self.setup(try await Self.names(), exchange: ports[1], tls: tls)) { server in
            #expect(await eventually { (try? await Wire.connect(port: ports[0])) != nil })
            let added = try await server.sluice(
                "split-domain", "add", "acme.test", "--to", "mx.acme.test:\(ports[0])", "--from", Self.partnerAddress)
            #expect(added.code == 0, "\(added)")
            if here {
                let set = try await server.sluice("domain", "catch-all", "set", "acme.test", "bert@acme.test")
                #expect(set.code == 0, "\(set)")
            }
            let wire = try await server.smtp()
            try await wire.greet()
            // Nobody anywhere; and somebody of whom the partner thinks that he is here.
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            let nobody = try await wire.say("RCPT TO:<nobody@acme.test>")
            #expect(nobody.hasPrefix(here || there ? "250" : "550 5.1.1"), "\(nobody)")
            try await wire.expect("RSET", "250")
            for address in (here || there ? ["nobody@acme.test"] : []) + ["ghost@acme.test"] {
                let taken = try await wire.deliver(Self.message, to: [address])
                #expect(taken.hasPrefix("250"), "\(taken)")
            }
            #expect(try await server.queueIsEmpty(), "\(postfix.log)")
            #expect(await eventually { postfix.log.contains("to=<ghost@acme.test>") })
            if here {
                // ghost has come back, and the partner's catch-all has nobody.
                let mail = try await server.mail(of: "bert@acme.test", count: there ? 1 : 2)
                #expect(mail.count == (there ? 1 : 2))
            } else {
                #expect(await eventually { postfix.log.contains("550 5.1.1 No such user here") }, "\(postfix.log)")
            }
            let round = postfix.log.components(separatedBy: "to=<ghost@acme.test>").count - 1
            #expect(round == 1, "the partner has had it once:\n\(postfix.log)")
        }
        await postfix.child.stop()
    }

    @Test func `a partner that is not there is passed over for the next, and mail waits without any`() async throws {
        let ports = try Ports.free(1)
        let sink = try await Sink.start { $0.contains("nobody@") ? "550 5.1.1 no such user" : nil }
        try await LiveServer.run { server in
            let commands = [
                ["split-domain", "add", "beta.test", "--to", "127.0.0.2:\(ports[0])"],
                ["split-domain", "partner", "add", "beta.test", "127.0.0.1:\(sink.port)"],
            ]
            for command in commands { #expect(try await server.sluice(command).code == 0) }
            let wire = try await server.smtp(from: "127.0.0.5")
            try await wire.greet()
            #expect(try await wire.deliver(Self.message, to: ["x@beta.test"]).hasPrefix("250"))
            #expect(try await sink.messages(count: 1)[0].recipients == ["x@beta.test"])
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<nobody@beta.test>", "550 5.1.1 No such user here")
            // The answer is passed on before the partner has read the goodbye.
            #expect(await eventually { String(decoding: sink.octets, as: UTF8.self).hasSuffix(">\r\nQUIT\r\n") })
            let asked = String(decoding: sink.octets, as: UTF8.self)
            try await wire.expect("RCPT TO:<nobody@beta.test>", "550 5.1.1 No such user here")
            #expect(String(decoding: sink.octets, as: UTF8.self) == asked, "it is remembered")
            #expect(asked.contains("MAIL FROM:<>\r\nRCPT TO:<x@beta.test>\r\n"))
            await sink.stop()
            try await wire.expect("RCPT TO:<y@beta.test>", "451 4.4.1")
            // Who is known is taken, and waits for the partner.
            try await wire.expect("RCPT TO:<x@beta.test>", "250")
            try await wire.expect("RSET", "250")
            #expect(try await server.sluice("split-domain", "change", "beta.test", "--disable-split").code == 0)
            try await wire.expect("MAIL FROM:<a@out.test>", "250")
            try await wire.expect("RCPT TO:<x@beta.test>", "550 5.1.1")
            let list = try await server.sluice("split-domain", "list").output
            #expect(list.contains("127.0.0.1:\(sink.port)") && list.contains("off"), "\(list)")
        }
    }

    @Test func `two servers that do not know each other's addresses stop at the first return`() async throws {
        let ports = try Ports.free(2)
        let (first, second) = (try await Place(), try await Place())
        for (place, other) in [(first, ports[1]), (second, ports[0])] {
            // By name: nobody is known by an address.
            let ran = try await Programs.run(
                Programs.sluice,
                [
                    "split-domain", "add", "beta.test", "--to", "partner.test:\(other)", "--config",
                    place.folder.path + "/sluice.toml",
                ])
            #expect(ran.code == 0 && ran.errors.contains("warning: nobody says where mail of"), "\(ran)")
        }
        // Both come from one folder, and their marks are each other's secret.
        let secret = ["srs", "rotate", "--keep", "0", "--config", second.folder.path + "/sluice.toml"]
        #expect(try await Programs.run(Programs.sluice, secret).code == 0)
        let names = try await NameServer.start(["partner.test": [.a("127.0.0.1")], "out.test": [.a("127.0.0.1")]])
        func setup(_ name: String, own: Int) -> LiveServer.Setup {
            var setup = LiveServer.Setup()
            setup.hostname = "\(name).acme.test"
            setup.more =
                .outbound(names, port: 25)
                + "[[listener]]\nname = \"exchange\"\nprotocol = \"smtp\"\nbind = [\"127.0.0.1:\(own)\"]\n"
            return setup
        }
        try await Turnstile.servers.pass {
            let one = try await LiveServer.start(setup("one", own: ports[0]), in: first)
            let two = try await LiveServer.start(setup("two", own: ports[1]), in: second)
            let wire = try await one.smtp()
            try await wire.greet()
            let text = "From: anna@acme.test\r\nSubject: round\r\n\r\nbody\r\n"
            #expect(try await wire.deliver(text, from: "anna@acme.test", to: ["ghost@beta.test"]).hasPrefix("250"))
            // The other one has been refused with it, and tells the sender, whom it has too.
            let report = try await Self.report(two, one)
            #expect(report.contains("Status: 5.4.6"), "\(report)")
            #expect(try await one.queueIsEmpty())
            #expect(try await two.queueIsEmpty())
            await one.stop()
            await two.stop()
            try await one.replay()
            try await two.replay()
        }
    }
}

extension SplitDomainServingTests {
    static func report(_ two: LiveServer, _ one: LiveServer) async throws -> String {
        do { return try await two.mail(of: "anna@acme.test", count: 1)[0] } catch {
            Issue.record("one:\n\(one.log.suffix(3000))\ntwo:\n\(two.log.suffix(3000))")
            throw error
        }
    }
}

extension LiveServer {
    /// A connection from another address of this machine.
    func smtp(from source: String) async throws -> Wire { try await Wire.connect(port: ports.smtp, from: source) }
}

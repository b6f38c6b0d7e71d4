import Adapters
import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

/// rspamd and spamd, or who passes for them.
@Suite struct ScannerTests {
    static let json = "{\"score\": 4.5, \"symbols\": {\"BAD\": {\"score\": 4.5, \"description\": \"Bad\"}}}"
    static let rspamd = "HTTP/1.1 200 OK\r\nContent-Length: \(json.utf8.count)\r\n\r\n\(json)"
    static let spamd = "SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.5 / 5.0\r\n\r\n---- ----------------------\n 1.5 BAD  x\n"
    static let message = Message.sample(body: Bytes(Array(repeating: UInt8(ascii: "x"), count: 600_000)))

    static func ask(
        _ scanner: SpamScanner, at servers: [ScannerAddress], by scanners: SpamScanners = SpamScanners(),
        patience: Interval = "10s"
    ) async throws -> SpamReport {
        let transaction = Transaction.sample(recipients: [.local("bob@here.example")])
        let order = SpamScanQuestion.Order(servers: servers, patience: patience, of: transaction)
        return try await scanners.answer(SpamScanQuestion(scanner, message, order: order))
    }

    /// Why there is no report.
    static func failure(
        _ scanner: SpamScanner, at servers: [ScannerAddress], patience: Interval = "10s"
    ) async -> StageFailure? {
        do {
            _ = try await ask(scanner, at: servers, patience: patience)
            return nil
        } catch { return error as? StageFailure }
    }

    @Test func `a message goes there whole, over TCP and a unix socket, and the answer comes back`() async throws {
        let folder = try TemporaryFolder()
        let fakes = [
            try await FakeScanner.start(Self.rspamd), try await FakeScanner.start(Self.spamd, path: folder.path + "/s"),
        ]
        let first = try await Self.ask(.rspamd, at: [.host("127.0.0.1", port: fakes[0].port)])
        #expect(first.score == 4.5 && first.symbols == [Symbol("BAD", points: 4.5, description: "Bad")])
        let second = try await Self.ask(.spamassassin, at: [.path(folder.path + "/s")])
        #expect(
            second
                == SpamReport(
                    score: 1.5, symbols: [Symbol("BAD", points: 1.5, description: "x")], server: "unix:\(folder.path)/s"
                ))
        let whole = String(decoding: Self.message.pieces.flatMap(\.array), as: UTF8.self)
        for fake in fakes {
            #expect(fake.requests.count == 1 && fake.requests[0].hasSuffix("\r\n\r\n" + whole))
            #expect(await eventually { fake.connections == 0 })
            await fake.stop()
        }
        #expect(fakes[0].requests[0].hasPrefix("POST /checkv2 HTTP/1.1\r\nHost: 127.0.0.1:\(fakes[0].port)\r\n"))
        #expect(fakes[0].requests[0].contains("\r\nFrom: <alice@out.example>\r\nRcpt: <bob@here.example>\r\n"))
    }

    @Test func `the next server is asked when one fails, and who has failed is asked last`() async throws {
        let (dead, mute) = (try Ports.free(1)[0], try await FakeScanner.start(""))
        let (odd, good) = (try await FakeScanner.start("220 mx ESMTP\r\n"), try await FakeScanner.start(Self.rspamd))
        let servers = [dead, mute.port, odd.port, good.port].map { ScannerAddress.host("127.0.0.1", port: $0) }
        let scanners = SpamScanners()
        for _ in 1...3 {
            #expect(try await Self.ask(.rspamd, at: servers, by: scanners).server == servers[3].description)
        }
        #expect(odd.requests.count == 1 && good.requests.count == 3)
        for fake in [mute, odd, good] { await fake.stop() }
    }

    @Test func `where nobody answers the failure names each, and no connection stays`() async throws {
        let silent = try await FakeScanner.start(nil)
        let server = ScannerAddress.host("127.0.0.1", port: silent.port)
        let dead = ScannerAddress.host("127.0.0.1", port: try Ports.free(1)[0])
        let failure = await Self.failure(.spamassassin, at: [dead, server], patience: "100ms")
        #expect(failure?.timedOut == true)
        for address in [dead, server] { #expect(failure?.reason.contains("\(address)") == true, "\(failure as Any)") }
        #expect(await eventually { silent.connections == 0 })
        // Who asks may give up earlier.
        let asking = Task { try await Self.ask(.rspamd, at: [server]) }
        #expect(await eventually { silent.connections == 1 })
        asking.cancel()
        await #expect(throws: StageFailure.self) { try await asking.value }
        #expect(await eventually { silent.connections == 0 })
        await silent.stop()
    }

    @Test(
        arguments: [
            "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n[1]",
        ])
    func `what cannot be read is a failure, and nothing else`(_ answer: String) async throws {
        let fake = try await FakeScanner.start(answer)
        #expect(await Self.failure(.rspamd, at: [.host("127.0.0.1", port: fake.port)]) != nil)
        await fake.stop()
    }

    // MARK: The real ones

    static func files(_ folder: TemporaryFolder, _ ports: (rspamd: Int, spamd: Int)) throws {
        try folder.write(
            """
            options {
              pidfile = "\(folder.path)/rspamd.pid"; tempdir = "\(folder.path)"; url_tld = "\(folder.path)/tld.dat";
              filters = "regexp"; local_addrs = "192.0.2.1";
              dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
            }
            logging { type = "console"; level = "error"; }
            worker "normal" { bind_socket = "127.0.0.1:\(ports.rspamd)"; count = 1; }
            lua = "\(folder.path)/rules.lua";
            regexp { }
            actions { reject = 15; add_header = 6; greylist = 4; }
            """, to: "rspamd.conf")
        try folder.write(
            """
            config['regexp'] = { SLUICE_SUBJECT = {
              re = 'Subject=/pills/i{header}', score = 3.5, description = 'The subject names pills',
              group = 'sluice' } }
            """, to: "rules.lua")
        // Its own list of public suffixes takes it half a minute.
        try folder.write("com\norg\ntest\n", to: "tld.dat")
        try folder.write(
            "header SLUICE_SUBJECT Subject =~ /pills/i\nscore SLUICE_SUBJECT 2.5\n"
                + "describe SLUICE_SUBJECT The subject names pills\nutil_rb_tld com org test\n",
            to: "rules/10_sluice.cf")
        try folder.write("loadplugin Mail::SpamAssassin::Plugin::Check\n", to: "site/init.pre")
        try folder.write(
            "report _SUMMARY_\nuse_bayes 0\nskip_rbl_checks 1\ndns_available no\n", to: "site/local.cf")
        // It gives up root's rights before it reads them.
        for name in ["", "/rules", "/site"] {
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o755], ofItemAtPath: folder.path + name)
        }
    }

    /// Unpacked beside the system, for it cannot be installed where Sluice is built; once for all tests.
    static func rspamd() async throws -> String { try await unpacked.value }

    private static let unpacked = Task {
        let ran = try await Programs.run(Programs.root + "/scripts/rspamd", [])
        guard ran.code == 0 else { throw MissingPeer(name: "rspamd (scripts/rspamd: \(ran.errors))") }
        return ran.output.trimmingCharacters(in: .newlines)
    }

    /// Both daemons with one rule each, which need no network.
    static func withDaemons<Result>(_ body: ((rspamd: Int, spamd: Int)) async throws -> Result) async throws -> Result {
        let folder = try TemporaryFolder()
        let free = try Ports.free(2)
        let ports = (rspamd: free[0], spamd: free[1])
        try files(folder, ports)
        let places = [try TemporaryFolder(), try TemporaryFolder()]
        // It will not have root's rights unless told so.
        let first = try Child(
            await rspamd(), ["-f", "-i", "-c", folder.path + "/rspamd.conf"],
            environment: ["DBDIR": folder.path, "RUNDIR": folder.path], place: places[0].path)
        defer { first.kill() }
        let second = try Child(
            "spamd",
            [
                "--local", "--nouser-config", "--configpath=\(folder.path)/rules",
                "--siteconfigpath=\(folder.path)/site", "--max-children=1",
                "--listen=127.0.0.1:\(ports.spamd)", "--syslog=stderr", "--pidfile=\(folder.path)/spamd.pid",
            ], environment: ["HOME": folder.path], place: places[1].path)
        defer { second.kill() }
        for (port, place) in [(ports.rspamd, places[0]), (ports.spamd, places[1])] {
            let isThere = await eventually(within: .seconds(60)) { (try? await Wire.connect(port: port)) != nil }
            guard isThere else { throw Timeout("no scanner: \((try? place.text("err")) ?? "")") }
        }
        // It listens before it has read its rules.
        let isReady = await eventually(within: .seconds(60)) {
            (try? places[1].text("err"))?.contains("server started") == true || second.hasEnded
        }
        guard isReady, !second.hasEnded else { throw Timeout("no spamd: \((try? places[1].text("err")) ?? "")") }
        let result = try await body(ports)
        await first.stop()
        await second.stop()
        return result
    }

    @Test func `the real rspamd and SpamAssassin add their points`() async throws {
        let message =
            "From: a@out.test\r\nTo: anna@acme.test\r\nSubject: Pills\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
            + "Message-ID: <1@out.test>\r\n\r\nHello.\r\n"
        let trace = try await Self.withDaemons { ports in
            var setup = LiveServer.Setup()
            for (name, file, port) in [("rspamd", "46", ports.rspamd), ("spamassassin", "47", ports.spamd)] {
                setup.filters["\(file)-\(name).toml"] =
                    "stage = \"\(name)\"\non_failure = \"continue\"\n[\(name)]\nservers = [\"127.0.0.1:\(port)\"]\n"
            }
            return try await LiveServer.run(setup) { server in
                let wire = try await server.smtp()
                try await wire.greet()
                let reply = try await wire.deliver(message)
                #expect(reply.hasPrefix("250"), "\(reply)")
                let id = String(reply.suffix(16))
                #expect(await eventually { (try? await server.sluice("trace", id).code) == 0 })
                return try await server.sluice("trace", id, "--full").output
            }
        }
        #expect(trace.contains("RSPAMD_SLUICE_SUBJECT") && trace.contains("3.5"), "\(trace)")
        #expect(trace.contains("SPAMASSASSIN_SLUICE_SUBJECT") && trace.contains("3.0"), "\(trace)")
        #expect(trace.contains("The subject names pills"), "\(trace)")
    }
}

import Foundation
import SluiceTesting
import Testing

/// Starting, reloading, stopping.
@Suite struct ServingTests {
    static let message = "From: a@out.test\r\nSubject: x\r\n\r\nbody\r\n"

    @Test func `R148: a second server on the same data is refused, and a dead one's lock is not in the way`()
        async throws
    {
        try await LiveServer.run { server in
            let second = try await server.sluice("serve")
            #expect(second.code == 75)
            #expect(second.errors.contains("in use by process \(server.child.pid)"))
            #expect(try await server.sluice("status").code == 0, "the first goes on")
            server.child.kill()
            _ = await server.child.end()
            let third = try Child(
                Programs.sluice, ["serve", "--config", server.configuration], place: server.folder.path)
            #expect(await eventually { server.log.contains("msg=serving") })
            #expect(await third.stop() == 0)
        }
    }

    @Test func `R168: a broken configuration is refused as a whole, a hundred times`() async throws {
        try await LiveServer.run { server in
            var random = SeededRandom(168)
            let files = try server.filterFiles()
            var broken = 0
            while broken < 85 {
                let file = try #require(files.randomElement(using: &random))
                let text = try server.folder.text(file)
                try server.folder.write(text.mutated(using: &random), to: file)
                let reload = try await server.sluice("reload")
                try server.folder.write(text, to: file)
                if reload.code == 1 {
                    broken += 1
                    #expect(reload.errors.contains("/\(file):"), "\(reload)")
                } else {
                    // The change was a sound one; back.
                    #expect(try await server.sluice("reload").code == 0)
                }
            }
            // Of what is not the chain; in some of these files the command itself could not find the server's folder.
            let text = try server.folder.text("sluice.toml")
            while broken < 100 {
                try server.folder.write(text.mutated(using: &random), to: "sluice.toml")
                guard try await server.sluice("check").code == 1 else { continue }
                broken += 1
                let count = server.refusals
                server.child.send(signal: SIGHUP)
                #expect(await eventually { server.refusals > count })
            }
            try server.folder.write(text, to: "sluice.toml")
            let last = try await server.sluice("reload")
            #expect(last.code == 0)
            #expect(last.output == "Reloaded \(server.configuration); chain and listeners are as they were.\n")
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
        }
    }

    @Test func `a reload prints the difference, and SIGHUP does the same`() async throws {
        try await LiveServer.run { server in
            let old = try server.folder.text("filters.d/32-received.toml")
            let new = old.replacingOccurrences(of: "# max_hops     = 100", with: "max_hops = 42")
            try server.folder.write(new, to: "filters.d/32-received.toml")
            let reload = try await server.sluice("reload")
            #expect(reload.code == 0, "\(reload)")
            let lines = reload.output.split(separator: "\n")
            #expect(lines.contains { $0.hasPrefix("-") && $0.contains("max_hops = 100") })
            #expect(lines.contains { $0.hasPrefix("+") && $0.contains("max_hops = 42") })
            try server.folder.write(old, to: "filters.d/32-received.toml")
            server.child.send(signal: SIGHUP)
            #expect(await eventually { server.log.components(separatedBy: "msg=reloaded").count == 3 })
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
        }
    }

    @Test func `a broken sluice.toml is told as check tells it, and the server is as it was`() async throws {
        try await LiveServer.run { server in
            let good = try server.folder.text("sluice.toml")
            try server.folder.write("hostnam = \"x\"\n" + good + "[queue]\nretry_first = 3\n", to: "sluice.toml")
            let check = try await server.sluice("check")
            let reload = try await server.sluice("reload")
            #expect(check.code == 1 && reload.code == 1)
            #expect(check.errors.contains("sluice.toml:1:1: error: unknown key `hostnam`; did you mean `hostname`?"))
            #expect(reload.errors.hasPrefix(check.errors), "\(reload)")
            #expect(reload.errors.contains("the server goes on with the old configuration"))
            #expect(await eventually { server.refusals == 1 }, "it was the server that answered")
            #expect(try await server.sluice("status").code == 0, "it is found all the same")
            #expect(try await server.sluice("queue", "list").code == 0)
            // What cannot be read at all says nothing of where the server is.
            try server.folder.write("data = \n", to: "sluice.toml")
            let unreadable = try await server.sluice("reload")
            #expect(unreadable.code == 1 && unreadable.errors.contains("sluice.toml:1:"), "\(unreadable)")
            #expect(unreadable.errors.contains("Not reloaded; a server that runs goes on with the old configuration."))
            try server.folder.write("", to: "sluice.toml")
            let empty = try await server.sluice("reload")
            #expect(empty.code == 1 && empty.errors.contains("Not reloaded; a server that runs goes on"), "\(empty)")
            #expect(server.refusals == 1)
            let moved = good.replacing("data     = \"data\"", with: "data     = \"data2\"")
            try server.folder.write(moved, to: "sluice.toml")
            let elsewhere = try await server.sluice("reload")
            let told = "No server is running on \(server.data)2. If `data` was changed, that needs a restart."
            #expect(elsewhere.code == 75 && elsewhere.errors.contains(told), "\(elsewhere)")
            try server.folder.write(good, to: "sluice.toml")
        }
    }

    @Test func `the server's own file counts, whichever the command was given`() async throws {
        try await LiveServer.run { server in
            let good = try server.folder.text("sluice.toml")
            try server.folder.write(good + "[memory]\ncapacity = 5000\n", to: "other.toml")
            let reload = try await Programs.run(
                Programs.sluice, ["reload", "--config", server.folder.path + "/other.toml"])
            #expect(reload.code == 0)
            #expect(reload.output.hasPrefix("Reloaded \(server.configuration);"), "\(reload)")
            #expect(reload.errors.contains("not on \(server.folder.path)/other.toml."))
            let status = try await server.sluice("status")
            #expect(status.output.contains("configuration  \(server.configuration)"))
        }
    }

    @Test func `what a restart must bring is told until it is undone, and nothing of it holds before`() async throws {
        let port = try Ports.free(1)[0]
        var setup = LiveServer.Setup()
        setup.more = "[metrics]\nbind = [\"127.0.0.1:\(port)\"]"
        try await LiveServer.run(setup) { server in
            let good = try server.folder.text("sluice.toml")
            let changed = good.replacingOccurrences(of: "mx.acme.test", with: "mail.acme.test")
            try server.folder.write(changed + "[memory]\ncapacity = 5000\n", to: "sluice.toml")
            let told = "hostname, [memory] changed: that needs a restart"
            for _ in 0..<2 {
                let reload = try await server.sluice("reload")
                #expect(reload.code == 0 && reload.errors.contains(told), "\(reload)")
            }
            let status = try await server.sluice("status")
            #expect(status.code == 1 && status.output.contains(told), "\(status)")
            #expect(status.output.contains("mx.acme.test") && !status.output.contains("mail.acme.test"))
            let asking = try await Wire.connect(port: port)
            asking.push(Array("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            let health = try await asking.end()
            #expect(health.hasPrefix("HTTP/1.1 200 ") && health.contains("degraded") && health.contains(told))
            let wire = try await server.smtp()
            #expect(try await wire.reply().hasPrefix("220 mx.acme.test "))
            #expect(try await wire.say("EHLO client.test").hasPrefix("250-mx.acme.test"))
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
            let mail = try await server.mail(of: "anna@acme.test", count: 1)
            #expect(mail[0].contains("by mx.acme.test") && !mail[0].contains("mail.acme.test"))
            try server.folder.write(good, to: "sluice.toml")
            #expect(try await !server.sluice("reload").errors.contains("restart"))
            #expect(try await server.sluice("status").code == 0)
        }
    }

    @Test func `the id of a refusal before MAIL leads to its trace`() async throws {
        var setup = LiveServer.Setup()
        setup.smtp = "greet_delay = \"1s\""
        try await LiveServer.run(setup) { server in
            let wire = try await server.smtp()
            wire.push(Array("EHLO early.test\r\n".utf8))
            let reply = try await wire.reply()
            #expect(reply.hasPrefix("554 5.5.0"))
            let id = try #require(reply.firstMatch(of: /\[(\w{16})\]$/)).1
            var trace = try await server.sluice("trace", String(id))
            for _ in 0..<100 where trace.code != 0 {
                try await Task.sleep(for: .milliseconds(100))
                trace = try await server.sluice("trace", String(id))
            }
            #expect(trace.output.contains("rejected") && trace.output.contains("554 5.5.0"), "\(trace)")
            let other = try await server.sluice("trace", "06gzrsa5b6sge00w")
            #expect(other.code == 1 && other.errors.contains("look for the id in the log"), "\(other)")
        }
    }

    @Test func `a reload says which sockets have come and gone`() async throws {
        try await LiveServer.run { server in
            let good = try server.folder.text("sluice.toml")
            let port = try Ports.free(1)[0]
            let more = "[[listener]]\nprotocol = \"lmtp\"\nname = \"inner\"\nbind = [\"127.0.0.1:\(port)\"]\n"
            try server.folder.write(good + more, to: "sluice.toml")
            let opened = try await server.sluice("reload")
            #expect(opened.output.contains("\n+ listener inner: 127.0.0.1:\(port)\n"), "\(opened)")
            try server.folder.write(good + more + "max_errors = 3\n", to: "sluice.toml")
            let changed = try await server.sluice("reload")
            #expect(changed.output.contains("\n~ listener inner: 127.0.0.1:\(port), for new connections\n"))
            try server.folder.write(good + "[memory]\ncapacity = 5000\n", to: "sluice.toml")
            let closed = try await server.sluice("reload")
            #expect(closed.output.contains("\n- listener inner: 127.0.0.1:\(port)\n"))
            #expect(closed.errors.contains("sluice.toml: warning: [memory] changed: that needs a restart"))
        }
    }

    @Test func `commands are taken again when descriptors have run out`() async throws {
        try await LiveServer.run { server in
            func limit(_ count: Int) async throws {
                let ran = try await Programs.run("prlimit", ["--pid", "\(server.child.pid)", "--nofile=\(count):"])
                #expect(ran.code == 0, "\(ran)")
            }
            // Nothing new can be opened any more.
            try await limit(3)
            async let status = server.sluice("status")
            let isSeen = await eventually { server.log.contains("commands cannot be taken") }
            try await limit(512)
            #expect(isSeen)
            let answered = try await status
            #expect(answered.code == 0, "\(answered)")
            #expect(try await server.sluice("reload").code == 0)
        }
    }

    @Test func `reloads at the same time take turns`() async throws {
        try await LiveServer.run { server in
            let usual = try server.folder.text("sluice.toml")
            let port = try Ports.free(1)[0]
            let more = "[[listener]]\nprotocol = \"lmtp\"\nname = \"inner\"\nbind = [\"127.0.0.1:\(port)\"]\n"
            try server.folder.write(usual + more, to: "sluice.toml")
            // A signal is not answered by the thread that answers commands.
            for _ in 0..<5 {
                kill(server.child.pid, SIGHUP)
                #expect(try await server.sluice("reload").code == 0)
            }
            #expect(!server.log.contains("not reloaded"))
            try server.folder.write(usual, to: "sluice.toml")
            #expect(try await server.sluice("reload").code == 0)
            #expect(await eventually { (try? await Wire.connect(port: port)) == nil })
        }
    }

    @Test func `a reload brings the first certificate, and one for a single listener`() async throws {
        try await LiveServer.run { server in
            let usual = try server.folder.text("sluice.toml")
            // As before anybody had thought of certificates.
            let parts = usual.components(separatedBy: "[tls]\n").flatMap { $0.components(separatedBy: "\n\n") }
            let listeners = parts.filter { $0.contains("protocol = \"lmtp\"") }.joined(separator: "\n\n")
            let plain = "hostname = \"mx.acme.test\"\ndata = \"data\"\n\n\(listeners)\n"
            let folder = server.folder.path
            try FileManager.default.createDirectory(atPath: folder + "/own", withIntermediateDirectories: true)
            try await Place.certificate("own.acme.test", at: folder + "/own")
            await server.stop()
            try server.folder.write(plain, to: "sluice.toml")
            let second = try Child(Programs.sluice, ["serve", "--config", server.configuration], place: folder)
            #expect(await eventually { (try? await server.sluice("status").code) == 0 })
            let own = "certificate = \"own/cert.pem\"\nkey = \"own/key.pem\"\n"
            let encrypted = usual.replacing("name     = \"submissions\"\n", with: "name     = \"submissions\"\n\(own)")
            try server.folder.write(encrypted, to: "sluice.toml")
            let reload = try await server.sluice("reload")
            #expect(reload.code == 0, "\(reload)")
            for (port, name) in [(server.ports.submissions, "own.acme.test"), (server.ports.smtp, "mx.acme.test")] {
                let start = port == server.ports.smtp ? ["-starttls", "smtp"] : []
                let shown = try await Programs.run(
                    "openssl", ["s_client", "-connect", "127.0.0.1:\(port)"] + start, input: Array("QUIT\r\n".utf8))
                #expect(shown.output.contains("CN = \(name)") || shown.output.contains("CN=\(name)"), "\(shown)")
            }
            #expect(await second.stop() == 0)
        }
    }

    @Test func `R169: a transaction under way ends on the chain it began with, and sockets stay open`() async throws {
        var setup = LiveServer.Setup()
        // On the last chain, who was refused on the one between would not be.
        setup.isReplayed = false
        try await LiveServer.run(setup) { server in
            var wires: [Wire] = []
            for _ in 0..<20 {
                let wire = try await server.smtp()
                try await wire.greet()
                try await wire.expect("MAIL FROM:<a@out.test>", "250")
                wires.append(wire)
            }
            // From now on nobody knows anna.
            let strict = "stage = \"access\"\n[access]\ndeny = [\"127.0.0.0/8\"]\n"
            let usual = try server.folder.text("filters.d/10-access.toml")
            try server.folder.write(strict, to: "filters.d/10-access.toml")
            #expect(try await server.sluice("reload").code == 0)
            for wire in wires {
                try await wire.expect("RCPT TO:<anna@acme.test>", "250")
                try await wire.expect("DATA", "354")
                #expect(try await wire.say(Self.message + ".").hasPrefix("250"))
            }
            let refused = try await server.smtp()
            #expect(try await refused.reply().hasPrefix("5"))
            #expect(
                try await eventually {
                    try await server.sluice("trace", "--outcome", "rejected").output.contains("  rejected  -  ")
                }, "it has named no sender, not the null one")
            try server.folder.write(usual, to: "filters.d/10-access.toml")
            #expect(try await server.sluice("reload").code == 0)
            // Traces are written behind the replies.
            #expect(
                try await eventually {
                    let replayed = try await server.sluice("replay", "--to", "anna@acme.test", "--since", "1h")
                    return replayed.output.contains("Judged 20 again: 0 found otherwise")
                })
        }
    }

    @Test func `R169: a stop finishes what is under way, says 421 to the idle, and exits 0`() async throws {
        try await LiveServer.run { server in
            let idle = try await server.smtp()
            try await idle.greet()
            let busy = try await server.smtp()
            try await busy.greet()
            try await busy.expect("MAIL FROM:<a@out.test>", "250")
            try await busy.expect("RCPT TO:<anna@acme.test>", "250")
            try await busy.expect("DATA", "354")
            try await busy.send("From: a@out.test\r\n")
            server.child.send(signal: SIGTERM)
            #expect(try await idle.reply().hasPrefix("421"))
            try await idle.end()
            #expect(await eventually { (try? await server.smtp()) == nil }, "nobody new is let in")
            #expect(!server.child.hasEnded)
            try await busy.send("\r\nbody\r\n.\r\n")
            #expect(try await busy.reply().hasPrefix("250 2.0.0 Taken"))
            #expect(await server.child.end() == 0)
            let queued = try await server.queue().count
            #expect(server.mail(of: "anna@acme.test").count + queued == 1)
        }
    }
}

extension LiveServer {
    /// How many reloads were refused.
    fileprivate var refusals: Int { log.components(separatedBy: "msg=\"not reloaded\"").count - 1 }

    fileprivate func filterFiles() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path + "/filters.d").sorted().map {
            "filters.d/\($0)"
        }
    }
}

extension String {
    /// One seeded fault: a letter lost, doubled or changed, a line lost, a bracket too many.
    fileprivate func mutated(using random: inout SeededRandom) -> String {
        var lines = split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let code = lines.indices.filter { !lines[$0].hasPrefix("#") && !lines[$0].isEmpty }
        guard let place = code.randomElement(using: &random) else { return self + "]" }
        var letters = Array(lines[place])
        let letter = Int.random(in: 0..<letters.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: letters.remove(at: letter)
        case 1: letters.insert(letters[letter], at: letter)
        case 2: letters[letter] = "q"
        case 3: letters.append("]")
        default: letters = Array("unknown_key = 1") + letters
        }
        lines[place] = String(letters)
        return lines.joined(separator: "\n")
    }
}

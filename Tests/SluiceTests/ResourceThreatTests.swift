import Foundation
import Testing

/// Scarcity: of time, descriptors, memory, disk; and clocks that are wrong.
@Suite struct ResourceThreatTests {
    static let message = "From: a@out.test\r\nSubject: x\r\n\r\nbody\r\n"

    @Test func `R123: three hundred slow clients do not keep a good one waiting`() async throws {
        var setup = LiveServer.Setup()
        setup.smtp = "max_connections_per_address = 500\ncommand_timeout = \"4s\""
        setup.more = "[limits]\nmax_connections_per_address = 1000"
        try await LiveServer.run(setup) { server in
            var slow: [Wire] = []
            for _ in 0..<300 { slow.append(try await server.smtp()) }
            for letter in "EHLO" {
                for wire in slow { wire.push([letter.asciiValue ?? 0]) }
                let good = try await server.smtp()
                // Alone on the machine it is a second; the tests beside this one are granted four more.
                #expect(try await good.reply(within: .seconds(5)).hasPrefix("220"))
                await good.close()
            }
            let good = try await server.smtp()
            try await good.greet()
            #expect(try await good.deliver(Self.message).hasPrefix("250"))
            // A letter now and then is not a command: the time of the whole one counts.
            #expect(
                await eventually {
                    for wire in slow { wire.push([0x78]) }
                    try? await Task.sleep(for: .milliseconds(500))
                    return slow.allSatisfy(\.isClosed)
                })
            #expect(slow.contains { $0.unread.contains("\r\n421 ") })
        }
    }

    @Test func `R124: who does not read replies is let go`() async throws {
        var setup = LiveServer.Setup()
        setup.smtp = "write_timeout = \"1s\"\nmax_junk_commands = 100000"
        try await LiveServer.run(setup) { server in
            let wire = try await Wire.connect(port: server.ports.smtp, reads: false)
            let burst = Array(String(repeating: "HELP\r\n", count: 2000).utf8)
            wire.push(Array("EHLO deaf.test\r\n".utf8))
            for _ in 0..<200 { wire.push(burst) }
            #expect(
                try await eventually {
                    let status = try await server.sluice("status", "--json").json() as? [String: Any]
                    return status?["connections"] as? Int == 0
                })
            #expect(server.peakMemory < 400 << 10, "\(server.peakMemory) KiB")
            let good = try await server.smtp()
            try await good.greet()
            #expect(try await good.deliver(Self.message).hasPrefix("250"))
        }
    }

    @Test func `R126: with few descriptors, clients wait or are refused, and mail goes on`() async throws {
        var setup = LiveServer.Setup()
        setup.launcher = [try Programs.path(of: "prlimit"), "--nofile=256:256"]
        setup.smtp = "max_connections_per_address = 1000"
        setup.more = "[limits]\nmax_connections_per_address = 1000"
        try await LiveServer.run(setup) { server in
            #expect(server.log.contains("msg=\"fewer connections than configured\""))
            #expect(server.log.contains("configured=20000 connections=128"))
            let first = try await server.smtp()
            try await first.greet()
            var crowd: [Wire] = []
            for _ in 0..<300 { if let wire = try? await server.smtp() { crowd.append(wire) } }
            #expect(crowd.count > 200)
            // What is under way is finished in spite of the crowd.
            #expect(try await first.deliver(Self.message).hasPrefix("250"))
            #expect(server.openFiles <= 256)
            for wire in crowd + [first] { await wire.close() }
            #expect(
                await eventually {
                    guard let wire = try? await server.smtp(), let greeting = try? await wire.greet() else {
                        return false
                    }
                    guard greeting.hasPrefix("250") else { return false }
                    return (try? await wire.deliver(Self.message).hasPrefix("250")) == true
                })
            _ = try await server.mail(of: "anna@acme.test", count: 2)
        }
    }

    @Test(arguments: [false, true])
    func `R126: without a descriptor a listener tries five times a second, and says so once`(
        _ isStatus: Bool
    ) async throws {
        let port = try Ports.free(1)[0]
        var setup = LiveServer.Setup()
        setup.more = "[metrics]\nbind = [\"127.0.0.1:\(port)\"]"
        try await LiveServer.run(setup) { server in
            let limits = try String(contentsOfFile: "/proc/\(server.child.pid)/limits", encoding: .utf8)
            let usual = try #require(limits.firstMatch(of: /Max open files +(\d+)/))
            let few = try #require((0..<1 << 20).first { !server.hasOpen($0) })
            try await server.limitFiles(to: "\(few)")
            let began = ContinuousClock.now
            // What was free still is gone with the first.
            var waiting: [Wire] = []
            while !server.log.contains("cannot be accepted"), waiting.count < 20 {
                waiting.append(try await Wire.connect(port: isStatus ? port : server.ports.smtp))
                _ = await eventually(within: .seconds(2)) { server.log.contains("cannot be accepted") }
            }
            try await Task.sleep(for: .seconds(1))
            try await server.limitFiles(to: String(usual.1))
            let wire = try await server.smtp()
            try await wire.greet()
            let seconds = Double((ContinuousClock.now - began).components.seconds + 1)
            let asking = try await Wire.connect(port: port)
            asking.push(Array("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            let metrics = try await asking.end()
            let name = isStatus ? "metrics" : "smtp"
            let start = "sluice_accept_failures_total{listener=\"\(name)\"} "
            let line = try #require(metrics.split(separator: "\n").first { $0.hasPrefix(start) })
            let failures = try #require(Int(line.dropFirst(start.count)))
            #expect(failures > 0 && Double(failures) <= seconds * 5 + 2, "\(failures) in \(seconds) s")
            #expect(server.log.components(separatedBy: "cannot be accepted").count == 2)
            #expect(server.log.contains(/cannot be accepted.*advice="raise LimitNOFILE.*listener=\w+/))
            for wire in waiting { await wire.close() }
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
        }
    }

    @Test func `R126: a low soft limit is raised to the hard one`() async throws {
        var setup = LiveServer.Setup()
        setup.launcher = [try Programs.path(of: "prlimit"), "--nofile=256:8192"]
        setup.more = "[limits]\nmax_connections = 5000"
        try await LiveServer.run(setup) { server in
            let limits = try String(contentsOfFile: "/proc/\(server.child.pid)/limits", encoding: .utf8)
            #expect(limits.contains(/Max open files +8192 +8192/))
            #expect(!server.log.contains("fewer connections than configured"))
            #expect(try await server.sluice("status").output.contains("of at most 5000"))
        }
    }

    @Test func `R127: fifty large messages at once lie on disk, not in memory`() async throws {
        var setup = LiveServer.Setup()
        setup.isReplayed = false
        setup.keepsMessages = false
        setup.smtp = "max_connections_per_address = 100"
        setup.filters["30-header.toml"] = ""
        try await LiveServer.run(setup) { server in
            let line = Array((String(repeating: "0123456789", count: 7) + "\r\n").utf8)
            let piece = Array(repeatElement(line, count: 20 << 20 / line.count / 100).joined())
            // Files that are mapped are not counted: the system takes their pages back when it wants to.
            let peak = Task {
                var most = 0
                while !Task.isCancelled {
                    most = max(most, server.ownMemory)
                    try? await Task.sleep(for: .milliseconds(20))
                }
                return most
            }
            try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        let wire = try await server.smtp()
                        try await wire.greet()
                        try await wire.expect("MAIL FROM:<a@out.test>", "250")
                        try await wire.expect("RCPT TO:<anna@acme.test>", "250")
                        try await wire.expect("DATA", "354")
                        try await wire.send(Self.message)
                        for _ in 0..<100 { try await wire.send(piece) }
                        try await wire.send(".\r\n")
                        return try await wire.reply(within: .seconds(120))
                    }
                }
                for try await reply in group { #expect(reply.hasPrefix("250") || reply.hasPrefix("45"), "\(reply)") }
            }
            peak.cancel()
            let most = await peak.value
            #expect(most < 256 << 10, "\(most) KiB; with mapped files \(server.peakMemory) KiB")
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
        }
    }

    @Test func `R133: messages broken off leave no file behind`() async throws {
        try await LiveServer.run { server in
            let piece = [UInt8](repeating: 0x78, count: 1 << 20)
            for _ in 0..<20 {
                let wire = try await server.smtp()
                try await wire.greet()
                try await wire.expect("MAIL FROM:<a@out.test>", "250")
                try await wire.expect("RCPT TO:<anna@acme.test>", "250")
                try await wire.expect("DATA", "354")
                try await wire.send(piece)
                await wire.close()
            }
            #expect(
                await eventually {
                    let files = try? FileManager.default.contentsOfDirectory(atPath: server.data + "/tmp")
                    return files?.isEmpty == true
                })
            #expect(try await server.queue().isEmpty)
        }
    }

    /// Mounting needs root; where that is missing the tests that need it say so.
    static func mounting(_ commands: String) throws -> [String] {
        guard getuid() == 0 else { throw MissingPeer(name: "root (for a file system of its own)") }
        let script = "\(commands); exec \"$@\""
        return [try Programs.path(of: "unshare"), "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]
    }

    @Test func `R134: a disk that is nearly full takes no mail, and takes it again when there is room`() async throws {
        let place = try await Place()
        let data = place.folder.path + "/data"
        var setup = LiveServer.Setup()
        setup.launcher = try Self.mounting(
            "cp -a \(data) \(data).old; mount -t tmpfs -o size=40m tmpfs \(data); cp -a \(data).old/. \(data)")
        setup.more = "[queue]\nreserve = \"16MB\"\nsegment_size = \"1MB\""
        setup.isReplayed = false
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(setup, in: place)
            let inside = "/proc/\(server.child.pid)/root\(data)"
            let wire = try await server.smtp()
            try await wire.greet()
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
            let ballast = inside + "/ballast"
            #expect(FileManager.default.createFile(atPath: ballast, contents: Data(count: 26 << 20)))
            #expect(
                await eventually {
                    let reply = try? await wire.say("MAIL FROM:<a@out.test>")
                    _ = try? await wire.say("RSET")
                    return reply?.hasPrefix("452 4.3.1") == true
                })
            try FileManager.default.removeItem(atPath: ballast)
            #expect(await eventually { (try? await wire.say("MAIL FROM:<a@out.test>"))?.hasPrefix("250") == true })
            try await wire.expect("RSET", "250")
            #expect(try await wire.deliver(Self.message).hasPrefix("250"))
            #expect(await server.stop() == 0)
        }
    }
}

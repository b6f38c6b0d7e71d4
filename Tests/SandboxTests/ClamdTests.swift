import Foundation
import MailTypes
import Pipeline
import Synchronization
import Testing

@testable import Adapters

/// clamd, a real one and some that lie.
@Suite(.serialized) struct ClamdTests {
    static func client(_ servers: [ClamdServer], timeout: Interval = "20s") -> ClamdClient {
        var options = ClamdClient.Options()
        options.servers = servers
        options.timeout = timeout
        let client = ClamdClient(options)
        client.use(options)
        return client
    }

    static func found(_ client: ClamdClient, _ message: Message) async -> Result<[String], StageFailure> {
        do throws(StageFailure) { return .success(try await client.scan(message).findings) } catch {
            return .failure(error)
        }
    }

    static let virus = ["Eicar-Test-Signature.UNOFFICIAL"]

    // MARK: A real one

    /// A clamd of our own with a socket file and a port, until this goes.
    final class RealClamd {
        let folder: String
        let port: Int
        private let process = Process()

        init(_ databases: String) throws {
            folder = NSTemporaryDirectory() + "/clamd-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            port = try FakeClamd.freePort()
            let lines = [
                "DatabaseDirectory \(databases)", "LocalSocket \(folder)/s", "TCPSocket \(port)", "TCPAddr 127.0.0.1",
                "TemporaryDirectory \(folder)", "Foreground yes", "StreamMaxLength 4M", "AlertExceedsMax yes",
                "MaxThreads 4", "LogFile \(folder)/log",
            ]
            let file = folder + "/clamd.conf"
            try lines.joined(separator: "\n").appending("\n").write(toFile: file, atomically: true, encoding: .utf8)
            process.executableURL = URL(fileURLWithPath: "/usr/sbin/clamd")
            process.arguments = ["--config-file=\(file)", "--foreground"]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
        }

        var servers: [ClamdServer] { [.unix(path: folder + "/s"), .tcp("127.0.0.1", port: port)] }

        deinit {
            process.terminate()
            process.waitUntilExit()
            try? FileManager.default.removeItem(atPath: folder)
        }
    }

    @Test func `clamd finds a virus wherever it lies, over a socket file and over TCP`() async throws {
        let clamd = try RealClamd(VirusSamples.databases())
        for server in clamd.servers {
            let client = Self.client([server])
            defer { client.stop() }
            let isThere = await eventuallyTrue {
                await client.look(); return client.servers[0].failure == nil
            }
            #expect(isThere, "\(client.servers)")
            for (name, message) in try VirusSamples.bad() {
                let names = try await Self.found(client, message).get()
                #expect(names.contains(Self.virus[0]), "\(name): \(names)")
            }
            let good = try VirusSamples.attached(VirusSamples.zip(Array("Nothing of interest.".utf8)))
            #expect(await Self.found(client, good) == .success([]))
            #expect(try await client.scan(good).scanner.hasPrefix("clamd 1."))
            // What it does not take was not scanned, and is not called clean.
            let large = try VirusSamples.message([UInt8](repeating: 0x41, count: 5 << 20))
            #expect(await Self.found(client, large) == .success(["Heuristics.Limits.Exceeded.StreamMaxLength"]))
        }
    }

    @Test func `parts beyond the limits are told of, and none is called clean unseen`() async throws {
        let clamd = try FakeClamd(.honest)
        func found(_ parts: Int, most: Int = 3, octets: Int = 10_000) async throws -> [String] {
            var options = ClamdClient.Options()
            (options.servers, options.maxParts, options.maxPartSize) = ([clamd.server], most, ByteCount(octets))
            let client = ClamdClient(options)
            client.use(options)
            defer { client.stop() }
            let part = VirusSamples.part([UInt8](repeating: 0x41, count: 500))
            let lines = (0..<parts).flatMap { _ in ["--parts"] + part }
            let message = try VirusSamples.message(
                lines + ["--parts--"],
                fields: ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=parts"])
            return try await Self.found(client, message).get()
        }
        let limits = "Heuristics.Limits.Exceeded.MaxFiles"
        #expect(try await found(3) == ["Fake.Virus"])
        #expect(try await found(4) == ["Fake.Virus", limits])
        #expect(try await found(2, octets: 1000) == ["Fake.Virus"])
        #expect(try await found(2, octets: 999) == ["Fake.Virus", limits])
        #expect(try await found(3, octets: 1000) == ["Fake.Virus", limits])
    }

    // MARK: Others

    /// What a server says instead of the truth; `nil`: nobody listens.
    static let lies: [(String, FakeClamd.Behaviour?)] = [
        ("nobody listens", nil), ("it hangs up at once", .hangUp), ("it says nothing", .silent),
        ("half a reply", .says("2: stream: O", thenHangsUp: true)), ("half a reply for ever", .says("2: stream: O")),
        ("OK for another stream", .says("7: stream: OK\0")), ("two replies", .says("2: stream: OK\02: stream: OK\0")),
        ("a reply without end", .floods), ("nonsense", .says("\u{1}\u{2}\u{3}\0")),
        ("a find without a name", .says("2: stream:  FOUND\0")), ("it cannot", .says("2: stream: no memory ERROR\0")),
        ("it hangs up over the message", .reads(octets: 10)), ("it is no clamd", .greets("220 mx ESMTP\r\n")),
    ]

    @Test(arguments: lies.indices)
    func `R49: a scanner that lies or dies is put aside, and the next one is asked`(_ place: Int) async throws {
        let (name, behaviour) = Self.lies[place]
        let liar = try FakeClamd(behaviour)
        let good = try FakeClamd(.honest)
        let client = Self.client([liar.server, good.server], timeout: "4s")
        defer { client.stop() }
        // More than a socket holds.
        let message = try VirusSamples.message(Array(repeating: 0x41, count: 400_000))
        #expect(await Self.found(client, message) == .success(["Fake.Virus"]), "\(name)")
        #expect(client.servers.map { $0.failure == nil } == [false, true], "\(name): \(client.servers)")
        // It is not asked again for each message.
        let before = liar.sessions
        #expect(await Self.found(client, message) == .success(["Fake.Virus"]))
        #expect(liar.sessions == before)
        let alone = Self.client([liar.server], timeout: "4s")
        defer { alone.stop() }
        guard case .failure(let failure) = await Self.found(alone, message) else {
            Issue.record("\(name): it was believed")
            return
        }
        #expect(failure.reason.hasPrefix("no clamd has answered: \(liar.server): "), "\(failure)")
    }

    @Test func `a server that comes back is asked again`() async throws {
        let folder = NSTemporaryDirectory() + "/clamd-\(UUID().uuidString).s"
        let told = Mutex<[String?]>([])
        let client = ClamdClient { _, failure in told.withLock { $0.append(failure) } }
        var options = ClamdClient.Options()
        options.servers = [.unix(path: folder)]
        client.use(options)
        defer { client.stop() }
        await client.look()
        await client.look()
        #expect(client.servers[0].failure?.contains("No such file") == true)
        let server = try FakeClamd(.honest, path: folder)
        await client.look()
        #expect(client.servers[0].failure == nil && client.servers[0].version == "ClamAV 9.9/1/now")
        #expect(told.withLock { $0.count } == 2, "told once that it went, and once that it came")
        _ = server
    }
}

/// Waits until the condition holds; false if it does not in time.
func eventuallyTrue(_ condition: () async -> Bool) async -> Bool {
    for _ in 0..<600 {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(100))
    }
    return false
}

import Foundation
import Testing

/// The built program, serving from a folder of its own on ports of its own.
///
/// There are a post office `acme`, the domains acme.test and beta.test, the mailboxes anna, bert and carl
/// of acme.test, all with the password `sesame`, and the alias both@acme.test of anna and bert.
final class LiveServer: Sendable {
    /// What a test may want otherwise.
    struct Setup: Sendable {
        var hostname = "mx.acme.test"
        /// Further lines of each listener's table.
        var smtp = ""
        var submission = ""
        var lmtp = ""
        /// Further tables.
        var more = ""
        /// Files of filters.d instead of the usual ones, or beside them; an empty one is left out.
        var filters: [String: String] = [:]
        /// Files of rules.d beside the program's rules.
        var rules: [String: String] = [:]
        /// Whether rules are asked about messages; those of tests lack what any program writes, and would be put off.
        var isScored = false
        /// A program that becomes the server: `["prlimit", "--nofile=64"]`.
        var launcher: [String] = []
        var environment: [String: String] = [:]
        /// Whether everything that went through is judged again at the end.
        var isReplayed = true
        /// Whether traces keep messages, without which these are not judged again.
        var keepsMessages = true
    }

    static let password = "sesame"

    let folder: TemporaryFolder
    let setup: Setup
    let ports: (smtp: Int, submission: Int, submissions: Int, lmtp: Int)
    let child: Child

    var configuration: String { folder.path + "/sluice.toml" }
    var data: String { folder.path + "/data" }

    /// Starts a server, lets `body` use it, stops it, and judges again what it judged.
    static func run<Result>(
        _ setup: Setup = Setup(), _ body: (LiveServer) async throws -> Result
    ) async throws -> Result {
        try await Turnstile.servers.pass {
            let server = try await start(setup)
            do {
                let result = try await body(server)
                await server.stop()
                if setup.isReplayed { try await server.replay() }
                return result
            } catch {
                server.child.kill()
                _ = await server.child.end()
                Issue.record("\(error); the log ends:\n\(server.log.suffix(3000))")
                throw error
            }
        }
    }

    /// Two servers that know of each other.
    static func start(_ setup: Setup, in place: Place? = nil) async throws -> LiveServer {
        let place = if let place { place } else { try await Place() }
        for _ in 0..<3 {
            let ports = try Ports.free(4)
            let server = try LiveServer(setup, place.folder, (ports[0], ports[1], ports[2], ports[3]))
            if await server.isReady() { return server }
            // Somebody may have taken a port in between.
            guard server.log.contains("ddress already in use") else {
                throw Timeout("the server did not start:\n\(server.log.suffix(3000))")
            }
        }
        throw Timeout("the server found no free ports")
    }

    private init(_ setup: Setup, _ folder: TemporaryFolder, _ ports: (Int, Int, Int, Int)) throws {
        self.setup = setup
        self.folder = folder
        self.ports = ports
        try Self.write(setup, ports, in: folder)
        let command = setup.launcher + [Programs.sluice, "serve", "--config", folder.path + "/sluice.toml"]
        child = try Child(
            command[0], Array(command.dropFirst()), environment: setup.environment, place: folder.path)
    }

    private static func write(_ setup: Setup, _ ports: (Int, Int, Int, Int), in folder: TemporaryFolder) throws {
        try folder.write(settings(setup, ports), to: "sluice.toml")
        for (name, text) in setup.rules { try folder.write(text, to: "rules.d/\(name)") }
        let unasked = setup.isScored ? [:] : ["44-spam.toml": ""]
        for (name, text) in setup.filters.merging(unasked, uniquingKeysWith: { own, _ in own }) {
            if text.isEmpty {
                try? FileManager.default.removeItem(atPath: "\(folder.path)/filters.d/\(name)")
            } else {
                try folder.write(text, to: "filters.d/\(name)")
            }
        }
    }

    static func settings(_ setup: Setup, _ ports: (smtp: Int, submission: Int, submissions: Int, lmtp: Int)) -> String {
        """
        hostname = "\(setup.hostname)"
        data     = "data"
        filters  = "filters.d"

        [tls]
        certificate = "tls/cert.pem"
        key         = "tls/key.pem"

        [[listener]]
        protocol = "smtp"
        bind     = ["127.0.0.1:\(ports.smtp)"]
        tls      = "starttls"
        \(setup.smtp)

        [[listener]]
        protocol = "submission"
        bind     = ["127.0.0.1:\(ports.submission)"]
        tls      = "starttls"
        \(setup.submission)

        [[listener]]
        protocol = "submission"
        name     = "submissions"
        bind     = ["127.0.0.1:\(ports.submissions)"]
        tls      = "implicit"

        [[listener]]
        protocol = "lmtp"
        bind     = ["127.0.0.1:\(ports.lmtp)"]
        \(setup.lmtp)

        [trace]
        keep_messages = "\(setup.keepsMessages ? "whole" : "none")"
        max_message   = "64MB"

        \(setup.more)

        """
    }

    // MARK: - Running

    /// A server that scores compiles its patterns first: seconds, and more on a machine with much to do.
    private func isReady() async -> Bool {
        await eventually(within: .seconds(90)) { self.log.contains("msg=serving") || self.child.hasEnded }
            && !child.hasEnded
    }

    /// What it has logged.
    var log: String { (try? folder.text("err")) ?? "" }

    /// Stops it gracefully; the exit code.
    @discardableResult
    func stop() async -> Int32 { await child.stop() }

    /// A `sluice` command on this server's configuration.
    func sluice(_ arguments: String..., input: String = "") async throws -> Ran {
        try await sluice(arguments, input: input)
    }

    func sluice(_ arguments: [String], input: String = "") async throws -> Ran {
        try await Programs.run(
            Programs.sluice, arguments + ["--config", configuration], input: Array(input.utf8))
    }

    /// Judges everything again from its recorded facts.
    func replay() async throws {
        let replayed = try await sluice("replay", "--since", "1h")
        #expect(replayed.code == 0, "judged again, something was found otherwise:\n\(replayed)")
    }

    // MARK: - Mail

    /// The messages in a mailbox's folder, in the order of their names.
    func mail(of address: String, folder name: String = "") -> [[UInt8]] {
        let parts = address.split(separator: "@")
        let maildir = "\(data)/mailboxes/\(parts[1])/\(parts[0])/Maildir/\(name)"
        return ["new", "cur"].flatMap { part -> [[UInt8]] in
            let path = "\(maildir)/\(part)"
            let files = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            return files.sorted().compactMap { FileManager.default.contents(atPath: "\(path)/\($0)").map(Array.init) }
        }
    }

    /// The mailbox's messages as text, once there are that many.
    func mail(of address: String, count: Int, within limit: Duration = .seconds(60)) async throws -> [String] {
        guard await eventually(within: limit, { self.mail(of: address).count >= count }) else {
            throw Timeout("\(address) has \(mail(of: address).count) messages, not \(count)")
        }
        return mail(of: address).map { String(decoding: $0, as: UTF8.self) }
    }

    /// All messages of all mailboxes.
    func everything() -> [String] {
        let base = "\(data)/mailboxes"
        let files = FileManager.default.enumerator(atPath: base)?.compactMap { $0 as? String } ?? []
        return files.filter { $0.contains("/new/") || $0.contains("/cur/") }.sorted().compactMap {
            FileManager.default.contents(atPath: "\(base)/\($0)").map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// What `sluice queue list --json` says.
    func queue() async throws -> [QueueEntry] {
        let listed = try await sluice("queue", "list", "--json")
        guard listed.code == 0 else { throw Timeout("queue list: \(listed)") }
        return try QueueEntry.read(listed.output)
    }

    /// Waits until nothing is queued any more.
    func queueIsEmpty(within limit: Duration = .seconds(60)) async throws -> Bool {
        try await eventually(within: limit) { try await queue().isEmpty }
    }

    // MARK: - Connections

    func smtp() async throws -> Wire { try await Wire.connect(port: ports.smtp) }
    func lmtp() async throws -> Wire { try await Wire.connect(port: ports.lmtp) }

    /// A submission connection, encrypted and logged in.
    func submission(as user: String = "anna@acme.test") async throws -> Wire {
        let wire = try await Wire.connect(port: ports.submission)
        _ = try await wire.reply()
        try await wire.expect("EHLO client.test", "250")
        try await wire.expect("STARTTLS", "220")
        try await wire.startTLS()
        try await wire.expect("EHLO client.test", "250")
        let secret = Data("\0\(user)\0\(Self.password)".utf8).base64EncodedString()
        try await wire.expect("AUTH PLAIN \(secret)", "235")
        return wire
    }

    /// The server's largest resident size so far, in KiB.
    var peakMemory: Int { memory("VmHWM:") }

    /// The memory that is in no file, in KiB.
    var ownMemory: Int { memory("RssAnon:") }

    private func memory(_ key: String) -> Int {
        let status = (try? String(contentsOfFile: "/proc/\(child.pid)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix(key) }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }

    func hasOpen(_ descriptor: Int) -> Bool {
        let path = "/proc/\(child.pid)/fd/\(descriptor)"
        return (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
    }

    /// Changes the soft limit of open files while it runs.
    func limitFiles(to count: String) async throws {
        let prlimit = try Programs.path(of: "prlimit")
        let ran = try await Programs.run(prlimit, ["--pid", "\(child.pid)", "--nofile=\(count):"])
        guard ran.code == 0 else { throw Timeout("prlimit: \(ran)") }
    }

    var openFiles: Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(child.pid)/fd")) ?? []).count
    }
}

/// One message of `sluice queue list --json`.
struct QueueEntry: Decodable, Sendable {
    struct Recipient: Decodable, Sendable {
        var address: String
        var route: String
        var disposition: String
        var status: String
        var attempts: Int
        var nextRetry: Date?
        var lastReply: String?
    }

    var id: String
    var from: String
    var size: Int
    var received: Date
    var held: String?
    var recipients: [Recipient]

    static func read(_ text: String) throws -> [QueueEntry] {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try decoder.decode([QueueEntry].self, from: Data(text.utf8))
    }
}

/// Lets only so many through at once: this many debug servers are enough for a small machine.
actor Turnstile {
    static let servers = Turnstile(3)

    private var room: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ room: Int) { self.room = room }

    nonisolated func pass<Result>(_ body: () async throws -> Result) async rethrows -> Result {
        await enter()
        do {
            let result = try await body()
            await leave()
            return result
        } catch {
            await leave()
            throw error
        }
    }

    private func enter() async {
        if room > 0 {
            room -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func leave() {
        if waiting.isEmpty { room += 1 } else { waiting.removeFirst().resume() }
    }
}

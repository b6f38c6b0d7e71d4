import Foundation
import MailTypes
import Pipeline
import Testing

@testable import Sandbox

/// libclamav in scanners: what is found, and what becomes of scanners and databases.
@Suite(.serialized) struct ScannerTests {
    static func options(_ databases: String) -> ScannerOptions {
        var options = ScannerOptions()
        options.database = databases
        options.workers = 1
        return options
    }

    /// A pool whose databases are loaded, or known not to be.
    static func pool(
        _ options: ScannerOptions, _ sandbox: SandboxOptions = .built, observer: ScannerObserver = ScannerObserver()
    ) async -> ScannerPool {
        let pool = ScannerPool(options, sandbox, observer: observer)
        pool.use(options)
        await pool.settle(within: "60s")
        return pool
    }

    static func found(_ pool: ScannerPool, _ message: Message) async -> Result<[String], StageFailure> {
        do throws(StageFailure) { return .success(try await pool.scan(message).findings) } catch {
            return .failure(error)
        }
    }

    static let virus = ["Eicar-Test-Signature.UNOFFICIAL"]

    @Test(arguments: SandboxOptions.Isolation.allCases)
    func `R45: a virus is found wherever it lies, whatever is done to the message around it`(
        _ isolation: SandboxOptions.Isolation
    )
        async throws
    {
        var sandbox = SandboxOptions.built
        sandbox.isolation = isolation
        let pool = await Self.pool(Self.options(try VirusSamples.databases()), sandbox)
        defer { pool.stop() }
        for (name, message) in try VirusSamples.bad() {
            let names = try await Self.found(pool, message).get()
            #expect(names.contains(Self.virus[0]), "\(name): \(names)")
        }
        let good = try VirusSamples.attached(VirusSamples.zip(Array("Nothing of interest.".utf8)))
        #expect(await Self.found(pool, good) == .success([]))
        #expect(try await pool.scan(good).scanner.hasPrefix("libclamav 1."))
        #expect(pool.state.signatures == 1)
        #expect(pool.processes.isEmpty == (isolation == .none))
    }

    @Test func `without a database nothing is scanned, and it is said why`() async throws {
        let folder = try VirusSamples.databases(["eicar.ndb": ""])
        try FileManager.default.removeItem(atPath: folder + "/eicar.ndb")
        let pool = await Self.pool(Self.options(folder))
        defer { pool.stop() }
        #expect(pool.state.failure == "there is no virus database in \(folder)")
        guard case .failure(let failure) = await Self.found(pool, try VirusSamples.message(VirusSamples.eicar)) else {
            Issue.record("it was scanned with nothing")
            return
        }
        #expect(failure.reason.contains("there is no virus database in \(folder)"))
        #expect(pool.processes.isEmpty)
    }

    @Test func `databases that are wrong are not used, and those of before still are`() async throws {
        let folder = try VirusSamples.databases()
        let options = Self.options(folder)
        let pool = await Self.pool(options)
        defer { pool.stop() }
        #expect(await Self.found(pool, try VirusSamples.message(VirusSamples.eicar)) == .success(Self.virus))
        try "this is no database".write(toFile: folder + "/other.ndb", atomically: true, encoding: .utf8)
        pool.use(options)
        await pool.settle(within: "60s")
        #expect(pool.state.failure?.contains("libclamav cannot use") == true, "\(pool.state)")
        #expect(await Self.found(pool, try VirusSamples.message(VirusSamples.eicar)) == .success(Self.virus))
    }

    @Test func `databases that have changed take the place of those of before, and no message fails`() async throws {
        let folder = try VirusSamples.databases()
        let options = Self.options(folder)
        let pool = await Self.pool(options)
        defer { pool.stop() }
        let word = try VirusSamples.message(Array("the word is abracadabra".utf8))
        #expect(await Self.found(pool, word) == .success([]))
        let before = pool.processes
        let busy = Task { () -> [Result<[String], StageFailure>] in
            var results: [Result<[String], StageFailure>] = []
            while !Task.isCancelled { results.append(await Self.found(pool, word)) }
            return results
        }
        let digits = "abracadabra".utf8.map { String($0, radix: 16) }.joined()
        try "Magic:0:*:\(digits)\n".write(toFile: folder + "/magic.ndb", atomically: true, encoding: .utf8)
        pool.use(options)
        await pool.settle(within: "60s")
        #expect(pool.state.signatures == 2)
        #expect(await Self.found(pool, word) == .success(["Magic.UNOFFICIAL"]))
        #expect(await eventually { pool.processes != before })
        busy.cancel()
        for result in await busy.value.dropLast() { #expect((try? result.get()) != nil, "\(result)") }
    }

    @Test func `a scanner or a template that is killed costs one message at most`() async throws {
        let witness = Witness()
        var observer = ScannerObserver()
        observer.workers = witness.observer
        var options = Self.options(try VirusSamples.databases())
        options.timeout = "2s"
        let pool = await Self.pool(options, observer: observer)
        defer { pool.stop() }
        let message = try VirusSamples.message(VirusSamples.eicar)
        #expect(await Self.found(pool, message) == .success(Self.virus))
        // Between two messages nobody hears of it.
        let first = try #require(pool.processes.first)
        kill(pid_t(first), SIGKILL)
        func state() -> String? { try? String(contentsOfFile: "/proc/\(first)/stat", encoding: .utf8) }
        #expect(await eventually { state()?.contains(") Z ") ?? true })
        #expect(await Self.found(pool, message) == .success(Self.virus))
        // Over one: it hangs, and is ended.
        kill(pid_t(try #require(pool.processes.first)), SIGSTOP)
        guard case .failure(let failure) = await Self.found(pool, message) else {
            Issue.record("a stopped scanner has answered")
            return
        }
        #expect(failure.timedOut && witness.ends.contains(.hung), "\(failure)")
        #expect(await Self.found(pool, message) == .success(Self.virus))
        // The template: its scanners go with it, and another is loaded.
        kill(pid_t(try #require(pool.template)), SIGKILL)
        var last = await Self.found(pool, message)
        if case .failure = last { last = await Self.found(pool, message) }
        #expect(last == .success(Self.virus))
    }

    @Test func `a scanner is replaced after so many messages, and leaves nothing behind`() async throws {
        let witness = Witness()
        var observer = ScannerObserver()
        observer.workers = witness.observer
        var options = Self.options(try VirusSamples.databases())
        options.scansPerWorker = 3
        let pool = await Self.pool(options, observer: observer)
        let message = try VirusSamples.attached(VirusSamples.zip(VirusSamples.eicar))
        for _ in 0..<7 { #expect(await Self.found(pool, message) == .success(Self.virus)) }
        #expect(witness.ends == [.recycled, .recycled])
        let folders = try FileManager.default.contentsOfDirectory(atPath: pool.folderPath)
        #expect(folders.count == 1, "of the one that is there: \(folders)")
        let unpacked = try folders.flatMap {
            try FileManager.default.contentsOfDirectory(atPath: "\(pool.folderPath)/\($0)")
        }
        #expect(unpacked == [])
        pool.stop()
        #expect(!FileManager.default.fileExists(atPath: pool.folderPath))
    }

    @Test func `R48: what unpacks without end is bounded, and is never called clean`() async throws {
        var options = Self.options(try VirusSamples.databases())
        (options.maxScanSize, options.maxFileSize, options.maxNesting) = ("2MB", "1MB", 5)
        let pool = await Self.pool(options)
        defer { pool.stop() }
        let deep = (0..<42).reduce(VirusSamples.eicar) { inner, _ in VirusSamples.zip(inner, name: "a.zip") }
        let wide = VirusSamples.gzip([UInt8](repeating: 0x41, count: 8 << 20))
        for (name, octets) in [("a 42-level nest", deep), ("too large", wide)] {
            let message = try VirusSamples.attached(octets)
            let names = try await Self.found(pool, message).get()
            #expect(names.contains { $0.hasPrefix("Heuristics.Limits.Exceeded") }, "\(name): \(names)")
        }
        let locked = VirusSamples.zip([UInt8](repeating: 7, count: 64), flags: 1)
        let names = try await Self.found(pool, VirusSamples.attached(locked)).get()
        #expect(names == ["Heuristics.Encrypted.Zip"])
    }

    @Test func `every file of ClamAV's own test set is found`() async throws {
        let folder = "/usr/share/clamav-testfiles"
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        #expect(names.count >= 44)
        // The MD5 of clam.exe, which all of them hold.
        let hash = "aa15bcf478d165efd2065190eb473bcb:544:ClamAV-Test-File\n"
        let pool = await Self.pool(Self.options(try VirusSamples.databases(["clamtest.hdb": hash])))
        defer { pool.stop() }
        for name in names {
            let octets = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
            let found = try await Self.found(pool, VirusSamples.attached(octets, name: name)).get()
            #expect(found.contains("ClamAV-Test-File.UNOFFICIAL"), "\(name): \(found)")
        }
    }

    // MARK: The sandbox

    static func probed(_ deed: String, _ observer: ScannerObserver = ScannerObserver()) async throws -> ScannerPool {
        var sandbox = SandboxOptions.built
        sandbox.program = [SandboxOptions.products + "/SandboxProbe", deed]
        var options = options(try VirusSamples.databases())
        options.timeout = deed == "spin" ? "1s" : "20s"
        (options.maxScanSize, options.maxFileSize) = ("2MB", "2MB")
        return await pool(options, sandbox, observer: observer)
    }

    @Test(
        arguments: ["spawn", "thread", "socket", "signal", "program", "code", "limit"].map {
            ($0, WorkerEnd.signal(Int(SIGSYS)))
        } + [
            ("link", .signal(Int(SIGSYS))), ("rename", .signal(Int(SIGSYS))), ("fill", .signal(Int(SIGXFSZ))),
            ("memory", .signal(Int(SIGABRT))), ("spin", .hung),
        ])
    func `R164: what no scanner may do is its end, and costs its message`(_ deed: String, _ end: WorkerEnd)
        async throws
    {
        let witness = Witness()
        var observer = ScannerObserver()
        observer.workers = witness.observer
        let pool = try await Self.probed(deed, observer)
        defer { pool.stop() }
        let result = await Self.found(pool, try VirusSamples.message([UInt8]()))
        #expect((try? result.get()) == nil, "it did \(deed) and went on: \(result)")
        #expect(witness.ends == [end], "\(result)")
    }

    @Test(arguments: ["read", "write", "neighbour"])
    func `a scanner has no files but those of its own folder`(_ deed: String) async throws {
        let pool = try await Self.probed(deed)
        defer { pool.stop() }
        try "x".write(toFile: pool.folderPath + "/secret", atomically: false, encoding: .utf8)
        let result = await Self.found(pool, try VirusSamples.message([UInt8]()))
        #expect(result == .success([String(cString: strerror(EACCES))]))
    }

    @Test func `a scanner changes nobody's rights`() async throws {
        let pool = try await Self.probed("mode")
        defer { pool.stop() }
        let secret = pool.folderPath + "/secret"
        #expect(FileManager.default.createFile(atPath: secret, contents: nil, attributes: [.posixPermissions: 0o600]))
        #expect(await Self.found(pool, try VirusSamples.message([UInt8]())) == .success(["done"]))
        let rights = try FileManager.default.attributesOfItem(atPath: secret)[.posixPermissions] as? Int
        #expect(rights == 0o600)
    }

    @Test func `workers that verify signatures have nothing of libclamav`() async throws {
        let verifiers = IsolationTests.pool()
        let pool = await Self.pool(Self.options(try VirusSamples.databases()))
        defer { pool.stop() }
        #expect(await IsolationTests.faults(verifiers) == .success([nil]))
        #expect(await Self.found(pool, try VirusSamples.message([UInt8]())) == .success([]))
        func maps(_ process: Int) throws -> String {
            let file = try #require(FileHandle(forReadingAtPath: "/proc/\(process)/maps"))
            return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
        }
        // Nobody but root may look into a process that has given up debuggers.
        if geteuid() == 0 {
            #expect(try !maps(try #require(verifiers.processes.first)).contains("libclamav"))
            #expect(try maps(try #require(pool.processes.first)).contains("libclamav"))
        }
        verifiers.stop()
    }

    @Test func `what a server that was killed has left is removed, and nobody else's`() throws {
        let parent = NSTemporaryDirectory() + "/folders-\(UUID().uuidString)"
        // No process has such a number; the second is this one.
        let names = ["sluice-scan-2147483647-1", "sluice-scan-\(getpid())-1", "sluice-scan-x-1", "another"]
        for name in names {
            try FileManager.default.createDirectory(
                atPath: "\(parent)/\(name)", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
        try "x".write(toFile: "\(parent)/\(names[0])/left", atomically: false, encoding: .utf8)
        let folder = ScanFolder(in: parent)
        #expect(ScanFolder.isOurs(folder.path))
        let own = (folder.path as NSString).lastPathComponent
        #expect(
            try Set(FileManager.default.contentsOfDirectory(atPath: parent)) == Set(names.dropFirst()).union([own]))
        #expect(chmod(folder.path, 0o755) == 0 && !ScanFolder.isOurs(folder.path))
    }
}

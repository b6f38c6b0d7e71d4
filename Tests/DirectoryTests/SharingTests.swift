import Foundation
import GRDB
import MailTypes
import Pipeline
import Synchronization
import Testing

@testable import Directory

@Suite struct SharingTests {
    @Test func `what another process adds is seen at the next question`() async throws {
        let sample = try Sample()
        let beside = try sample.opened()
        for number in 0..<50 {
            let address = EmailAddress(localPart: "new\(number)", domain: "acme.test")
            #expect(try await sample.meaning(of: address) == .unknown)
            try beside.change(by: "test") { try $0.addAlias(address.description, members: ["anna@acme.test"]) }
            #expect(sample.directory.immediate(.address(address)) == nil)
            #expect(try await sample.meaning(of: address) == .expands(to: ["anna@acme.test"], kind: .alias))
        }
    }

    @Test func `a writer that died before it could tell is found out`() async throws {
        let sample = try Sample()
        let question = DirectoryQuestion.address("carl@acme.test")
        let watch = try ChangeWatch(
            path: sample.folder.file("directory.sqlite"), generation: sample.directory.generation, interval: "1d")
        defer { watch.stop() }
        _ = try await sample.directory.answer(question)
        let other = try DatabaseQueue(path: sample.folder.file("directory.sqlite"))
        try await other.write { db in try db.execute(sql: "UPDATE address SET isEnabled = 0 WHERE localPart = 'Carl'") }
        watch.look()
        #expect(try await sample.meaning(of: "carl@acme.test") == .disabled)
    }

    @Test func `two that write at once both succeed`() async throws {
        let sample = try Sample()
        let beside = try sample.opened()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, directory) in [sample.directory, beside].enumerated() {
                group.addTask {
                    for count in 0..<40 {
                        try directory.change(by: "writer\(number)") {
                            try $0.addMailbox("m\(number)-\(count)@acme.test", passwordHash: nil)
                        }
                    }
                }
                group.addTask {
                    for count in 0..<400 {
                        _ = try await directory.answer(
                            .address(EmailAddress(localPart: "m0-\(count % 40)", domain: "acme.test")))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try sample.directory.mailboxes().count == 82)
        #expect(try beside.audit(limit: 1_000).count == 86)
        for number in 0..<40 {
            let address = EmailAddress(localPart: "m0-\(number)", domain: "acme.test")
            #expect(try await sample.meaning(of: address) == .mailbox(address))
        }
    }

    @Test func `an answer that a change has overtaken is not kept`() {
        let cache = GenerationCache<String, Int>(limit: 100)
        cache.insert(1, for: "a", generation: 1)
        #expect(cache.value(for: "a", generation: 1) == 1)
        #expect(cache.value(for: "a", generation: 2) == nil)
        cache.insert(2, for: "a", generation: 2)
        #expect(cache.value(for: "a", generation: 2) == 2)
    }

    @Test func `the cache is bounded, and keeps what is used`() {
        let cache = GenerationCache<Int, Int>(limit: 320)
        for key in 0..<10_000 {
            cache.insert(key, for: key, generation: 1)
            // Asked for all the time.
            if cache.value(for: -1, generation: 1) == nil { cache.insert(-1, for: -1, generation: 1) }
        }
        #expect(cache.count <= 320)
        #expect(cache.value(for: -1, generation: 1) == -1)
    }

    // MARK: The file

    @Test func `what was committed survives a kill`() async throws {
        let sample = try Sample()
        // As a kill leaves them: the file and its journal, without an orderly end.
        let copy = try TemporaryFolder()
        for suffix in ["", "-wal"] {
            let name = "directory.sqlite\(suffix)"
            try FileManager.default.copyItem(atPath: sample.folder.file(name), toPath: copy.file(name))
        }
        let after = try MailDirectory.open(copy.file("directory.sqlite"), hasher: CountingHasher())
        #expect(try await after.meaning(of: "anna@acme.test") == .mailbox("anna@acme.test"))
        #expect(try after.audit(limit: 1_000) == sample.directory.audit(limit: 1_000))
    }

    @Test func `a change is on the disk when it is made`() throws {
        let sample = try Sample()
        let (level, journal) = try sample.directory.pool.writeWithoutTransaction { db in
            (
                try Int.fetchOne(db, sql: "PRAGMA synchronous"),
                try String.fetchOne(db, sql: "PRAGMA journal_mode")
            )
        }
        // 2 is FULL.
        #expect(level == 2 && journal == "wal")
    }

    @Test func `a directory opens again as it was left`() async throws {
        let sample = try Sample()
        sample.directory.close()
        let again = try sample.opened()
        #expect(try await again.meaning(of: "info+x@acme.test") != .unknown)
        #expect(try again.mailboxes().count == 2)
    }

    @Test func `a file of a newer version is left alone`() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("directory.sqlite")
        try MailDirectory.open(path, hasher: CountingHasher()).close()
        let queue = try DatabaseQueue(path: path)
        try queue.write { db in try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('9999: the future')") }
        try queue.close()
        #expect(throws: DirectoryError.newerSchema(path: path)) {
            try MailDirectory.open(path, hasher: CountingHasher())
        }
    }

    @Test func `what is no database is said to be none`() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("directory.sqlite")
        try String(repeating: "not a database ", count: 100).write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: DirectoryError.self) { try MailDirectory.open(path, hasher: CountingHasher()) }
        #expect(throws: DirectoryError.self) {
            try MailDirectory.open(folder.file("no/such/folder.sqlite"), hasher: CountingHasher())
        }
    }

    @Test func `others cannot read the hashes`() throws {
        let sample = try Sample()
        for name in ["directory.sqlite", "directory.sqlite-wal", "directory.generation"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: sample.folder.file(name))
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    // MARK: Threads

    @Test func `the waiting line ends somewhere`() async throws {
        let pool = WorkerPool(name: "test", threads: 1, waiting: 2)
        let gate = DispatchSemaphore(value: 0)
        let (started, start) = AsyncStream<Void>.makeStream()
        async let first: Void? = try? pool.run {
            start.finish()
            gate.wait()
        }
        for await _ in started {}
        // One is under way and two wait, so the others come back before the gate opens.
        let (refused, done) = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<19 { group.addTask { (try? await pool.run { gate.wait() }) != nil } }
            var results: [Bool] = []
            while results.count < 17, let isDone = await group.next() { results.append(isDone) }
            for _ in 0..<20 { gate.signal() }
            for await isDone in group { results.append(isDone) }
            return (results.prefix(17), results.suffix(2))
        }
        #expect(refused.allSatisfy { !$0 } && done.allSatisfy { $0 })
        #expect(await first != nil)
        pool.close()
        await #expect(throws: WorkerPool.Refused.self) { try await pool.run {} }
    }

    @Test func `a heartbeat can end itself, and what is let go of ends its own`() throws {
        let folder = try TemporaryFolder()
        let ended = DispatchSemaphore(value: 0)
        let beat = Mutex<Heartbeat?>(nil)
        beat.withLock { slot in
            slot = Heartbeat(name: "test", every: "1ms") {
                beat.withLock { $0.take() }?.stop()
                ended.signal()
            }
        }
        ended.wait()
        weak var store: TraceStore?
        do {
            let opened = try TraceStore.open(folder.file("traces.sqlite"))
            store = opened
            opened.flush()
        }
        // A beat under way may hold it for a moment.
        while store != nil { sched_yield() }
    }
}

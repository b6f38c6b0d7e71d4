import Directory
import Foundation
import GRDB
import MailTypes
import Pipeline
import Synchronization
import Testing

@Suite struct TraceStoreTests {
    static let start = Date(timeIntervalSinceReferenceDate: 800_000_000)

    private func id(_ number: Int) -> TransactionID { TransactionID(milliseconds: UInt64(number), random: 7) }

    private func trace(
        _ number: Int, from: EmailAddress? = "a@out.test", to: [EmailAddress] = ["anna@acme.test"],
        outcome: Trace.Outcome = .accepted
    ) -> Trace {
        let session = Session(language: .smtp, client: number % 2 == 0 ? "192.0.2.2" : "2001:db8::1")
        var trace = Trace(id: id(number), started: Self.start + Double(number), session: session)
        trace.envelope = Envelope(sender: from)
        trace.asked = to.map { EnvelopeRecipient($0) }
        trace.outcome = outcome
        trace.replies = [Reply(250, .other, "OK")]
        return trace
    }

    private func open(
        _ folder: TemporaryFolder, _ adjust: (inout TraceStore.Options) -> Void = { _ in }
    ) throws -> TraceStore {
        var options = TraceStore.Options()
        options.writeInterval = "1d"
        options.now = { Self.start }
        adjust(&options)
        return try TraceStore.open(folder.file("traces.sqlite"), options: options)
    }

    private func query(_ adjust: (inout TraceQuery) -> Void) -> TraceQuery {
        var query = TraceQuery()
        adjust(&query)
        return query
    }

    @Test func `a trace comes back as it was`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        let trace = trace(1)
        #expect(store.append(trace, finished: Self.start + 2, message: "From: a@out.test\r\n\r\nHello\r\n"))
        store.flush()
        #expect(try store.trace(trace.id)?.trace() == trace)
        #expect(try store.message(trace.id) == Array("From: a@out.test\r\n\r\nHello\r\n".utf8))
        #expect(try store.trace(id(2)) == nil)
        #expect(try store.message(id(2)) == nil)
        let summary = try #require(try store.traces(TraceQuery()).first)
        #expect(
            summary.code == 250 && summary.text == "OK" && summary.client == "2001:db8::1"
                && summary.outcome == "accepted")
    }

    @Test(arguments: [nil, "\"a \\\"b\\\" c\"@out.test", "jörg@müller.test"] as [String?])
    func `a record comes back as it was, whatever strangers wrote`(sender: String?) throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        var record = TraceRecord(
            id: id(3), started: Self.start + 0.125, finished: Self.start + 1.5, client: "2001:db8::1",
            sender: try sender.map { try AddressParser.mailbox($0) }, recipients: ["anna@acme.test", "carl@acme.test"],
            code: 550, text: "No \"such\" user\\here\u{1}\u{e9}", outcome: "rejected", json: [])
        record.json = Array("{}".utf8)
        #expect(store.append(record))
        store.flush()
        #expect(try store.traces(TraceQuery()) == [record])
    }

    @Test func `what became of its recipients is kept beside it, as long as it is`() throws {
        let folder = try TemporaryFolder()
        let now = Mutex(Self.start)
        let store = try open(folder) {
            $0.maximumAge = "1d"
            $0.now = { now.withLock { $0 } }
        }
        var first = DeliveryRecord(
            id: id(1), message: "q-0", time: Self.start, recipient: "anna@acme.test", outcome: "deferred", seconds: 0.5)
        first.reply = "451 4.4.1 later"
        first.host = "mx.out.test[192.0.2.1]:25"
        var second = first
        second.time = Self.start + 10
        second.outcome = "relayed"
        for record in [second, first] { #expect(store.append(record)) }
        store.flush()
        #expect(try store.deliveries(of: id(1)) == [first, second])
        #expect(try store.deliveries(of: id(2)).isEmpty)
        now.withLock { $0 = Self.start + 86_405 }
        store.sweep()
        #expect(try store.deliveries(of: id(1)) == [second])
    }

    @Test func `a second trace of one id takes the place of the first`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        store.append(trace(1), finished: Self.start)
        store.flush()
        store.append(trace(1, to: ["carl@acme.test"]), finished: Self.start)
        store.flush()
        #expect(try store.traces(TraceQuery()).map(\.recipients) == [["carl@acme.test"]])
        #expect(try store.traces(query { $0.to = "anna@acme.test" }).isEmpty)
    }

    /// What is asked, and which of the traces 0 to 3 fit, the newest first.
    static let queries: [(String, @Sendable (inout TraceQuery) -> Void, [Int])] = [
        ("all", { _ in }, [3, 2, 1, 0]),
        ("limit", { $0.limit = 2 }, [3, 2]),
        ("no limit below zero", { $0.limit = -1 }, []),
        ("to", { $0.to = "Anna@ACME.test" }, [3, 1, 0]),
        ("to one of several", { $0.to = "bob@other.test" }, [1]),
        ("to a domain", { $0.to = "@Other.test" }, [2, 1]),
        ("from", { $0.from = "a@out.test" }, [3, 1, 0]),
        ("from a domain", { $0.from = "@out.test" }, [3, 1, 0]),
        ("from nobody", { $0.from = "<>" }, [2]),
        ("client", { $0.client = "192.0.2.2" }, [2, 0]),
        ("outcome", { $0.outcome = "rejected" }, [3]),
        ("since", { $0.since = start + 2 }, [3, 2]),
        ("until", { $0.until = start + 1 }, [1, 0]),
        (
            "all together",
            {
                $0.to = "@acme.test"; $0.from = "a@out.test"; $0.since = start + 1; $0.until = start + 2
            }, [1]
        ),
        ("SQL", { $0.client = "' or 1=1--" }, []),
        ("SQL in an address", { $0.to = "'or'1'='1@acme.test" }, []),
    ]

    @Test(arguments: queries.indices)
    func search(_ index: Int) throws {
        let (name, adjust, expected) = Self.queries[index]
        let folder = try TemporaryFolder()
        let store = try open(folder)
        store.append(trace(0), finished: Self.start)
        store.append(trace(1, to: ["anna@acme.test", "bob@other.test"]), finished: Self.start)
        store.append(trace(2, from: nil, to: ["carl@other.test"]), finished: Self.start)
        store.append(trace(3, outcome: .rejected), finished: Self.start)
        store.flush()
        #expect(try store.traces(query(adjust)).map(\.id) == expected.map(id), "\(name)")
    }

    @Test func `a search for no address says so`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        #expect(throws: DirectoryError.self) { try store.traces(query { $0.to = "anna" }) }
    }

    @Test func `others read while it writes`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        let reader = try TraceStore.openReadOnly(folder.file("traces.sqlite"))
        for number in 0..<20 {
            store.append(trace(number), finished: Self.start)
            store.flush()
            #expect(try reader.traces(TraceQuery()).count == number + 1)
        }
        #expect(!reader.append(trace(99), finished: Self.start))
        #expect(throws: DirectoryError.self) { try TraceStore.openReadOnly(folder.file("none.sqlite")) }
    }

    @Test func `a full backlog drops and counts`() throws {
        let folder = try TemporaryFolder()
        let told = Mutex<[String]>([])
        let store = try open(folder) { options in
            options.backlog = 3
            options.report = { line in told.withLock { $0.append(line) } }
        }
        #expect((0..<5).map { store.append(trace($0), finished: Self.start) } == [true, true, true, false, false])
        #expect(store.dropped == 2)
        store.sweep()
        store.sweep()
        #expect(told.withLock { $0 } == ["2 traces were dropped: too many at once"])
        #expect(try store.traces(TraceQuery()).count == 3)
        #expect(store.append(trace(9), finished: Self.start))
    }

    @Test func `long messages and too many of them are left away`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder) { options in
            options.maximumMessage = ByteCount(10)
            options.backlogSize = ByteCount(15)
        }
        let ten = Bytes([UInt8](repeating: 1, count: 10))
        store.append(trace(0), finished: Self.start, message: Bytes([UInt8](repeating: 1, count: 11)))
        store.append(trace(1), finished: Self.start, message: ten)
        store.append(trace(2), finished: Self.start, message: ten)
        store.flush()
        store.append(trace(3), finished: Self.start, message: ten)
        store.flush()
        #expect(try (0..<4).map { try store.message(id($0)) != nil } == [false, true, false, true])
        #expect(try store.traces(TraceQuery()).count == 4)
    }

    @Test func `the old go`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder) { options in
            options.maximumAge = "10s"
            options.now = { Self.start + 1_015 }
        }
        for number in 0..<1_010 { store.append(trace(number), finished: Self.start) }
        store.sweep()
        #expect(try store.traces(TraceQuery()).map(\.id) == (1_005..<1_010).reversed().map(id))
    }

    @Test func `it stays within its size, and gives space back`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder) { $0.maximumSize = "1MB" }
        let message = Bytes([UInt8](repeating: 1, count: 50_000))
        for number in 0..<100 {
            store.append(trace(number), finished: Self.start, message: message)
            if number % 10 == 9 { store.flush() }
        }
        let left = try store.traces(TraceQuery()).map(\.id)
        #expect(left.first == id(99) && (10...21).contains(left.count))
        store.close()
        let size = try FileManager.default.attributesOfItem(atPath: folder.file("traces.sqlite"))[.size] as? Int
        #expect(try #require(size) < 2_000_000)
    }

    @Test func `what takes another's place, and what was there before, is counted once`() throws {
        let folder = try TemporaryFolder()
        let message = Bytes([UInt8](repeating: 1, count: 50_000))
        let first = try open(folder) { $0.maximumSize = "1MB" }
        for _ in 0..<10 {
            for number in 0..<15 { first.append(trace(number), finished: Self.start, message: message) }
            first.flush()
        }
        #expect(try first.traces(TraceQuery()).count == 15)
        first.close()
        let second = try open(folder) { $0.maximumSize = "1MB" }
        for number in 100..<110 { second.append(trace(number), finished: Self.start, message: message) }
        second.flush()
        #expect((16..<25).contains(try second.traces(TraceQuery()).count), "the oldest have gone")
    }

    @Test func `what became of recipients counts, and goes with its trace`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder) { $0.maximumSize = "100KB" }
        store.append(trace(1), finished: Self.start)
        store.append(trace(2), finished: Self.start)
        store.flush()
        for number in [1, 2] {
            for _ in 0..<250 {
                store.append(
                    DeliveryRecord(
                        id: id(number), message: "q-0", time: Self.start, recipient: "anna@acme.test",
                        outcome: "deferred", seconds: 0.5))
            }
        }
        store.flush()
        #expect(try store.trace(id(1)) == nil)
        #expect(try store.deliveries(of: id(1)).isEmpty)
        #expect(try store.deliveries(of: id(2)).count == 250)
    }

    @Test func `what waits is written at the end`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        for number in 0..<50 { store.append(trace(number), finished: Self.start) }
        store.close()
        #expect(try TraceStore.openReadOnly(folder.file("traces.sqlite")).traces(TraceQuery()).count == 50)
    }

    @Test func `many append at once`() async throws {
        let folder = try TemporaryFolder()
        let store = try open(folder) { $0.writeInterval = "1ms" }
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for number in 0..<100 { store.append(trace(task * 100 + number), finished: Self.start) }
                }
            }
        }
        store.flush()
        #expect(store.dropped == 0)
        #expect(try store.traces(query { $0.limit = 1_000 }).count == 800)
    }
}

import Foundation
import MailTypes
import Pipeline
import Testing

@testable import Directory

@Suite struct StageMemoryTests {
    static let start = Date(timeIntervalSinceReferenceDate: 800_000_000)

    private func open(
        _ folder: TemporaryFolder, capacity: Int = 1_000, at now: Date = start
    ) throws -> StageMemoryStore {
        var options = StageMemoryStore.Options()
        options.capacity = capacity
        options.writeInterval = "1d"
        options.now = { now }
        return try StageMemoryStore.open(folder.file("memory.sqlite"), options: options)
    }

    private var fixed: StageMemoryStore.Options {
        var options = StageMemoryStore.Options()
        options.now = { Self.start }
        return options
    }

    private func visit(_ store: StageMemoryStore, _ key: String, after seconds: Double, table: String = "greylist")
        -> Visits?
    {
        let question = MemoryQuestion.visit(
            table: table, key: key, at: Self.start + seconds, lifetime: "1d")
        guard case .visit(let visits) = store.answer(question) else { return nil }
        return visits
    }

    private func count(_ store: StageMemoryStore, _ key: String, _ amount: Int, after seconds: Double) -> Int? {
        let question = MemoryQuestion.count(
            table: "rate", key: key, amount: amount, window: "1h", at: Self.start + seconds)
        guard case .count(let sum) = store.answer(question) else { return nil }
        return sum
    }

    @Test func `a visit tells what was known before it`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        #expect(visit(store, "a", after: 0) == nil)
        #expect(visit(store, "a", after: 10) == Visits(first: Self.start, last: Self.start, count: 1))
        #expect(visit(store, "a", after: 20) == Visits(first: Self.start, last: Self.start + 10, count: 2))
        #expect(visit(store, "b", after: 20) == nil)
        #expect(visit(store, "a", after: 20, table: "other") == nil)
        let peek = MemoryQuestion.peek(table: "greylist", key: "a", at: Self.start + 30)
        let known = MemoryAnswer.visit(Visits(first: Self.start, last: Self.start + 20, count: 3))
        #expect(store.answer(peek) == known && store.answer(peek) == known)
        #expect(store.answer(.peek(table: "greylist", key: "a", at: Self.start + 20 + 86_400)) == .visit(nil))
    }

    @Test func `a restart forgets nothing`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        for number in 0..<100 { _ = visit(store, "key\(number)", after: Double(number) / 3) }
        _ = count(store, "c", 7, after: 0)
        store.close()
        let again = try open(folder)
        #expect(again.count(of: "greylist") == 100)
        #expect(
            visit(again, "key7", after: 60) == Visits(first: Self.start + 7 / 3.0, last: Self.start + 7 / 3.0, count: 1)
        )
        #expect(count(again, "c", 1, after: 60) == 8)
    }

    @Test func `what was flushed survives a kill`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        _ = visit(store, "written", after: 0)
        try store.flush()
        _ = visit(store, "lost", after: 0)
        // Beside it, as after a kill: what has not been flushed is not there.
        let copy = try TemporaryFolder()
        for suffix in ["", "-wal"] {
            try FileManager.default.copyItem(
                atPath: folder.file("memory.sqlite\(suffix)"), toPath: copy.file("memory.sqlite\(suffix)"))
        }
        let again = try open(copy)
        #expect(visit(again, "written", after: 1) != nil)
        #expect(visit(again, "lost", after: 1) == nil)
    }

    @Test func `a reader changes nothing in the file`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        _ = visit(store, "a", after: 0)
        try store.flush()
        let reader = try StageMemoryStore.openReadOnly(folder.file("memory.sqlite"), options: fixed)
        #expect(visit(reader, "a", after: 5) != nil)
        #expect(visit(reader, "b", after: 5) == nil)
        reader.close()
        store.close()
        #expect(try open(folder).count(of: "greylist") == 1)
        let none = folder.file("none.sqlite")
        #expect(visit(try StageMemoryStore.openReadOnly(none, options: fixed), "a", after: 5) == nil)
        #expect(!FileManager.default.fileExists(atPath: none))
    }

    @Test func `strangers cannot make it grow`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder, capacity: 500)
        for number in 0..<5_000 {
            _ = visit(store, "stranger\(number)", after: Double(number))
            // A friend comes all the time.
            if number % 10 == 0 { _ = visit(store, "friend", after: Double(number)) }
        }
        #expect(store.count(of: "greylist") == 500)
        #expect(visit(store, "friend", after: 5_000)?.count == 500)
        store.close()
        let again = try open(folder, capacity: 200)
        #expect(again.count(of: "greylist") == 200)
        #expect(visit(again, "stranger4999", after: 5_000) != nil)
    }

    @Test func `many at once lose nothing`() async throws {
        let folder = try TemporaryFolder()
        let store = try open(folder, capacity: 100_000)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for number in 0..<500 { _ = count(store, "shared", 1, after: Double(number % 7 + task)) }
                }
            }
            group.addTask { for _ in 0..<20 { try? store.flush() } }
        }
        #expect(count(store, "shared", 0, after: 60) == 4_000)
    }

    @Test func `what is forgotten is cleared from the file`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        _ = visit(store, "old", after: 0)
        _ = visit(store, "new", after: 80_000)
        store.close()
        let again = try open(folder, at: Self.start + 90_000)
        #expect(again.count(of: "greylist") == 1)
    }

    @Test func `hostile keys are keys like others`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        let keys = [
            "", "'; drop table visit; --", "caf\u{e9}", "cafe\u{301}", "\0", String(repeating: "x", count: 100_000),
        ]
        for key in keys { #expect(visit(store, key, after: 0) == nil) }
        for key in keys { #expect(visit(store, key, after: 1)?.count == 1) }
    }

    // MARK: Rules

    static let stories: [(String, [(after: Double, before: Int?)])] = [
        ("a stranger", [(0, nil), (1, 1), (1, 2)]),
        ("a visit keeps the memory fresh", [(0, nil), (99, 1), (99, 2)]),
        ("the forgotten are strangers", [(0, nil), (100, nil), (1, 1)]),
        ("a clock that goes back a little", [(0, nil), (-5, 1), (10, 2)]),
        ("a clock that was years ahead", [(1_000_000, nil), (-1_000_000, nil), (1, 1)]),
    ]

    @Test(arguments: stories)
    func story(_ name: String, _ visits: [(after: Double, before: Int?)]) {
        var known: Visits?
        var now = Self.start
        for visit in visits {
            now += visit.after
            let before = VisitRule.known(known, at: now, lifetime: "100s")
            #expect(before?.count == visit.before, "\(name)")
            known = VisitRule.story(after: before, at: now)
        }
    }

    @Test func `a clock that goes back does not make the last visit earlier`() {
        let first = VisitRule.story(after: nil, at: Self.start)
        let second = VisitRule.story(after: first, at: Self.start - 5)
        #expect(second == Visits(first: Self.start, last: Self.start, count: 2))
        let many = Visits(first: Self.start, last: Self.start, count: .max)
        #expect(VisitRule.story(after: many, at: Self.start).count == .max)
    }

    /// A window of 80 seconds, so ten seconds a part; the start is on a part's edge.
    static let windows: [(String, [(after: Double, amount: Int, sum: Int)])] = [
        ("it adds up", [(0, 1, 1), (1, 2, 3), (0, 0, 3)]),
        ("never too small", [(9.9, 1, 1), (80, 0, 1)]),
        ("an eighth more at most", [(0, 1, 1), (90, 0, 0)]),
        ("it slides", [(0, 1, 1), (40, 1, 2), (50, 0, 1), (40, 0, 0)]),
        ("a long pause", [(0, 5, 5), (1e9, 1, 1)]),
        ("a clock that goes back", [(50, 3, 3), (-30, 1, 4), (-1e6, 1, 1)]),
        ("less than nothing is nothing", [(0, 5, 5), (0, -3, 5)]),
        ("no overflow", [(0, .max, .max), (1, .max, .max), (20, 1, .max)]),
    ]

    @Test(arguments: windows)
    func window(_ name: String, _ uses: [(after: Double, amount: Int, sum: Int)]) {
        var now = Self.start
        var window = SlidingWindow(window: "80s", at: now)
        for use in uses {
            now += use.after
            #expect(window.add(use.amount, window: "80s", at: now) == use.sum, "\(name)")
        }
    }

    @Test func `a window that is changed keeps its sum`() {
        var window = SlidingWindow(window: "80s", at: Self.start)
        _ = window.add(5, window: "80s", at: Self.start)
        #expect(window.add(1, window: "1h", at: Self.start + 1) == 6)
        #expect(window.add(0, window: "0s", at: Self.start + 1) == 6)
        #expect(window.add(0, window: Interval(seconds: 1e-300), at: Self.start + 1) == 6)
        #expect(window.add(1, window: Interval(seconds: .infinity), at: .distantFuture) >= 1)
    }

    @Test func `the digest is SipHash-2-4-128`() throws {
        // The first vectors of the authors' reference implementation: key 00…0f, messages of 0, 1 and 8 octets.
        let digest = try #require(KeyDigest(secret: Array(0..<16)))
        let vectors: [(Int, String)] = [
            (0, "a3817f04ba25a8e66df67214c7550293"),
            (1, "da87c1d86b99af44347659119b22fc45"),
        ]
        for (count, expected) in vectors {
            let value = digest.digest(of: Array(0..<UInt8(count)))
            let octets = withUnsafeBytes(of: value.littleEndian, Array.init)
            #expect(octets.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == expected)
        }
        #expect(
            KeyDigest(secret: []) == nil && KeyDigest(secret: digest.stored)?.digest(of: [1]) == digest.digest(of: [1]))
    }
}

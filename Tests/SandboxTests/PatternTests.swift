import Foundation
import MailTypes
import Pipeline
import Scoring
import Testing

@testable import Sandbox

@Suite struct PatternTests {
    static func rules(_ patterns: [String]) -> RuleSet {
        RuleSet(
            patterns.enumerated().map { place, pattern in
                Rule("R\(place)", points: 1, description: "", test: .pattern(Pattern(pattern, in: .body)))
            })
    }

    static func texts(_ texts: [String]) -> PatternTexts {
        var all = PatternTexts()
        for text in texts { all.append(Array(text.utf8), view: 0) }
        return all
    }

    private func pool(_ options: SandboxOptions, _ witness: Witness = Witness()) -> SandboxPool {
        SandboxPool(options, observer: witness.observer) { _ throws(StageFailure) in throw StageFailure("nobody asks") }
    }

    static var thread: SandboxOptions {
        var options = SandboxOptions.built
        options.isolation = .none
        return options
    }

    @Test(arguments: [true, false])
    func `patterns are found by workers and by threads`(_ isIsolated: Bool) async throws {
        let witness = Witness()
        let pool = pool(isIsolated ? .built : Self.thread, witness)
        defer { pool.stop() }
        let image = try PatternImage(Self.rules(["wins?", "nothing", "b{3}$"]))
        let hits = try await pool.hits(of: image, in: Self.texts(["he wins", "abbb"]))
        #expect(hits.map(\.pattern) == [0, 2])
        #expect(hits.map(\.text) == [0, 1])
        #expect(witness.troubles == [])
    }

    @Test(arguments: [true, false])
    func `large texts go as a file, and other patterns take the place of the first`(_ isIsolated: Bool) async throws {
        let pool = pool(isIsolated ? .built : Self.thread)
        defer { pool.stop() }
        let large = String(repeating: "x", count: 300_000) + "needle"
        let first = try PatternImage(Self.rules(["needle"]))
        let second = try PatternImage(Self.rules(["other", "x$"]))
        for _ in 0..<3 {
            #expect(try await pool.hits(of: first, in: Self.texts([large])).map(\.pattern) == [0])
            #expect(try await pool.hits(of: second, in: Self.texts(["x"])).map(\.pattern) == [1])
        }
    }

    @Test func `a worker that is gone costs one message, and the next has the patterns`() async throws {
        var options = SandboxOptions.built
        options.workers = 1
        options.jobsPerWorker = 2
        let pool = pool(options)
        defer { pool.stop() }
        let image = try PatternImage(Self.rules(["a"]))
        for _ in 0..<7 { #expect(try await pool.hits(of: image, in: Self.texts(["a"])).count == 1) }
    }

    @Test(arguments: [true, false])
    func `where matches begin is told of those that are asked about`(_ isIsolated: Bool) async throws {
        let pool = pool(isIsolated ? .built : Self.thread)
        defer { pool.stop() }
        let rules = Self.rules(["win+er", "nothing", "b{3}$", "(?i)won [a-z]+"])
        let patterns = PooledPatterns(rules)
        patterns.use(pool)
        let texts = Self.texts(["you have won money", "the winnnner, aabbb"])
        let hits = try await patterns.match(texts)
        #expect(hits.map(\.pattern) == [0, 2, 3])
        #expect(hits.map(\.range.lowerBound) == [0, 0, 0])
        let located = try await patterns.located(hits, in: texts)
        #expect(located.map(\.pattern) == [0, 2, 3])
        #expect(located.map(\.text) == [1, 1, 0])
        #expect(located.map(\.range) == [4..<12, 16..<19, 9..<18])
        #expect(try await patterns.located([], in: texts) == [])
        let foreign = [PatternHit(pattern: 0, count: 1, text: 7, range: 0..<1)]
        await #expect(throws: PatternFailure.self) { try await patterns.located(foreign, in: texts) }
    }

    @Test func `nobody can change the patterns that all share`() throws {
        let image = try PatternImage(Self.rules(["a"])).shared
        let file = try #require(image.descriptor)
        #expect(Confinement.isSealed(file))
        #expect(pwrite(file, "x", 1, 0) == -1 && errno == EPERM)
        #expect(ftruncate(file, 0) == -1 && errno == EPERM)
        #expect(ftruncate(file, off_t(image.octets.count + 1)) == -1 && errno == EPERM)
        #expect(mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED)
        let count = image.octets.count
        let again = try SharedImage(descriptor: file, count: count)
        #expect(again.octets == image.octets && again.descriptor == nil)
    }

    /// What a process of no dumps has mapped, only root may look at.
    @Test(.enabled(if: geteuid() == 0)) func `all workers read the patterns in the same memory`() async throws {
        var options = SandboxOptions.built
        options.workers = 3
        let pool = pool(options)
        defer { pool.stop() }
        let image = try PatternImage(Self.rules(["a", "needle$"]))
        let text = String(repeating: "x", count: 200_000) + "needle"
        var status = stat()
        #expect(fstat(try #require(image.shared.descriptor), &status) == 0)
        for _ in 0..<100 where pool.processes.count < 3 || mappings(pool, status.st_ino).count < 3 {
            try await withThrowingTaskGroup(of: [Int].self) { group in
                for _ in 0..<12 {
                    group.addTask { try await pool.hits(of: image, in: Self.texts([text])).map(\.pattern) }
                }
                for try await found in group { #expect(found == [1]) }
            }
        }
        let mappings = mappings(pool, status.st_ino)
        #expect(mappings.count == 3)
        #expect(mappings.allSatisfy { $0.contains(" r--p ") && $0.contains("memfd:patterns") }, "\(mappings)")
    }

    /// The lines of the workers' maps that are of the file of that number. proc_pid_maps(5).
    private func mappings(_ pool: SandboxPool, _ inode: UInt) -> [String] {
        pool.processes.flatMap { process in
            // The kernel gives a page at a time.
            let maps = FileHandle(forReadingAtPath: "/proc/\(process)/maps")?.readDataToEndOfFile() ?? Data()
            return String(decoding: maps, as: UTF8.self).split(separator: "\n").map(String.init).filter {
                $0.split(separator: " ").dropFirst(4).first.flatMap { UInt($0) } == inode
            }
        }
    }

    @Test func `an image that is none is refused`() throws {
        let image = try PatternImage(Self.rules(["a", "b"])).shared.octets.array
        func opens(_ octets: [UInt8]) throws -> Bool {
            let shared = try octets.withUnsafeBytes { try SharedImage($0) }
            return PatternScanner(shared.octets) != nil
        }
        #expect(try opens(image))
        #expect(try !opens(Array(image.prefix(20))))
        #expect(try !opens(Array(image.prefix(image.count - 64))))
        // Numbers of the head, and an octet of the database itself.
        for place in [8, 16, 24, 30, 31, 38, image.count / 2] {
            var damaged = image
            damaged[place] ^= 0x21
            #expect(try !opens(damaged), "\(place)")
        }
        // Where it lies, what begins at multiples of 64 octets does not.
        #expect(PatternScanner(Bytes(image)[1..<image.count]) == nil)
    }

    @Test func `what a worker says of a match is not believed where it cannot be`() {
        var packet = WorkerReply.done(
            job: 1, .patterns([PatternHit(pattern: 0, count: 1, text: 0, range: 5..<6)])
        ).packet
        packet[packet.count - 1] = 4
        #expect(throws: MalformedPacket.self) { try PacketReader.reply(packet) }
    }

    @Test func `all patterns that cannot be compiled are told`() throws {
        let rules = Self.rules(["good", "a*", "(?i)fine", "b|"])
        #expect(PatternImage.problems(of: rules).map(\.pattern) == [1, 3])
        #expect(throws: PatternImage.Failure.self) { try PatternImage(rules) }
    }
}

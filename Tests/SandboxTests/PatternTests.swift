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

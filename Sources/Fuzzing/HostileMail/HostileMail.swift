import Adapters
import CFuzzer
import Filters
import Foundation
import Glibc
import MailTypes
import Pipeline
import Sandbox
import SluiceTesting

// Mail that is to break the authentication of senders, in numbers: scripts/hostile-mail.
//
// Each message's sender is checked by libspf2, and by the stage spf; the message is verified by libopendkim, and goes
// through the stages arc, dmarc and results, with a DNS that is as bad as it can be. Nothing may crash, leak or take
// long, nothing may pass that cannot, and what is sound must.
@_cdecl("HostileMail_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    let words = Array(CommandLine.arguments.dropFirst())
    guard let messages = words.first.flatMap(Int.init), messages > 0 else {
        print("usage: HostileMail MESSAGES [SEED [PROGRAM]]")
        return 2
    }
    let seed = words.dropFirst().first.flatMap(UInt64.init) ?? 1
    let (done, tally) = (DispatchSemaphore(value: 0), Tally())
    Task {
        do {
            try await HostileMail(seed: seed, program: words.dropFirst(2).first, tally).run(messages)
        } catch { tally.violation("it could not be begun: \(error)") }
        done.signal()
    }
    done.wait()
    tally.report()
    __lsan_do_leak_check()
    return tally.isClean ? 0 : 1
}

/// One run. With a program the workers are processes, of which the size is watched; without one they are threads of
/// this process, which the address sanitizer watches.
private struct HostileMail {
    private let seed: UInt64
    private let mill: Mill
    private let worlds: [HostileWorld]
    private let tally: Tally
    private let tools = StageTools(cryptography: LibcryptoSignatures(), keys: MemoryKeys())

    /// Messages under way at once.
    private static let lanes = 4
    /// What all lanes may compute together while one message is under way.
    private static let slow = Duration.seconds(5)
    /// By the clock on the wall: how long a machine that is busy with other things may take.
    private static let stuck = Duration.seconds(120)

    private static let senders: [EmailAddress] = [
        "alice@out.example", "alice@out.example", "a+b.c-d@out.example", "postmaster@bücher.example",
        EmailAddress(localPart: "\"%{d}%{l}% \"", domain: "out.example"),
        EmailAddress(localPart: String(repeating: "é", count: 32), domain: "out.example"),
        EmailAddress(localPart: String(repeating: "a.", count: 31) + "a", domain: "d." + HostileNames.longest),
    ]
    private static let hellos = [
        "mx.out.example", "[192.0.2.7]", "", ".", "a..b", HostileNames.longest, "%{h}", "bücher.example",
    ]

    init(seed: UInt64, program: String?, _ tally: Tally) async throws {
        var zone = MemoryZone()
        // libopendkim has a clock of its own.
        zone.time = Date()
        self.seed = seed
        self.tally = tally
        mill = try await Mill(&zone)
        // So many processes would tell less about the growth of one.
        let moods: [Mood] = program == nil ? Mood.allCases : [.honest]
        let named = zone
        worlds = moods.map { HostileWorld($0, named, seed: seed, program: program, tally) }
    }

    func run(_ messages: Int) async throws {
        await withTaskGroup(of: Void.self) { group in
            for lane in 0..<Self.lanes {
                group.addTask {
                    var random = SeededRandom(seed &+ UInt64(lane) &* 1_000_003)
                    for number in stride(from: lane, to: messages, by: Self.lanes) {
                        await send(mill.next(&random), worlds.randomElement(using: &random), &random)
                        if number % 10_000 == 0 { tally.progress(number, worlds.flatMap(\.pool.processes)) }
                    }
                }
            }
        }
        for world in worlds { world.pool.stop() }
    }

    private func send(_ milled: Milled, _ world: HostileWorld?, _ random: inout SeededRandom) async {
        let (start, begun) = (ContinuousClock.now, Self.computed(world))
        guard let world, let message = try? Message(parsing: Bytes(milled.octets)) else {
            tally.count("no message")
            return
        }
        var transaction = Self.transaction(world, milled, &random)
        await second(transaction, world.names.mood)
        await pass(SPF.name) { transaction.take(try await SPF(.init()).sender(transaction)) }
        await pass(DKIMVerify.name) {
            transaction.take(try await DKIMVerify(.init()).message(message, in: transaction))
        }
        await pass(ARC.name) {
            transaction.take(try await ARC(.init()).equipped(with: tools).message(message, in: transaction))
        }
        await pass(DMARC.name) { transaction.take(try await DMARC(.init()).message(message, in: transaction)) }
        await pass(Results.name) {
            check(message.with(try await Results(.init()).message(message, in: transaction)), message)
        }
        judge(transaction.authentication.entries, milled, world.names.mood)
        let (time, work) = (ContinuousClock.now - start, Self.computed(world) - begun)
        tally.took(time, work)
        if work > Self.slow { tally.violation("a message in mood \(world.names.mood) took \(work) of computing") }
        if time > Self.stuck { tally.violation("a message in mood \(world.names.mood) took \(time)") }
    }

    /// What this process and a world's workers have computed so far. The clock on the wall would tell how busy the
    /// machine is with others.
    private static func computed(_ world: HostileWorld?) -> Duration {
        var clocks = [CLOCK_PROCESS_CPUTIME_ID]
        for process in world?.pool.processes ?? [] {
            var clock = clockid_t()
            if clock_getcpuclockid(pid_t(process), &clock) == 0 { clocks.append(clock) }
        }
        return clocks.reduce(.zero) { sum, clock in
            var time = timespec()
            guard clock_gettime(clock, &time) == 0 else { return sum }
            return sum + .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        }
    }

    /// What is sound comes from where it says; else from anybody, from anywhere.
    private static func transaction(
        _ world: HostileWorld, _ milled: Milled, _ random: inout SeededRandom
    ) -> Transaction {
        guard !milled.isSound else { return .sample(services: world) }
        let client: IPAddress = Bool.random(using: &random) ? "192.0.2.7" : "2001:db8::7"
        var session = Session.sample(client: client)
        session.hello = hellos.randomElement(using: &random)
        let isReport = Int.random(in: 0..<10, using: &random) == 0
        return .sample(
            session: session, sender: isReport ? nil : senders.randomElement(using: &random), services: world)
    }

    /// libspf2 on the same question; what it finds is no part of what follows.
    private func second(_ transaction: Transaction, _ mood: Mood) async {
        var policy = SPF.Configuration()
        policy.engine = .libspf2
        await pass("libspf2") {
            var other = transaction
            other.take(try await SPF(policy).sender(transaction))
            for entry in other.authentication.entries {
                tally.count("libspf2=\(entry.result.rawValue)")
                if entry.result == .pass, mood.isMute { tally.violation("libspf2 passes in mood \(mood)") }
            }
        }
    }

    private func pass(_ stage: StageName, _ work: () async throws -> Void) async {
        do { try await work() } catch {
            tally.count("\(stage) could not decide: \((error as? StageFailure)?.reason ?? "\(error)")")
        }
    }

    /// Whatever strangers call themselves, the field is one field.
    private func check(_ marked: Message, _ message: Message) {
        let octets = marked.pieces.flatMap(\.array)
        guard marked.header.fields.count > message.header.fields.count else { return }
        let again = try? Message(parsing: Bytes(octets), limits: HeaderLimits(maxOctets: 1 << 24, maxFields: 10_000))
        if again?.header.fields.first?.raw != marked.header.fields.first?.raw {
            tally.violation("the field of results is not what was written")
        }
    }

    private func judge(_ entries: [AuthenticationResults.Entry], _ milled: Milled, _ mood: Mood) {
        for entry in entries { tally.count("\(entry.method)=\(entry.result.rawValue)") }
        let passed = Set(entries.filter { $0.result == .pass }.map(\.method))
        if mood.isMute || mood == .empty, !passed.isEmpty {
            tally.violation("\(passed.sorted()) in mood \(mood)")
        }
        guard mood == .honest || mood == .slow, milled.isSound else { return }
        if !passed.isSuperset(of: ["dkim", "dmarc"]) { tally.violation("a sound message did not pass: \(entries)") }
        if entries.contains(where: { $0.method == "arc" && $0.result != .pass && $0.result != .none }) {
            tally.violation("a sound chain did not pass: \(entries)")
        }
    }
}

/// DNS in one mood, and workers that hear of nothing else.
private struct HostileWorld: ServiceSource {
    let names: HostileNames
    let pool: SandboxPool

    init(_ mood: Mood, _ zone: MemoryZone, seed: UInt64, program: String?, _ tally: Tally) {
        let names = HostileNames(mood: mood, zone: zone, chance: Chance(seed))
        self.names = names
        var options = SandboxOptions()
        options.isolation = program == nil ? .none : .process
        if let program { options.program = [program] }
        options.workers = 1
        // What a worker's size comes to without being replaced is what is asked.
        options.jobsPerWorker = 1_000_000_000
        var observer = SandboxObserver()
        observer.ended = { end, _, jobs in
            if end != .recycled { tally.violation("a worker ended after \(jobs) jobs: \(end)") }
        }
        observer.couldNotStart = { tally.violation("no worker: \($0)") }
        pool = SandboxPool(options, observer: observer, resolve: names.lookUp)
    }

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        switch question {
        case .signatures(let handle, let most):
            guard let message = handle.message else { throw StageFailure("no message") }
            return .signatures(try await pool.signatures(on: message, most: most))
        case .senderPolicy(let question): return .senderPolicy(try await pool.senderPolicy(question))
        default: return try await names.answer(question)
        }
    }
}

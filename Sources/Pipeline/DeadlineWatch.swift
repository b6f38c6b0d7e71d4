import Synchronization

/// Calls back when a time has come, a twentieth of a second later at most.
///
/// Nearly all deadlines are never reached. A timer for each question of each message would cost more than most of the
/// answers, and stay in memory until its time; here a deadline that is not needed any more is just forgotten, and one
/// task looks after all that are left.
final class DeadlineWatch: Sendable {
    /// For cancelling.
    struct Ticket: Sendable, Hashable {
        fileprivate let turn: Int
        fileprivate let number: UInt64
    }

    private struct State {
        /// By the turn in which they are due.
        var waiting: [Int: [UInt64: @Sendable () -> Void]] = [:]
        var last: UInt64 = 0
        /// Turns before this one are over.
        var turn = 0
        var isRunning = false
    }

    static let shared = DeadlineWatch()

    /// From one look at what is due to the next.
    private static let pace = Duration.milliseconds(20)
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    /// `late` is called once, unless it is cancelled before.
    func call(at deadline: ContinuousClock.Instant, _ late: @escaping @Sendable () -> Void) -> Ticket {
        let turn = turn(of: deadline) + 1
        let (ticket, begins) = state.withLock { state in
            state.last &+= 1
            // What is due already is called in the next turn.
            let ticket = Ticket(turn: max(turn, state.turn), number: state.last)
            state.waiting[ticket.turn, default: [:]][ticket.number] = late
            defer { state.isRunning = true }
            return (ticket, !state.isRunning)
        }
        if begins { Task { await run() } }
        return ticket
    }

    func cancel(_ ticket: Ticket) {
        state.withLock { state in
            state.waiting[ticket.turn]?[ticket.number] = nil
            if state.waiting[ticket.turn]?.isEmpty == true { state.waiting[ticket.turn] = nil }
        }
    }

    /// How many deadlines there are.
    var count: Int { state.withLock { $0.waiting.values.reduce(0) { $0 + $1.count } } }

    /// The turns that were over at that time; long deadlines end with the far future.
    private func turn(of time: ContinuousClock.Instant) -> Int {
        let turns = (time - start) / Self.pace
        return turns < Double(Int32.max) ? max(0, Int(turns)) : Int(Int32.max)
    }

    private func run() async {
        while true {
            let now = turn(of: .now)
            let (due, isOver) = state.withLock { state in
                let turns = state.waiting.keys.filter { $0 <= now }
                let due = turns.flatMap { state.waiting.removeValue(forKey: $0)?.values.map { $0 } ?? [] }
                state.turn = now + 1
                if state.waiting.isEmpty { state.isRunning = false }
                return (due, state.waiting.isEmpty)
            }
            for late in due { late() }
            if isOver { return }
            try? await Task.sleep(for: Self.pace)
        }
    }
}

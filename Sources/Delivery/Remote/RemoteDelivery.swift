import MailTypes
import NIOCore
import Queue
import Synchronization

/// Works that go to other servers: they wait per destination, and workers take them.
///
/// A worker that has a connection waits a little for the next message before it ends, so that messages
/// to one place share it. Both the workers of one destination and all of them are limited.
final class RemoteDelivery: Sendable {
    typealias Perform = @Sendable (Work, RemoteWorker) async -> Reply?

    private struct Lane {
        var waiting: ArraySlice<Work> = []
        /// Workers with a connection and nothing to do.
        var idle: [(number: Int, wake: CheckedContinuation<Work?, Never>)] = []
        var workers = 0
    }

    private struct State {
        var lanes: [QueueDestination: Lane] = [:]
        var workers = 0
        var lastNumber = 0
        var isStopped = false
    }

    private let surroundings: RemoteSurroundings
    /// Delivers one work and settles it; a reply says why the destination cannot be reached just now.
    private let perform: Perform
    /// What to do with works that are not tried, and why nobody can be reached; `nil`: the server stops.
    private let giveBack: @Sendable ([Work], Reply?) -> Void
    private let onRoom: @Sendable () -> Void
    private let state = Mutex(State())

    init(
        _ surroundings: RemoteSurroundings, perform: @escaping Perform,
        giveBack: @escaping @Sendable ([Work], Reply?) -> Void, onRoom: @escaping @Sendable () -> Void
    ) {
        self.surroundings = surroundings
        self.perform = perform
        self.giveBack = giveBack
        self.onRoom = onRoom
    }

    private var options: DeliveryOptions { surroundings.options }

    /// Destinations that can take no more works just now.
    var full: Set<QueueDestination> {
        state.withLock { state in
            Set(state.lanes.filter { $0.value.waiting.count >= options.maxWaitingPerDestination }.keys)
        }
    }

    /// Workers that are there, idle ones included.
    var workers: Int { state.withLock { $0.workers } }

    func offer(_ work: Work) {
        var needsWorker = false
        var awakened: (CheckedContinuation<Work?, Never>, Work?)?
        state.withLock { state in
            var lane = state.lanes[work.destination] ?? Lane()
            if let idle = lane.idle.popLast() {
                awakened = (idle.wake, work)
            } else {
                lane.waiting.append(work)
                if lane.workers < options.maxConnectionsPerDestination {
                    if state.workers < options.maxConnections {
                        lane.workers += 1
                        state.workers += 1
                        needsWorker = true
                    } else if let spare = Self.takeIdle(&state) {
                        // Somebody's idle connection makes room; this lane's worker begins when that one has ended.
                        awakened = (spare, nil)
                    }
                }
            }
            state.lanes[work.destination] = lane
        }
        awakened?.0.resume(returning: awakened?.1)
        if needsWorker { begin(work.destination) }
    }

    /// Ends idle workers and gives back what waits. Works under way go on.
    func stop() {
        let (waiting, idle) = state.withLock { state in
            state.isStopped = true
            var waiting: [Work] = []
            var idle: [CheckedContinuation<Work?, Never>] = []
            for destination in state.lanes.keys {
                waiting += state.lanes[destination]?.waiting ?? []
                idle += state.lanes[destination]?.idle.map(\.wake) ?? []
                state.lanes[destination]?.waiting = []
                state.lanes[destination]?.idle = []
            }
            return (waiting, idle)
        }
        for wake in idle { wake.resume(returning: nil) }
        giveBack(waiting, nil)
    }

    // MARK: Workers

    private func begin(_ destination: QueueDestination) {
        Task {
            let worker = RemoteWorker(destination, self.surroundings)
            while let work = await self.next(destination, isConnected: worker.isConnected) {
                if let reply = await self.perform(work, worker) {
                    self.giveBack(self.takeWaiting(destination), reply)
                }
            }
            worker.close()
            self.ended(destination)
        }
    }

    /// The next work for a worker; `nil`: it is not needed any more.
    private func next(_ destination: QueueDestination, isConnected: Bool) async -> Work? {
        await withCheckedContinuation { (continuation: CheckedContinuation<Work?, Never>) in
            var isEnd = false
            var number: Int?
            var hasRoom = false
            let work = state.withLock { state -> Work? in
                let count = state.lanes[destination]?.waiting.count ?? 0
                if let work = state.lanes[destination]?.waiting.popFirst() {
                    hasRoom = count == options.maxWaitingPerDestination
                    return work
                }
                guard isConnected, !state.isStopped, options.idleTime.seconds > 0 else {
                    isEnd = true
                    return nil
                }
                state.lastNumber &+= 1
                number = state.lastNumber
                state.lanes[destination]?.idle.append((state.lastNumber, continuation))
                return nil
            }
            if hasRoom { onRoom() }
            if work != nil || isEnd { continuation.resume(returning: work) }
            if let number { wakeLater(destination, number) }
        }
    }

    private func wakeLater(_ destination: QueueDestination, _ number: Int) {
        surroundings.group.next().scheduleTask(in: .nanoseconds(options.idleTime.nanoseconds)) {
            let wake = self.state.withLock { state -> CheckedContinuation<Work?, Never>? in
                guard let place = state.lanes[destination]?.idle.firstIndex(where: { $0.number == number }) else {
                    return nil
                }
                return state.lanes[destination]?.idle.remove(at: place).wake
            }
            wake?.resume(returning: nil)
        }
    }

    private func ended(_ destination: QueueDestination) {
        let next = state.withLock { state -> QueueDestination? in
            state.workers -= 1
            if var lane = state.lanes[destination] {
                lane.workers -= 1
                state.lanes[destination] = lane.workers == 0 && lane.waiting.isEmpty ? nil : lane
            }
            // A lane that had to wait for a place, those without any worker first.
            let starved = state.lanes.filter {
                !$0.value.waiting.isEmpty && $0.value.workers < options.maxConnectionsPerDestination
            }
            guard let next = starved.min(by: { $0.value.workers < $1.value.workers })?.key else { return nil }
            state.lanes[next]?.workers += 1
            state.workers += 1
            return next
        }
        if let next { begin(next) }
        onRoom()
    }

    private func takeWaiting(_ destination: QueueDestination) -> [Work] {
        state.withLock { state in
            defer { state.lanes[destination]?.waiting = [] }
            return Array(state.lanes[destination]?.waiting ?? [])
        }
    }

    private static func takeIdle(_ state: inout State) -> CheckedContinuation<Work?, Never>? {
        guard let destination = state.lanes.first(where: { !$0.value.idle.isEmpty })?.key else { return nil }
        return state.lanes[destination]?.idle.removeFirst().wake
    }
}

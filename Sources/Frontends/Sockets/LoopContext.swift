import NIOCore

/// Runs tasks on an event loop, so that a question to the chain costs one hop and its answer none.
final class LoopTaskExecutor: TaskExecutor {
    private let loop: any EventLoop
    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Something with deadlines that is looked at now and then.
protocol Ticking: AnyObject {
    /// Closes or punishes what has taken too long at `now`.
    func tick(_ now: NIODeadline)
}

/// Something that ends when the server stops.
protocol Stoppable: AnyObject {
    /// Ends as soon as what is under way is over.
    func stop()
    /// Ends at once.
    func stopNow()
}

/// What the connections of one event loop share: the executor of their tasks, and one coarse clock
/// that looks at all of them instead of a timer for each.
final class LoopContext {
    let loop: any EventLoop
    let executor: LoopTaskExecutor
    private let interval: TimeAmount
    private var members: [ObjectIdentifier: any Ticking] = [:]
    private var isTicking = false

    /// - Parameter interval: How often deadlines are looked at; they are met that coarsely.
    init(_ loop: any EventLoop, interval: TimeAmount) {
        self.loop = loop
        self.interval = interval
        executor = LoopTaskExecutor(loop)
    }

    var count: Int { members.count }
    var all: [any Ticking] { Array(members.values) }

    func add(_ member: any Ticking) {
        members[ObjectIdentifier(member)] = member
        guard !isTicking else { return }
        isTicking = true
        schedule()
    }

    func remove(_ member: any Ticking) { members[ObjectIdentifier(member)] = nil }

    private func schedule() {
        loop.assumeIsolated().scheduleTask(in: interval) { self.tick() }
    }

    private func tick() {
        guard !members.isEmpty else {
            isTicking = false
            return
        }
        let now = NIODeadline.now()
        for member in all { member.tick(now) }
        schedule()
    }
}

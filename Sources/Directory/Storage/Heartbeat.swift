import Foundation
import MailTypes

/// A thread that does one thing again and again: each interval, and earlier when it is woken.
final class Heartbeat: @unchecked Sendable {
    // Everything below is read and written under `condition`.
    private let condition = NSCondition()
    private var isAwake = false
    private var isStopping = false
    private var isRunning = true
    private var thread: Thread?

    init(name: String, every interval: Interval, _ beat: @escaping @Sendable () -> Void) {
        let thread = Thread { [self] in
            while wait(interval) { beat() }
            condition.lock()
            isRunning = false
            self.thread = nil
            condition.broadcast()
            condition.unlock()
        }
        thread.name = name
        self.thread = thread
        thread.start()
    }

    /// Makes the next beat come at once.
    func wake() {
        condition.lock()
        isAwake = true
        condition.broadcast()
        condition.unlock()
    }

    /// Waits for a beat under way, unless it is the beat that calls; there will be no other.
    func stop() {
        condition.lock()
        defer { condition.unlock() }
        isStopping = true
        condition.broadcast()
        while isRunning, thread !== Thread.current { condition.wait() }
    }

    /// `false`: the end.
    private func wait(_ interval: Interval) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        let end = Date(timeIntervalSinceNow: interval.seconds)
        while !isAwake, !isStopping, condition.wait(until: end) {}
        isAwake = false
        return !isStopping
    }
}

import Foundation

/// Wakes the one thread that sleeps at it.
///
/// A ring before the sleep is not lost; several are one.
final class Bell: @unchecked Sendable {
    // Used under `condition` only.
    private var isRung = false
    private let condition = NSCondition()

    func ring() {
        condition.lock()
        isRung = true
        condition.signal()
        condition.unlock()
    }

    /// Sleeps until it is rung.
    func wait() {
        condition.lock()
        while !isRung { condition.wait() }
        isRung = false
        condition.unlock()
    }
}

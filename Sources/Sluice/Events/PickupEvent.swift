import MailTypes
import Queue

/// Runs one program on every message that was taken, beside its delivery.
struct PickupEvent: Sendable {
    let desk: EventDesk
    let program: String
    /// Whether it is run for bulk and system mail as well.
    let runsOnBulk: Bool
    let reporter: EventReporter

    /// Does not wait for it.
    func begin(_ submission: Submission) {
        Task.detached {
            let message = EventMessage(submission)
            if !runsOnBulk, let mark = message.mark(message.header) {
                return reporter.noteBulk(.pickup, program, message, mark)
            }
            reporter.note(.pickup, program, message, await desk.run(.pickup, program, on: message))
        }
    }
}

import Directory
import Foundation
import Logging
import MailTypes
import Pipeline
import Queue

/// Carries out `sluice queue reroute`, one message after another: what is found for one is changed before the next is
/// looked at.
struct RerouteDesk: Sendable {
    let queue: MailQueue
    let directory: MailDirectory
    let hostname: String
    /// The chain as it is when it is asked.
    let chain: @Sendable () -> Chain
    var logger: Logger?

    /// - Parameter actor: Who the audit log says it was.
    func answer(_ id: QueueID, isTrial: Bool, by actor: String) async -> ControlAnswer {
        let listing: QueueListing
        do throws(QueueFailure) { listing = try queue.show(id) } catch { return ControlAnswer(error) }
        var plan: Rerouter.Plan
        do throws(StageFailure) {
            plan = try await Rerouter(directory: directory, chain: chain(), hostname: hostname).plan(listing)
        } catch { return .failed("Its routes cannot be found now: \(error.reason).", isTemporary: true) }
        guard !isTrial, !plan.changes.isEmpty else { return .rerouted(plan.report) }
        do throws(QueueFailure) {
            plan.report.note(changed: try await queue.reroute(id, plan.changes, now: Date()))
        } catch { return ControlAnswer(error) }
        let changed = plan.report.recipients.filter { $0.outcome == .changed }
        guard !changed.isEmpty else { return .rerouted(plan.report) }
        logger?.notice(
            "queue changed", metadata: ["id": "\(id)", "change": "reroute", "recipients": "\(changed.count)"])
        do throws(DirectoryError) {
            try directory.change(by: actor) { changes in
                try changes.noteReroute(
                    of: id.description, before: changed.map { ["\($0.address)": [$0.before]] },
                    after: changed.map { ["\($0.address)": $0.after] })
            }
        } catch {
            logger?.error(
                "a change of the queue is not in the audit log", metadata: ["id": "\(id)", "error": "\(error)"])
            return .failed("Rerouted \(id), but that is not in the audit log: \(error)", isTemporary: true)
        }
        return .rerouted(plan.report)
    }
}

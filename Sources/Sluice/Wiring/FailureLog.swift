import Logging
import Pipeline

extension Trace {
    /// Tells of each stage that could not decide about a transaction. The log samples such lines per stage, so that a
    /// service which is down does not fill it.
    func tellFailures(to logger: Logger) {
        var told: Set<[String]> = []
        for step in steps {
            guard let failure = step.failure, told.insert([step.file, failure.reason]).inserted else { continue }
            logger.warning(
                "stage could not decide",
                metadata: [
                    "client": "\(session.client)", "id": "\(id)", "stage": "\(step.stage)",
                    "phase": "\(step.phase.rawValue)", "reason": "\(failure.reason)",
                    "then": "\(step.onFailure?.rawValue ?? "shadow")",
                ])
        }
    }
}

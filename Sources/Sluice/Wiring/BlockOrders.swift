import Directory
import Logging
import Pipeline

extension Trace {
    /// What follows from a transaction beside its mail: failures are told, and whom a stage has asked to keep from
    /// sending is kept from it.
    func follow(in directory: MailDirectory, _ logger: Logger) {
        tellFailures(to: logger)
        var asked: Set<SendParty> = []
        for (stage, order) in blockOrders where asked.insert(order.party).inserted {
            let metadata: Logger.Metadata = [
                "id": "\(id)", "stage": "\(stage)", "who": "\(order.party)", "reason": "\(order.reason)",
            ]
            Task {
                do throws(StageFailure) {
                    try await directory.block(order, by: "stage:\(stage)")
                    logger.warning("sender blocked", metadata: metadata)
                } catch {
                    // What is counted stays: the next message asks again.
                    let error: Logger.Metadata = ["error": "\(error.reason)"]
                    logger.error("sender cannot be blocked", metadata: metadata.merging(error) { own, _ in own })
                }
            }
        }
    }
}

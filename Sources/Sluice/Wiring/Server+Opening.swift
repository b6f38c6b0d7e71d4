import Configuration
import Directory
import Foundation
import Frontends
import Logging
import Queue

// What a server opens before it serves.
extension Server {
    static func openStores(
        _ data: DataFolder, _ settings: ServerConfiguration, _ logger: Logger
    ) throws -> (MailQueue, MailDirectory, StageMemoryStore, LessonStore, TraceKeeper) {
        let (queue, report) = try openQueue(data, settings)
        logger.info(
            "queue opened", metadata: ["messages": "\(report.messages)", "recipients": "\(report.recipients)"])
        for damage in report.damages { logger.error("damage in the queue", metadata: ["place": "\(damage)"]) }
        return try told {
            let traces = TraceKeeper(
                try Stores.traces(in: data, settings) { reason in
                    logger.warning("traces are not written", metadata: ["reason": "\(reason)"])
                }, settings.trace)
            return (
                queue, try Stores.directory(in: data, settings), try Stores.memory(in: data, settings),
                try Stores.lessons(in: data, logger), traces
            )
        }
    }

    private static func openQueue(
        _ data: DataFolder, _ settings: ServerConfiguration
    ) throws -> (MailQueue, RecoveryReport) {
        do {
            return try MailQueue.open(
                data.queue, files: LinuxFileSystem(), options: QueueOptions(settings), now: Date())
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Without certificates it is empty: a reload may bring some.
    static func certificates(_ settings: ServerConfiguration) throws -> CertificateStore {
        do { return try CertificateStore(settings.certificateFiles) } catch {
            throw CommandFailure.wrong("A certificate cannot be used: \(error)")
        }
    }
}

import Configuration
import Directory
import Foundation
import Logging
import MailTypes
import Queue
import Sandbox

/// The programs of a running server: those of mailboxes, and the one of the pickup event.
struct Eventing {
    let desk: EventDesk
    let reporter: EventReporter
    let deliveries: DeliveryEvents

    init(
        _ settings: ServerConfiguration, in data: DataFolder, _ directory: MailDirectory, _ traces: TraceKeeper,
        _ logger: Logger
    ) {
        desk = EventDesk(EventDesk.Options(settings, in: data))
        reporter = EventReporter(logger, traces)
        deliveries = DeliveryEvents(
            desk, directory, runsOnBulk: settings.events.deliveryBulk, reporter: reporter)
    }

    /// From now on the pickup event is for what the queue takes, where one is configured.
    func watch(_ queue: MailQueue, _ settings: ServerConfiguration.Events) {
        guard !settings.pickup.isEmpty else { return }
        let event = PickupEvent(
            desk: desk, program: settings.pickup, runsOnBulk: settings.pickupBulk, reporter: reporter)
        queue.onAccepted { submissions in for submission in submissions { event.begin(submission) } }
    }

    func close() { desk.close() }
}

extension EventDesk.Options {
    init(_ settings: ServerConfiguration, in data: DataFolder) {
        let events = settings.events
        self.init(hostname: settings.hostname, folder: events.folder, temporary: data.temporary + "/events")
        limits.timeout = events.timeout
        limits.memory = events.memory
        limits.fileSize = events.maxFile
        limits.isIsolated = events.isolated
        limits.readable = [events.folder] + events.readable
        limits.writable = events.writable
        atOnce = events.atOnce
        mostWaiting = events.maxWaiting
        maxSize = events.maxMessage.octets
    }
}

import Foundation
import MailTypes

/// Reads the journal when the queue is opened. `docs/queue.md`, "Recovery", has the steps.
final class Recovery {
    let directory: String
    let files: any FileSystem
    let options: QueueOptions
    let now: Int64
    private(set) var lock: (any FileLock)?
    var state: QueueState
    var report = RecoveryReport()
    /// Records to be written once the lanes run.
    var changes: [(message: IndexedMessage, run: RecordRun)] = []
    private(set) var hasSpare = false
    private var suspects: Set<QueueID> = []

    init(
        _ directory: String, files: any FileSystem, options: QueueOptions, now: Date
    ) throws(QueueFailure) {
        self.directory = directory
        self.files = files
        self.options = options
        self.now = now.milliseconds
        state = QueueState(inFlight: InFlightTable(nil), recentLimit: options.recentLimit)
        _ = state.time.at(self.now)
        if !options.isReadOnly {
            try QueueFailure.converting { () throws(SystemError) in try files.makeDirectory(directory) }
        }
        let path = "\(directory)/\(QueueLayout.lock)"
        let isShared = options.isReadOnly
        lock = try QueueFailure.converting { () throws(SystemError) in try files.lock(path, isShared: isShared) }
        guard lock != nil else { throw .locked(pid: files.lockHolder(path)) }
        guard !options.isReadOnly else { return }
        try QueueFailure.converting { () throws(SystemError) in
            try files.makeDirectory("\(directory)/\(QueueLayout.bodies)")
            try files.makeDirectory("\(directory)/\(QueueLayout.corrupt)")
            try files.synchronizeDirectory(directory)
            try files.synchronizeDirectory("\(directory)/..")
        }
    }

    func run() throws(QueueFailure) {
        openInFlightTable()
        findSpare()
        try readSegments()
        do throws(SystemError) {
            try checkBodies()
        } catch {
            throw QueueFailure(error)
        }
        judgeSuspects()
        for message in state.messages.values where !message.isHeld { state.enqueue(message) }
        report.messages = state.counts.messages
        report.recipients = state.counts.recipients
        report.segments = state.segments.count
    }

    /// The spare segment of the last run: it got its name when it was whole, and loses it before it is used.
    private func findSpare() {
        guard !options.isReadOnly else { return }
        try? files.remove("\(directory)/\(QueueLayout.newSpare)")
        let path = "\(directory)/\(QueueLayout.spare)"
        guard let descriptor = try? files.open(path, create: false, isReadOnly: true) else { return }
        hasSpare = (try? files.size(descriptor)) == options.segmentSize
        try? files.close(descriptor)
        if !hasSpare { try? files.remove(path) }
    }

    private func openInFlightTable() {
        guard !options.isReadOnly else { return }
        // Without it nobody is suspected, and mail flows all the same.
        let memory = try? files.sharedMemory("\(directory)/\(QueueLayout.inFlight)", count: InFlightTable.octets)
        if let memory { suspects = InFlightTable.leftovers(memory) }
        state.inFlight = InFlightTable(memory)
    }

    /// Messages that were being delivered when the process died.
    private func judgeSuspects() {
        for id in suspects.sorted() {
            guard let message = state.messages[id] else { continue }
            message.crashes = message.crashes == .max ? .max : message.crashes + 1
            report.interrupted.append(id)
            var run = RecordRun()
            run.append(.crashed) { writer in
                writer.put(id)
                writer.put(message.crashes)
            }
            if message.crashes >= options.crashLimit, !message.isHeld {
                let reason = "\(message.crashes) times the server has died while delivering it"
                _ = state.hold(message, reason: reason)
                run.appendHeld(id, reason: reason)
                report.setAside.append(id)
            }
            changes.append((message, run))
        }
    }

    /// Body files without a message go; messages without their body are held.
    private func checkBodies() throws(SystemError) {
        let folder = "\(directory)/\(QueueLayout.bodies)"
        let names = options.isReadOnly ? (try? files.list(folder)) ?? [] : try files.list(folder)
        var present: Set<QueueID> = []
        for name in names {
            if let id = QueueID(name), state.messages[id]?.hasBodyFile == true {
                present.insert(id)
            } else if !options.isReadOnly {
                try? files.remove("\(folder)/\(name)")
            }
        }
        for message in state.messages.values where message.hasBodyFile && !present.contains(message.id) {
            report.damages.append(
                .init(
                    file: QueueLayout.body(message.id, in: directory), offset: 0, count: message.contentCount,
                    reason: "the body file is missing"))
            _ = state.hold(message, reason: "its body file is missing")
        }
    }
}

import Foundation
public import MailTypes
public import Pipeline

/// Who is told what becomes of scanners, on their threads.
public struct ScannerObserver: Sendable {
    public var workers = SandboxObserver()
    public var news: @Sendable (ScannerNews) -> Void = { _ in }
    public init() {}
}

/// libclamav, as the server uses it: it answers ``Question/scan(_:by:)``.
public final class ScannerPool: Sendable {
    private let line: JobLine
    private let slots: [WorkerSlot]
    private let templates: ScannerTemplates
    private let observer: ScannerObserver
    private let folder: ScanFolder

    /// Nothing is loaded before ``use(_:)`` is told to. `options` say how many scanners there are; what they say of
    /// databases and limits is what ``use(_:)`` is given.
    public init(
        _ options: ScannerOptions = ScannerOptions(), _ sandbox: SandboxOptions = SandboxOptions(),
        observer: ScannerObserver = ScannerObserver()
    ) {
        var slotOptions = sandbox
        slotOptions.jobsPerWorker = options.scansPerWorker
        slotOptions.jobTimeout = options.timeout
        slotOptions.workers = options.workers
        let line = JobLine(workers: max(1, options.workers), limit: max(1, sandbox.maxWaiting))
        let templates = ScannerTemplates(sandbox, observer: observer)
        (self.line, self.templates, self.observer) = (line, templates, observer)
        folder = ScanFolder(in: options.folder)
        slots = (0..<max(1, options.workers)).map { [slotOptions] number in
            WorkerSlot(
                number, of: line, slotOptions, observer: observer.workers,
                make: { () throws(WorkerStartFailure) in try templates.template().scanner() },
                known: { _, _ in nil }, resolve: { _, _ in .failed })
        }
        for slot in slots { slot.start() }
        templates.start()
    }

    deinit { stop() }

    /// Scans with these databases and limits from now on, once they are loaded; `nil`: nobody scans. Databases that
    /// have changed are loaded anew, beside those in use.
    public func use(_ options: ScannerOptions?) {
        var options = options
        options?.folder = folder.path
        templates.use(options)
    }

    /// Waits until what was asked for last is in use or cannot be.
    public func settle(within limit: Interval) async {
        await withCheckedContinuation { continuation in
            let thread = Thread { [templates] in
                templates.settle(within: limit.seconds)
                continuation.resume()
            }
            thread.start()
        }
    }

    public func stop() {
        for job in line.close() { job.finish(.failure(SandboxPool.stopped)) }
        templates.stop()
        // A server that ends does not wait until everybody has let go of it.
        folder.remove()
    }

    public var state: ScannerState { templates.state }

    /// The processes of the scanners that there are.
    public var processes: [Int] { slots.map { Int($0.process) }.filter { $0 > 0 } }

    /// The process that scanners are copies of.
    var template: pid_t? { templates.process }
    /// Where they unpack.
    var folderPath: String { folder.path }

    /// What libclamav finds in the message.
    public func scan(_ message: Message) async throws(StageFailure) -> ScanReport {
        if let reason = templates.reason {
            observer.workers.finished(.failed)
            throw StageFailure("nothing is scanned: \(reason)")
        }
        let job = SandboxJob(.scan(size: message.size), .message(message))
        let report = try await line.perform(job) { [observer] in observer.workers.finished(.refused) }
        guard case .scan(let names) = report else { throw SandboxPool.mixedUp }
        let state = state
        let versions = state.databases.versions
        let scanner = "libclamav \(state.version ?? "")" + (versions.isEmpty ? "" : " (\(versions))")
        return ScanReport(names, by: scanner)
    }
}

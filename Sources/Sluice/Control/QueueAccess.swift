import Configuration
import Directory
import Foundation
import MailTypes
import Queue

/// The queue as the command line reaches it: through the running server, or where it lies.
struct QueueAccess {
    let settings: ServerConfiguration

    private var data: DataFolder { DataFolder(settings) }

    /// Messages asked for at once; a large queue comes in pieces.
    private static let page = 1000

    func all() async throws -> [QueueListing] {
        var listings: [QueueListing] = []
        while true {
            let after = listings.last?.id
            let next = try list(after: after)
            listings += next
            if next.count < Self.page { return listings }
        }
    }

    private func list(after: QueueID?) throws -> [QueueListing] {
        switch try ControlClient(data: data).ask(.queueList(after: after, limit: Self.page)) {
        case .listings(let listings): return listings
        case let other?: throw unexpected(other)
        case nil: return try offline(isReadOnly: true) { $0.list(after: after, limit: Self.page) }
        }
    }

    func show(_ id: QueueID) async throws -> QueueListing {
        switch try ControlClient(data: data).ask(.queueShow(id)) {
        case .listings(let listings):
            guard let one = listings.first else {
                throw CommandFailure.wrong("There is no message \(id) in the queue.")
            }
            return one
        case let other?: throw unexpected(other)
        case nil: return try offline(isReadOnly: true) { try $0.show(id) }
        }
    }

    /// A message as it lies in the queue.
    func content(of id: QueueID) async throws -> [UInt8] {
        switch try ControlClient(data: data).ask(.queueContent(id)) {
        case .content(let octets): return Array(octets)
        case let other?: throw unexpected(other)
        case nil: return try offline(isReadOnly: true) { try $0.read(id).content.array }
        }
    }

    /// What is in the queue of what came in one transaction, in the order of its copies.
    func copies(of transaction: TransactionID) async throws -> [QueueListing] {
        let first = QueueID(transaction)
        // The first may be done while others wait.
        var found = (try? await show(first)).map { [$0] } ?? []
        while true {
            let own = try list(after: found.last?.id ?? first).prefix { $0.id.transaction == transaction }
            found += own
            if own.count < Self.page { break }
        }
        guard !found.isEmpty else {
            throw CommandFailure.unknown("There is nothing of \(transaction) in the queue.")
        }
        return found
    }

    /// Why these are held, as far as they are.
    func held(among ids: [QueueID]) async throws -> [QueueID: String] {
        var held: [QueueID: String] = [:]
        for id in ids { held[id] = try await show(id).holdReason }
        return held
    }

    /// The messages that somebody has named.
    func ids(of arguments: [QueueIDArgument]) async throws -> [QueueID] {
        var ids: [QueueID] = []
        for argument in arguments {
            switch argument {
            case .message(let id): ids.append(id)
            case .transaction(let transaction): ids += try await copies(of: transaction).map(\.id)
            }
        }
        // One message may be named twice, by its own id and by its transaction's.
        var seen: Set<QueueID> = []
        return ids.filter { seen.insert($0).inserted }
    }

    /// Answers the recipients that are being delivered just now, for whom a removal or a bounce may have come too late.
    func change(_ change: QueueChange, _ id: QueueID) async throws -> [QueueAttempt] {
        switch try ControlClient(data: data).ask(.queueChange(change, id)) {
        case .done: return []
        case .underWay(let attempts): return attempts
        case let other?: throw unexpected(other)
        case nil: break
        }
        guard change != .bounce else {
            throw CommandFailure.again(
                "The server is not running, and it is the server that writes reports. Start it first.")
        }
        // What is due at once is not written down: a server that starts goes by its schedule.
        guard change != .retry else {
            throw CommandFailure.again("The server is not running, so nothing can be tried now. Start it first.")
        }
        let queue = try open(isReadOnly: false)
        defer { queue.close() }
        do throws(QueueFailure) {
            try await queue.apply(change, to: id, now: Date())
        } catch {
            throw CommandFailure(error)
        }
        return []
    }

    /// Gives a message's recipients the routes that they would get now; only tells of them where it `isTrial`.
    /// - Parameter load: The configuration, where no server is there that has it.
    func reroute(
        _ id: QueueID, isTrial: Bool, load: () throws -> LoadedConfiguration
    ) async throws -> RerouteReport {
        var answer = try ControlClient(data: data).ask(.queueReroute(id, isTrial: isTrial, by: DirectoryOptions.actor))
        if answer == nil {
            let chain = try load().usable().chain
            let folder = try data.entered()
            let directory = try told { try Stores.directory(in: folder, settings) }
            defer { directory.close() }
            let queue = try open(isReadOnly: isTrial)
            defer { queue.close() }
            answer = await RerouteDesk(
                queue: queue, directory: directory, hostname: settings.hostname, chain: { chain }
            ).answer(id, isTrial: isTrial, by: DirectoryOptions.actor)
        }
        switch answer {
        case .rerouted(let report)?: return report
        case let other?: throw unexpected(other)
        case nil: throw CommandFailure.again("There is neither a server nor a queue.")
        }
    }

    /// How long a command waits for attempts under way. Most take a second; one can take many minutes.
    static let patience = Duration.seconds(30)
    static let pause = Duration.milliseconds(100)

    /// Waits until these attempts have ended, or patience has.
    func ends(of attempts: [QueueID: [QueueAttempt]]) async throws -> [QueueID: [QueueAttempt]] {
        var attempts = attempts
        let deadline = ContinuousClock.now + Self.patience
        while true {
            let open = attempts.filter { $0.value.contains { $0.end == nil } }.keys
            for id in open {
                // A server that stops meanwhile tells no more.
                guard case .attempts(let ends)? = try ControlClient(data: data).ask(.queueAttempts(id)) else {
                    return attempts
                }
                for place in attempts[id, default: []].indices {
                    if let number = attempts[id]?[place].number { attempts[id]?[place].end = ends[number] }
                }
            }
            if open.isEmpty || ContinuousClock.now >= deadline { return attempts }
            try await Task.sleep(for: Self.pause)
        }
    }

    private func offline<Result>(isReadOnly: Bool, _ body: (MailQueue) throws -> Result) throws -> Result {
        let queue = try open(isReadOnly: isReadOnly)
        defer { queue.close() }
        do { return try body(queue) } catch let failure as QueueFailure { throw CommandFailure(failure) }
    }

    private func open(isReadOnly: Bool) throws -> MailQueue {
        var options = QueueOptions(settings)
        options.isReadOnly = isReadOnly
        let folder = try data.entered()
        do {
            return try MailQueue.open(folder.queue, files: LinuxFileSystem(), options: options, now: Date()).0
        } catch {
            throw CommandFailure(error)
        }
    }

    private func unexpected(_ answer: ControlAnswer) -> CommandFailure {
        switch answer {
        case .failed(let reason, let isTemporary): isTemporary ? .again(reason) : .wrong(reason)
        case .unknown(let reason): .unknown(reason)
        default: .again("The server has answered something else; is it of another version?")
        }
    }
}

extension ControlAnswer {
    init(_ failure: QueueFailure) {
        let told = CommandFailure(failure)
        let isTemporary = told.code == ExitCodes.again
        self = told.isUnknown ? .unknown(told.message) : .failed(told.message, isTemporary: isTemporary)
    }

    init(contentOf id: QueueID, in queue: MailQueue) {
        do throws(QueueFailure) { self = .content(Data(try queue.read(id).content.array)) } catch { self.init(error) }
    }
}

extension MailQueue {
    /// Does what `sluice queue` asks, apart from what needs a report to be written.
    func apply(_ change: QueueChange, to id: QueueID, now: Date) async throws(QueueFailure) {
        switch change {
        case .retry: try retry(id, now: now)
        case .hold:
            // The first reason is the one to look after.
            if (try? show(id))?.holdReason == nil { try await hold(id, reason: "held by an operator") }
        case .release: try await release(id, now: now)
        case .remove: try await remove(id)
        case .bounce: break
        }
    }
}

extension QueueListing {
    /// These of its recipients, being delivered.
    func attempts(_ numbers: [Int]) -> [QueueAttempt] {
        numbers.filter(recipients.indices.contains).map {
            QueueAttempt(number: $0, recipient: recipients[$0].recipient.address)
        }
    }
}

extension CommandFailure {
    init(_ failure: QueueFailure) {
        let sentence = failure.description.prefix(1).uppercased() + failure.description.dropFirst() + "."
        switch failure {
        case .unknown: self = .unknown(sentence)
        case .inUse, .malformed, .damaged, .newerFormat: self = .wrong(sentence)
        case .outOfSpace, .unavailable, .closed, .locked: self = .again(sentence)
        }
    }
}

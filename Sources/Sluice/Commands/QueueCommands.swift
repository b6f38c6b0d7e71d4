import ArgumentParser
import Configuration
import Foundation
import MailTypes
import Queue

struct QueueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue", abstract: "Look at the queue, and change what happens to its messages.",
        discussion: "A running server is asked; without one the queue is read, and changed, where it lies.",
        subcommands: [
            List.self, Show.self, Retry.self, Reroute.self, Hold.self, Release.self, Remove.self, Bounce.self,
        ])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the messages with next retry, last reply and reason per recipient.")
        @OptionGroup var place: QueueOptionsGroup
        @OptionGroup var output: OutputOptions

        func run() async throws {
            let listings = try await place.access().all()
            if output.json {
                print(try Terminal.json(listings.map(QueueReport.init)))
            } else if listings.isEmpty {
                print("The queue is empty.")
            } else {
                print(listings.map { QueueReport($0).text }.joined(separator: "\n"))
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one message of the queue.")
        @OptionGroup var place: QueueOptionsGroup
        @OptionGroup var output: OutputOptions
        @Argument(help: "Its id; or a transaction's, for all its copies (a list in JSON).") var id: QueueIDArgument

        func run() async throws {
            switch id {
            case .message(let id):
                let report = QueueReport(try await place.access().show(id))
                print(output.json ? try Terminal.json(report) : report.text)
            case .transaction(let id):
                let reports = try await place.access().copies(of: id).map(QueueReport.init)
                print(output.json ? try Terminal.json(reports) : reports.map(\.text).joined(separator: "\n"))
            }
        }
    }

    struct Retry: QueueChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Try messages now instead of later.")
        static let change = QueueChange.retry
        @OptionGroup var messages: QueueRange
    }

    struct Hold: QueueChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Hold messages until they are released.")
        static let change = QueueChange.hold
        @OptionGroup var messages: QueueChoice
    }

    struct Release: QueueChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Let held messages go on.")
        static let change = QueueChange.release
        @OptionGroup var messages: QueueChoice
    }

    struct Remove: QueueChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Take messages out of the queue; nobody is told.")
        static let change = QueueChange.remove
        @OptionGroup var messages: QueueChoice
    }

    struct Bounce: QueueChangeCommand {
        static let configuration = CommandConfiguration(abstract: "Give messages up now and tell their senders.")
        static let change = QueueChange.bounce
        @OptionGroup var messages: QueueChoice
    }
}

/// A message of the queue on the command line.
enum QueueIDArgument: ExpressibleByArgument {
    case message(QueueID)
    /// Every copy of what came in it: its id is what replies and most log lines show.
    case transaction(TransactionID)

    init?(argument: String) {
        if let id = QueueID(argument) {
            self = .message(id)
        } else if let id = TransactionID(argument) {
            self = .transaction(id)
        } else {
            return nil
        }
    }
}

struct QueueOptionsGroup: ParsableArguments {
    @OptionGroup var configuration: ConfigurationOptions

    /// A running server is asked whatever is wrong with the file; the queue is not opened by a wrong one.
    private func settings() throws -> ServerConfiguration {
        guard let settings = try configuration.settingsForServer(), DataFolder(settings).hasServer else {
            return try configuration.load()
        }
        return settings
    }

    func access() throws -> QueueAccess { QueueAccess(settings: try settings()) }
}

/// Which messages a change is of.
struct QueueChoice: ParsableArguments {
    @OptionGroup var place: QueueOptionsGroup
    @OptionGroup var output: OutputOptions
    @Argument(help: "The messages' ids; or a transaction's, for all its copies.") var ids: [QueueIDArgument] = []
    @Flag(help: "All messages of the queue.") var all = false

    func validate() throws {
        guard all != !ids.isEmpty else { throw ValidationError("Name messages by their ids, or say --all.") }
    }
}

/// The same, and those for one domain.
struct QueueRange: ParsableArguments {
    @OptionGroup var place: QueueOptionsGroup
    @OptionGroup var output: OutputOptions
    @Argument(help: "The messages' ids; or a transaction's, for all its copies.") var ids: [QueueIDArgument] = []
    @Option(help: "All messages that wait for a recipient in this domain.") var domain: String?
    @Flag(help: "All messages of the queue.") var all = false

    func validate() throws {
        guard [all, domain != nil, !ids.isEmpty].count(where: { $0 }) == 1 else {
            throw ValidationError("Name messages by their ids, or say --domain DOMAIN or --all.")
        }
    }
}

/// How the messages of a command are named.
protocol QueueNaming {
    var place: QueueOptionsGroup { get }
    var output: OutputOptions { get }
    var ids: [QueueIDArgument] { get }
    /// Whether it is one of them, where none is named.
    func includes(_ message: QueueListing) -> Bool
}

extension QueueChoice: QueueNaming {
    func includes(_ message: QueueListing) -> Bool { true }
}

extension QueueRange: QueueNaming {
    func includes(_ message: QueueListing) -> Bool {
        guard let domain = domain?.asciiLowercased else { return true }
        return message.recipients.contains { one in
            guard one.progress.due != nil || one.progress.status == .claimed else { return false }
            if case .exchanger(let name) = one.recipient.route, name == domain { return true }
            return one.recipient.address.domain.asciiLowercased == domain
        }
    }
}

extension QueueNaming {
    var isNamed: Bool { !ids.isEmpty }

    /// Every message of the queue that is meant, where none is named.
    func listed(by access: QueueAccess) async throws -> [QueueListing] {
        isNamed ? [] : try await access.all().filter(includes)
    }
}

/// A command that changes what happens to messages of the queue.
protocol QueueChangeCommand: AsyncParsableCommand {
    associatedtype Messages: QueueNaming
    static var change: QueueChange { get }
    var messages: Messages { get }
}

extension QueueChangeCommand {
    func run() async throws {
        let access = try messages.place.access()
        let listed = try await messages.listed(by: access)
        let named = messages.isNamed ? try await access.ids(of: messages.ids) : listed.map(\.id)
        // However due a held message is, it is not tried.
        var held: [QueueID: String] = [:]
        if Self.change == .retry {
            for one in listed { held[one.id] = one.holdReason }
            if messages.isNamed { held = try await access.held(among: named) }
        }
        var changed: [QueueID] = []
        var underWay: [QueueID: [QueueAttempt]] = [:]
        for id in named where held[id] == nil {
            guard let attempts = try await change(id, by: access) else { continue }
            changed.append(id)
            if !attempts.isEmpty { underWay[id] = attempts }
        }
        let ends = try await access.ends(of: underWay)
        let report = QueueChangeReport(Self.change, changed, ends)
        if messages.output.json {
            print(try Terminal.json(report))
        } else if !changed.isEmpty || held.isEmpty {
            print(report.text)
        }
        if !held.isEmpty { try tell(held) }
    }

    /// `nil`: of all that were in the queue, this one has left it meanwhile.
    private func change(_ id: QueueID, by access: QueueAccess) async throws -> [QueueAttempt]? {
        do { return try await access.change(Self.change, id) } catch let failure as CommandFailure {
            guard !messages.isNamed, failure.isUnknown else { throw failure }
            return nil
        }
    }

    /// Who names a message means it; of all, those that are held are left out.
    private func tell(_ held: [QueueID: String]) throws {
        if !messages.isNamed {
            let verb = held.count == 1 ? "is" : "are"
            return Terminal.complain("\(Terminal.counted(held.count, "message")) \(verb) held, and not tried.")
        }
        let lines = held.sorted { $0.key.description < $1.key.description }.map { id, reason in
            "\(id) is held (\(Terminal.harmless(reason))) and is not tried; release it first."
        }
        throw CommandFailure.wrong(lines.joined(separator: "\n"))
    }
}

/// What was done.
struct QueueChangeReport: Encodable {
    /// Somebody who was being delivered to at that moment.
    struct UnderWay: Encodable {
        var message: String
        var recipient: String
        /// `nil`: still being delivered to.
        var end: AttemptEnd?
    }

    var change: QueueChange
    var messages: [String]
    var underWay: [UnderWay]

    init(_ change: QueueChange, _ ids: [QueueID], _ attempts: [QueueID: [QueueAttempt]]) {
        self.change = change
        messages = ids.map(\.description)
        underWay = ids.flatMap { id in
            (attempts[id] ?? []).map {
                UnderWay(message: id.description, recipient: $0.recipient.description, end: $0.end)
            }
        }
    }

    var text: String {
        let first = "\(change.past) \(Terminal.counted(messages.count, "message"))."
        let others = underWay.map {
            "  \($0.message)  \(Terminal.harmless($0.recipient))  \(change.words(for: $0.end))"
        }
        return ([first] + others).joined(separator: "\n")
    }
}

extension QueueChange {
    fileprivate var past: String {
        switch self {
        case .retry: "Will now try"
        case .hold: "Held"
        case .release: "Released"
        case .remove: "Removed"
        case .bounce: "Bounced"
        }
    }

    /// What came of an attempt that was under way.
    fileprivate func words(for end: AttemptEnd?) -> String {
        let isBounce = self == .bounce
        switch end {
        case .delivered: return "delivered meanwhile"
        case .failed: return isBounce ? "bounced" : "failed meanwhile; the sender is told"
        case .undelivered: return isBounce ? "held: there is nobody to tell" : "removed"
        case nil: return "still being delivered; \(isBounce ? "bounced" : "removed") unless that succeeds"
        }
    }
}

/// A queued message for people and programs.
struct QueueReport: Encodable {
    struct Recipient: Encodable {
        var address: String
        var route: String
        var disposition: String
        var status: String
        var attempts: Int
        var nextRetry: Date?
        var lastReply: String?

        fileprivate var isDone: Bool { ["delivered", "failed"].contains(status) }
    }

    var id: String
    var from: String
    var received: Date
    var size: Int
    var arrival: String
    var held: String?
    var recipients: [Recipient]

    init(_ listing: QueueListing) {
        id = listing.id.description
        from = listing.sender?.description ?? ""
        received = listing.received
        size = listing.size
        arrival = listing.arrival
        held = listing.holdReason
        recipients = listing.recipients.map { one in
            Recipient(
                address: one.recipient.address.description, route: one.recipient.route.words,
                disposition: one.recipient.disposition.rawValue, status: one.progress.status.rawValue,
                attempts: one.progress.attempts, nextRetry: one.progress.due,
                lastReply: one.progress.lastReply?.description)
        }
    }

    var text: String {
        let sender = from.isEmpty ? "<>" : from
        var lines = ["\(Terminal.styled(id, .bold))  \(received.stamp)  \(size) octets  from \(sender)"]
        if let held { lines.append("  \(Terminal.styled("held", .yellow)): \(Terminal.harmless(held))") }
        let width = recipients.map(\.address.count).max() ?? 0
        for one in recipients {
            let address = one.address.padding(toLength: width, withPad: " ", startingAt: 0)
            let next = one.nextRetry.map { "  next try \($0.stamp)" } ?? ""
            lines.append("  \(address)  \(one.shownStatus)  \(one.route)\(next)")
            if let reply = one.lastReply {
                // What is done has had its last reply, which is not counted: only what was put off is.
                let attempts = one.isDone ? "" : "after \(Terminal.counted(one.attempts, "attempt")): "
                let indent = String(repeating: " ", count: width + 4)
                lines.append("\(indent)\(attempts)\(Terminal.harmless(reply))")
            }
        }
        return lines.joined(separator: "\n")
    }
}

extension QueueReport.Recipient {
    /// As wide as the longest.
    fileprivate var shownStatus: String {
        let padded = status.padding(toLength: max(9, status.count), withPad: " ", startingAt: 0)
        switch status {
        case "delivered": return Terminal.styled(padded, .green)
        case "failed": return Terminal.styled(padded, .red)
        default: return attempts > 0 ? Terminal.styled(padded, .yellow) : padded
        }
    }
}

import Adapters
import ArgumentParser
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline
import Queue
import Scoring

struct QuarantineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine", abstract: "Look at held messages that a stage has put aside, and decide about them.",
        discussion: """
            They lie in the queue and are held; what nobody releases is deleted after quarantine.keep_for. What is \
            released comes to the inbox as it is: it is not judged again.
            """,
        subcommands: [List.self, Show.self, Release.self, Allow.self, Learn.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the messages in quarantine, the oldest first.")
        @OptionGroup var place: QueueOptionsGroup
        @OptionGroup var output: OutputOptions
        @Option(
            name: .customLong("for"),
            help: ArgumentHelp("Only those for a domain, or for an address.", valueName: "domain or address"))
        var recipient: String?

        func run() async throws {
            let site = try QuarantineSite(place)
            let messages = try await site.messages().filter { message in recipient.map(message.isFor) ?? true }
            try output.show(site.reports(on: messages), header: QuarantineReport.header) { $0.cells }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a message in quarantine: who, why, and what was found of it.")
        @OptionGroup var place: QueueOptionsGroup
        @OptionGroup var output: OutputOptions
        @Argument(help: "Its id; or a transaction's.") var id: QueueIDArgument

        func run() async throws {
            let site = try QuarantineSite(place)
            let reports = site.reports(on: try await site.named([id]))
            print(output.json ? try Terminal.json(reports) : reports.map(\.text).joined(separator: "\n"))
        }
    }

    struct Release: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let messages come to the inbox.",
            discussion: "With --token, the one that a link of a digest is about, if the link is good.")
        @OptionGroup var place: QueueOptionsGroup
        @OptionGroup var output: OutputOptions
        @Argument(help: "The messages' ids; or a transaction's.") var ids: [QueueIDArgument] = []
        @Option(help: ArgumentHelp("The last part of a digest's link.", valueName: "token")) var token: String?

        func validate() throws {
            guard ids.isEmpty != (token == nil) else {
                throw ValidationError("Name messages by their ids, or a --token.")
            }
        }

        func run() async throws {
            let site = try QuarantineSite(place)
            let messages = if let token { [try await site.redeemed(token)] } else { try await site.named(ids) }
            try await site.change(messages, .release)
            try site.show(messages, "Released", output)
        }
    }

    struct Allow: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Release messages, and allow their authors for the mailboxes that they are for.",
            discussion: """
                The entry is a mailbox's own: it holds for nobody else (sluice lists). Where the author was proven \
                (dmarc=pass), the entry asks for that proof each time. A message must have one author.
                """)
        @OptionGroup var place: QueueOptionsGroup
        @OptionGroup var output: OutputOptions
        @Argument(help: "The messages' ids; or a transaction's.") var ids: [QueueIDArgument]

        func run() async throws {
            let site = try QuarantineSite(place)
            let messages = try await site.named(ids)
            try await site.allowAuthors(of: messages)
            try await site.change(messages, .release)
            try site.show(messages, "Allowed and released", output)
        }
    }

    struct Learn: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Teach what messages in quarantine are, to the mailboxes that they are for.",
            discussion: "They stay where they are: release or delete them afterwards.",
            subcommands: [Spam.self, Ham.self])

        struct Spam: QuarantineLessonCommand {
            static let configuration = CommandConfiguration(abstract: "Teach that messages are spam.")
            static let isSpam = true
            @OptionGroup var place: QueueOptionsGroup
            @Argument(help: "The messages' ids; or a transaction's.") var ids: [QueueIDArgument]
        }

        struct Ham: QuarantineLessonCommand {
            static let configuration = CommandConfiguration(abstract: "Teach that messages are good mail.")
            static let isSpam = false
            @OptionGroup var place: QueueOptionsGroup
            @Argument(help: "The messages' ids; or a transaction's.") var ids: [QueueIDArgument]
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Delete messages; nobody is told.")
        @OptionGroup var place: QueueOptionsGroup
        @OptionGroup var output: OutputOptions
        @Argument(help: "The messages' ids; or a transaction's.") var ids: [QueueIDArgument]

        func run() async throws {
            let site = try QuarantineSite(place)
            let messages = try await site.named(ids)
            try await site.change(messages, .remove)
            try site.show(messages, "Deleted", output)
        }
    }
}

/// `quarantine learn spam` and `quarantine learn ham`.
protocol QuarantineLessonCommand: AsyncParsableCommand {
    static var isSpam: Bool { get }
    var place: QueueOptionsGroup { get }
    var ids: [QueueIDArgument] { get }
}

extension QuarantineLessonCommand {
    func run() async throws {
        let site = try QuarantineSite(place)
        let messages = try await site.named(ids)
        for message in messages { try await site.teach(message, isSpam: Self.isSpam) }
        print("Learnt \(Terminal.counted(messages.count, "message")) as \(Self.isSpam ? "spam" : "ham").")
    }
}

/// The quarantine as the command line reaches it.
struct QuarantineSite {
    private let access: QueueAccess

    init(_ place: QueueOptionsGroup) throws { access = try place.access() }

    func messages() async throws -> [QuarantinedMessage] { try await access.all().compactMap(QuarantinedMessage.init) }

    /// Those that somebody has named, which must be in quarantine.
    func named(_ arguments: [QueueIDArgument]) async throws -> [QuarantinedMessage] {
        var found: [QuarantinedMessage] = []
        for id in try await access.ids(of: arguments) {
            if let message = QuarantinedMessage(try await access.show(id)) {
                found.append(message)
            } else if case .message(id)? = arguments.first(where: { $0.isMessage(id) }) {
                throw CommandFailure.wrong("\(id) is not in quarantine (sluice queue show \(id)).")
            }
        }
        guard !found.isEmpty else { throw CommandFailure.wrong("None of these is in quarantine.") }
        return found
    }

    /// The message of a digest's link.
    func redeemed(_ text: String) async throws -> QuarantinedMessage {
        let hashing = try ScryptHashing()
        let key = try SecretKeyFile.open(try DataFolder(access.settings).entered().quarantineKey, hashing)
        let token: ReleaseToken
        do { token = try ReleaseToken(text, key, hashing, at: Date()) } catch let fault as ReleaseToken.Fault {
            throw CommandFailure.wrong("The token \(fault).")
        }
        guard let message = QuarantinedMessage(try await access.show(token.message)), message.isOnly(for: token.mailbox)
        else { throw CommandFailure.wrong("\(token.message) is not in quarantine any more.") }
        return message
    }

    func change(_ messages: [QuarantinedMessage], _ change: QueueChange) async throws {
        for message in messages { _ = try await access.change(change, message.id) }
    }

    func show(_ messages: [QuarantinedMessage], _ verb: String, _ output: OutputOptions) throws {
        if output.json { return print(try Terminal.json(messages.map(\.id.description))) }
        print("\(verb) \(Terminal.counted(messages.count, "message")).")
    }

    /// A lesson for each mailbox that the message is for.
    func teach(_ message: QuarantinedMessage, isSpam: Bool) async throws {
        let octets = try await access.content(of: message.id)
        guard let parsed = try? Message(parsing: Bytes(octets)) else {
            throw CommandFailure.wrong("\(message.id) is too complex to be read.")
        }
        try LessonAccess(access.settings).change { lessons in
            for mailbox in message.mailboxes {
                let scope = try lessons.scope(mailbox: mailbox)
                let report = try lessons.store.teach(
                    [LessonSubject(parsed)], as: isSpam, in: scope, by: DirectoryOptions.actor)
                try lessons.note(isSpam ? "spam" : "ham", in: scope, report)
            }
        }
    }

    // MARK: What is known of a message

    /// What the traces know is left out where there are none.
    func reports(on messages: [QuarantinedMessage]) -> [QuarantineReport] {
        let known = traces(of: messages)
        return messages.map { QuarantineReport($0, known[$0.id.transaction]) }
    }

    private func traces(of messages: [QuarantinedMessage]) -> [TransactionID: Trace] {
        var found: [TransactionID: Trace] = [:]
        do {
            let traces = try TraceAccess(access.settings)
            for id in Set(messages.map(\.id.transaction)) { found[id] = try? traces.record(id.text).readable() }
        } catch { return [:] }
        return found
    }

    /// Puts the authors on the lists of the mailboxes that their messages are for: all of them, or none.
    ///
    /// They are read from the messages: the summary of a trace is cut, and what is left of a field may name another.
    func allowAuthors(of messages: [QuarantinedMessage]) async throws {
        let known = traces(of: messages)
        var wanted: [(message: QuarantinedMessage, entry: NewListEntry)] = []
        for message in messages {
            guard !message.mailboxes.isEmpty else {
                throw CommandFailure.wrong(
                    "\(message.id) is for no mailbox here, so nothing was allowed; use sluice quarantine release.")
            }
            var entry = NewListEntry(.allow, try await author(of: message).description)
            entry.reason = "released \(message.id)"
            let trace = known[message.id.transaction]
            if trace?.authentication.contains("dmarc", .pass) == true { entry.needs = .dmarc }
            wanted.append((message, entry))
        }
        let directory = try told { try Stores.directory(in: DataFolder(access.settings).entered(), access.settings) }
        defer { directory.close() }
        let made: [ListEntry] = try told {
            try directory.change(by: DirectoryOptions.actor) { changes in
                try wanted.flatMap { message, entry in
                    try message.mailboxes.map { try changes.addListEntry(entry, for: $0.description) }
                }
            }
        }
        var warned: Set<String> = []
        for entry in made where warned.insert(entry.sender.description).inserted { entry.warnOfForgery() }
    }

    /// The one whom its `From` names.
    private func author(of message: QuarantinedMessage) async throws -> EmailAddress {
        let octets = try await access.content(of: message.id)
        guard let parsed = try? Message(parsing: Bytes(octets)), let author = Authors.only(of: parsed.header) else {
            throw CommandFailure.wrong(
                "\(message.id) does not have one author for sure, so nothing was allowed; use sluice lists allow.")
        }
        return author
    }
}

extension QueueIDArgument {
    fileprivate func isMessage(_ id: QueueID) -> Bool { if case .message(id) = self { true } else { false } }
}

/// A message in quarantine for people and programs.
struct QuarantineReport: Encodable {
    var id: String
    var received: Date
    var sender: String
    var recipients: [String]
    var reason: String
    var from: String?
    var subject: String?
    var score: Double?
    var symbols: [Symbol]

    init(_ message: QuarantinedMessage, _ trace: Trace?) {
        id = message.id.description
        received = message.listing.received
        sender = message.listing.sender?.description ?? "<>"
        recipients = message.recipients.map(\.said.address.description)
        reason = message.reason
        from = trace?.summary["from"].map(EncodedWord.decode)
        subject = trace?.summary["subject"].map(EncodedWord.decode)
        score = trace?.score
        symbols = trace?.symbols ?? []
    }

    static let header = ["ID", "SINCE", "FROM", "TO", "WHY", "SUBJECT"]

    var cells: [String] {
        [id, received.stamp, from ?? sender, Terminal.few(recipients), reason, subject ?? "-"].map(Terminal.harmless)
    }

    var text: String {
        var lines = ["\(Terminal.styled(id, .bold))  \(received.stamp)", "  why      \(Terminal.harmless(reason))"]
        lines.append("  sender   \(Terminal.harmless(sender))")
        lines += recipients.map { "  to       \(Terminal.harmless($0))" }
        if let from { lines.append("  From     \(Terminal.harmless(from))") }
        if let subject { lines.append("  Subject  \(Terminal.harmless(subject))") }
        if let score { lines.append("  score    \(score)") }
        lines += symbols.map { "           \(Terminal.harmless("\($0.points)  \($0.name)  \($0.description)"))" }
        return lines.joined(separator: "\n")
    }
}

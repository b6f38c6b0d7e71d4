import Foundation
import MailTypes
import Synchronization

@testable import Pipeline

// Small stages and a small world, from which the tests of the chain are built.

/// A stage that finds what the test tells it to, in the message phase.
struct Scripted: MessageStage {
    static let name: StageName = "scripted"
    static let effects: Effects = [.rejects, .tempfails, .scores, .editsHeader, .editsBody, .discards, .accepts]
    struct Configuration: Decodable { init() {} }
    let answer: @Sendable (Message, Transaction) async throws(StageFailure) -> Finding

    init(_ configuration: Configuration) { self.init { _, _ throws(StageFailure) in .none } }
    init(_ answer: @escaping @Sendable (Message, Transaction) async throws(StageFailure) -> Finding) {
        self.answer = answer
    }

    func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        try await answer(message, transaction)
    }
}

/// Sends everybody to a mailbox of their own name.
struct Router: RecipientStage {
    static let name: StageName = "router"
    static let effects: Effects = [.routes, .rejects, .scores]
    struct Configuration: Decodable { init() {} }
    init(_ configuration: Configuration = Configuration()) {}

    func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        if recipient.address.localPart == "nobody" { return .none }
        let destination = Destination(address: recipient.address, route: .mailbox(recipient.address))
        return Finding(edits: [.resolve(recipient.address, to: [destination])])
    }
}

/// Sends the mail of `void` nowhere.
struct Discarding: RecipientStage {
    static let name: StageName = "discarding"
    static let effects: Effects = [.discards]
    struct Configuration: Decodable { init() {} }
    init(_ configuration: Configuration = Configuration()) {}

    func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        recipient.address.localPart == "void" ? Finding(.discard) : .none
    }
}

/// Finds in the message phase that `moved` is a mailbox of `strict.example`.
struct Moving: MessageStage {
    static let name: StageName = "moving"
    static let effects: Effects = [.routes]
    struct Configuration: Decodable { init() {} }
    init(_ configuration: Configuration = Configuration()) {}

    func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        Finding(
            edits: transaction.recipients.map(\.address).filter { $0.localPart == "moved" }.map { address in
                let mailbox = EmailAddress(localPart: "moved", domain: "strict.example")
                return .resolve(address, to: [Destination(address: mailbox, route: .mailbox(mailbox))])
            })
    }
}

/// Judges the message for whoever has a number in the name by that number, and refuses from 5 on.
struct Numbered: RecipientStage, MessageStage {
    static let name: StageName = "numbered"
    static let effects: Effects = [.distinguishesRecipients, .rejects]
    struct Configuration: Decodable { init() {} }
    init(_ configuration: Configuration = Configuration()) {}

    func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let number = recipient.address.localPart.filter(\.isNumber)
        return number.isEmpty ? .none : Finding(edits: [.policy(number)])
    }

    func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard let number = transaction.policy.flatMap({ Int($0) }), number >= 5 else { return .none }
        return Finding(.reject(Reply(550, .deliveryNotAuthorized, "Not for \(number)")))
    }
}

/// Gives points to who greets as `client.example`.
struct Greeter: HelloStage {
    static let name: StageName = "greeter"
    static let effects: Effects = [.scores]
    struct Configuration: Decodable { init() {} }
    init(_ configuration: Configuration = Configuration()) {}

    func hello(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        guard transaction.session.hello == "client.example" else { return .none }
        return Finding(edits: [.score(Symbol("GREETED", points: 3, description: "has greeted"))])
    }
}

/// Declares nothing and rejects all the same.
struct Liar: SenderStage {
    static let name: StageName = "liar"
    static let effects: Effects = []
    struct Configuration: Decodable { init() {} }
    init(_ configuration: Configuration = Configuration()) {}
    func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        Finding(.reject(Reply(550, .deliveryNotAuthorized, "No")))
    }
}

/// Asks for the time, and once more.
struct Clocked: SenderStage {
    static let name: StageName = "clocked"
    static let effects: Effects = [.scores]
    struct Configuration: Decodable { init() {} }
    init(_ configuration: Configuration = Configuration()) {}
    func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        let first = try await transaction.services.now()
        let second = try await transaction.services.now()
        let points = second.timeIntervalSince(first)
        return Finding(edits: [.score(Symbol("PASSED", points: points, description: "seconds between"))])
    }
}

/// A world whose clock goes on by a second at each look, and whose name service never answers.
final class SmallWorld: ServiceSource {
    private let seconds = Mutex(0.0)

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        switch question {
        case .time:
            return .time(
                Date(
                    timeIntervalSince1970: seconds.withLock {
                        $0 += 1
                        return $0
                    }))
        case .dns:
            try? await Task.sleep(for: .seconds(3600))
            throw StageFailure("woken")
        case .directory, .memory, .signatures, .senderPolicy, .scan, .publicSuffix, .asciiDomain, .listings,
            .lessons, .lessonScopes, .spamScan, .milter, .policy, .callout, .mailboxRoom:
            throw StageFailure("not in this world")
        }
    }
}

extension Session {
    static let sample = Session(language: .smtp, listener: "test", client: "192.0.2.7", clientPort: 4711)
}

extension Message {
    static var sample: Message {
        Message(
            header: Header(fields: [
                HeaderField(name: "From", value: "a@out.example"), HeaderField(name: "Subject", value: "Hello"),
            ]), body: "Good day.\r\n")
    }
}

extension Link {
    static func scripted(
        _ number: Int = 50, words: Words = Words(), domains: [String: StageVariant] = [:],
        _ answer: @escaping @Sendable (Message, Transaction) async throws(StageFailure) -> Finding
    ) -> Link {
        Link(
            number: number, file: "\(number)-scripted.toml", base: StageVariant(Scripted(answer)), domains: domains,
            words: words)
    }

    static let discarding = Link(number: 45, file: "45-discarding.toml", base: StageVariant(Discarding()))
    static let router = Link(number: 40, file: "40-router.toml", base: StageVariant(Router()))
}

/// Plays one transaction on a chain.
struct Play {
    let chain: Chain
    var session = Session.sample
    var source: any ServiceSource = SmallWorld()
    var opening = Opening()

    init(_ links: [Link], onMixed: OnMixed = .split) { chain = Chain(links, onMixed: onMixed) }

    static let id = TransactionID(milliseconds: 1_700_000_000_000, random: 7)

    func judge() -> TransactionJudge {
        TransactionJudge(
            chain: chain, id: Self.id, hostname: "mx.here.example", session: session, opening: opening,
            started: Date(timeIntervalSince1970: 0), source: source)
    }

    func run(to recipients: [EmailAddress], message: Message = .sample) async -> (Outcome?, [Reply], Trace) {
        let judge = judge()
        var replies = [await judge.sender(Envelope(sender: "a@out.example"))]
        for recipient in recipients { replies.append(await judge.recipient(EnvelopeRecipient(recipient))) }
        guard replies.dropFirst().contains(where: \.isPositive) else { return (nil, replies, judge.trace()) }
        let outcome = await judge.message(message)
        return (
            outcome, replies, judge.trace(replies: outcome.replies, queued: outcome.copies.isEmpty ? [] : ["q"])
        )
    }
}

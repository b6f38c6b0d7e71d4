import MailTypes
import Pipeline
import Protocols

/// What a mail server is told of a message that was judged: the reply for its client, or what is to be different about
/// the message that it has.
struct MilterConclusion {
    var answer: MilterAnswer
    /// What was answered, for the trace.
    var reply: Reply
    /// What the server would have to allow.
    private(set) var missing: MilterActions = []

    /// A recipient as the server has told it, and the address that this is.
    struct Told: Sendable, Hashable {
        var path: String
        var address: EmailAddress
    }

    /// All that was judged about a message, and what the server lets a milter do.
    struct Judged {
        var message: Message
        var sender: EmailAddress?
        var recipients: [Told]
        var actions: MilterActions
        var id: TransactionID
    }

    init(refusing reply: Reply) {
        self.reply = reply
        answer = MilterAnswer(MilterAnswer.Verdict(refusing: reply))
    }

    init(_ outcome: Outcome, of judged: Judged) {
        let reply = outcome.replies.first ?? .outOfStep
        self.reply = reply
        guard reply.isPositive else {
            answer = MilterAnswer(MilterAnswer.Verdict(refusing: reply))
            return
        }
        guard let copy = outcome.copies.first else {
            answer = MilterAnswer(.discard)
            return
        }
        var changes: [MilterChange] = []
        var message = copy.message
        if copy.isJunk, !message.header.fields(named: "X-Spam").contains(where: { $0.value == "Yes" }) {
            message.header.prepend(HeaderField(name: "X-Spam", value: "Yes"))
        }
        changes += MilterHeaderChanges.changes(from: judged.message.header, to: message.header)
        if message.body != judged.message.body { changes.append(.replaceBody(message.body.array)) }
        if copy.sender != judged.sender {
            changes.append(.changeSender(copy.sender.map { "<\($0)>" } ?? "<>", parameters: nil))
        }
        changes += Self.changes(from: judged.recipients, to: copy.recipients.map(\.address))
        if let reason = copy.reasonToHold { changes.append(.quarantine(reason)) }
        missing = changes.reduce(into: MilterActions()) { $0.formUnion($1.action) }.subtracting(judged.actions)
        answer = MilterAnswer(.accept, changes: changes)
        // Half of what the chain has decided is something that it has not decided, and other copies cannot be told.
        guard missing.isEmpty, outcome.copies.count == 1 else {
            self.reply = Reply.inexpressible.marked(with: judged.id)
            answer = MilterAnswer(.tempfail(self.reply))
            return
        }
    }

    private static func changes(from told: [Told], to addresses: [EmailAddress]) -> [MilterChange] {
        let (before, after) = (Set(told.map(\.address.key)), Set(addresses.map(\.key)))
        var seen: Set<String> = []
        return told.filter { !after.contains($0.address.key) && seen.insert($0.path).inserted }
            .map { .deleteRecipient($0.path) }
            + addresses.filter { !before.contains($0.key) && seen.insert($0.key).inserted }
            .map { .addRecipient("<\($0)>", parameters: nil) }
    }
}

extension Copy {
    /// Nobody is to find it among other mail.
    fileprivate var isJunk: Bool { recipients.allSatisfy { $0.disposition == .junk } }

    /// Why a person must look at it, if so: whom it is for cannot be told apart.
    fileprivate var reasonToHold: String? {
        if let quarantined { return quarantined }
        return recipients.contains { $0.disposition == .quarantine } ? "quarantine" : nil
    }
}

extension MilterAnswer.Verdict {
    /// With the words of the reply.
    init(refusing reply: Reply) { self = reply.isPermanent ? .reject(reply) : .tempfail(reply) }

    /// What is said before there is a message.
    init(_ reply: Reply) { self = reply.isPositive ? .continue : Self(refusing: reply) }
}

extension Reply {
    static let inexpressible = Reply(
        451, .systemOther, "The message cannot be changed as it must be; please try again later")
}

import Foundation
public import MailTypes

/// What a stage found: one verdict, and edits that the chain applies. A stage changes nothing itself.
public struct Finding: Sendable, Hashable, Codable {
    public var verdict: Verdict
    public var edits: [Edit]
    /// The options whose values decided, by their keys in the stage's table, for the trace.
    public var decidedBy: [String]
    /// One line for a person who reads the trace: `first seen 40 s ago`.
    public var note: String?
    /// Values that decided and stand elsewhere than in the stage's file, by the options in whose place they held.
    public var origins: [String: ValueOrigin]?

    public init(_ verdict: Verdict = .continue, edits: [Edit] = [], decidedBy: [String] = [], note: String? = nil) {
        self.verdict = verdict
        self.edits = edits
        self.decidedBy = decidedBy
        self.note = note
    }

    /// No opinion, nothing to change.
    public static let none = Finding()
}

/// What a stage decides about a client, an address or a message.
///
/// The names are those of the milter protocol, so a postmaster knows them already.
public enum Verdict: Sendable, Hashable, Codable {
    /// No opinion: ask the next stage.
    case `continue`
    /// Accept now; in this phase later stages are not asked.
    case accept
    /// Refuse for good, with a 5yz reply.
    case reject(Reply)
    /// Refuse for now, with a 4yz reply; the client will try again.
    case tempfail(Reply)
    /// Accept, but hold the message for a person to look at.
    case quarantine(reason: String)
    /// Accept, and throw the message away.
    case discard
}

/// One change that a stage asks for.
public enum Edit: Sendable, Hashable, Codable {
    /// Adds to the score.
    case score(Symbol)
    /// Adds a result to the one Authentication-Results field.
    case authentication(AuthenticationResults.Entry)
    /// Puts a field at the top of the header; before there is one, of that of each message that the transaction has.
    case prependField(name: String, value: String)
    /// Puts a field at the end of the header.
    case appendField(name: String, value: String)
    /// Takes fields out of the header, by their places in the message the stage saw.
    case removeFields(at: [Int])
    /// Puts a field before the one at this place, counted from 0 in the header as it then is: with what was taken out
    /// gone, and with what was put in before. The value is what stands behind the colon, and keeps its folding.
    case insertField(name: String, value: String, at: Int)
    /// Puts another body in place.
    case replaceBody(Bytes)
    /// Puts other octets in place of pieces of the body, in order, by their places in the message the stage saw. What
    /// a trace keeps of it is as small as the change.
    case spliceBody([BodySplice])
    /// Says where the copies of a recipient go; the recipient that the stage was asked about, or, in the
    /// message phase, the one with that address.
    case resolve(EmailAddress, to: [Destination])
    case disposition(EmailAddress, Disposition)
    /// Somebody else gets the message too; the stages that route say where, as for mail of this server's own.
    case addRecipient(EmailAddress)
    /// The recipient that was said with this address does not get it. Who is left without any gets a message discarded.
    case removeRecipient(EmailAddress)
    /// Reports go to this address; `nil`: to nobody. RFC 5321 §3.6.3.
    case changeSender(EmailAddress?)
    /// Names the values of its own by which this stage will judge the message for the recipient that it is asked
    /// about. Recipients with equal names are judged together, others apart. Of a stage
    /// with ``Effects/dividesCopies`` it names the copy.
    case policy(String)
    /// What follows from the score is set aside for this message.
    case exempt(Exemption)
    /// What lists can say of a message for the recipient that the stage is asked about, before it has come.
    case standing(ListStanding)
    /// Somebody is kept from sending once this transaction has ended, until a person lifts it.
    case block(SendBlockOrder)
    /// Nobody has the address of the recipient that the stage is asked about: this is the reply, unless a later stage
    /// says where its mail goes.
    case unclaimed(Reply)
}

/// What a stage's findings may contain, beside `continue`. Declared, so that a chain can be checked
/// before it runs.
public struct Effects: OptionSet, Sendable, Hashable, Codable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let rejects = Self(rawValue: 1 << 0)
    public static let tempfails = Self(rawValue: 1 << 1)
    public static let accepts = Self(rawValue: 1 << 2)
    public static let discards = Self(rawValue: 1 << 3)
    public static let quarantines = Self(rawValue: 1 << 4)
    public static let scores = Self(rawValue: 1 << 5)
    public static let authenticates = Self(rawValue: 1 << 6)
    /// Puts fields on top of the header, of a name that nobody signs: what is there stays sound.
    public static let prependsFields = Self(rawValue: 1 << 24)
    public static let editsHeader: Self = [Self(rawValue: 1 << 7), .prependsFields]
    public static let editsBody = Self(rawValue: 1 << 8)
    public static let routes = Self(rawValue: 1 << 9)
    public static let disposes = Self(rawValue: 1 << 10)
    /// Judges the score, so nothing that scores may come behind it.
    public static let readsScore = Self(rawValue: 1 << 11)
    /// Signs the message as it is, so nothing that edits may come behind it.
    public static let signs = Self(rawValue: 1 << 12)
    /// Accepts whatever comes, so nothing behind it is asked.
    public static let acceptsAlways = Self(rawValue: 1 << 13)
    /// Leaves a Received field and refuses what has too many: without it nothing ends a loop. RFC 5321 §6.3.
    public static let endsLoops = Self(rawValue: 1 << 14)
    /// Routes only what is for other servers: mail for this one's own domains needs another stage.
    public static let relays = Self(rawValue: 1 << 15)
    /// Judges the message by values that single recipients have, and says in the recipient phase by which.
    public static let distinguishesRecipients = Self(rawValue: 1 << 16)
    /// Changes whom the message is for, or whose it is, once it has come.
    public static let changesEnvelope = Self(rawValue: 1 << 23)
    /// Sets aside what follows from the score, so it is asked before who judges that.
    public static let exempts = Self(rawValue: 1 << 17)
    /// Lets users send to other servers, so somebody must ask under which names.
    public static let servesUsers = Self(rawValue: 1 << 18)
    /// Asks under which names users send.
    public static let provesSenders = Self(rawValue: 1 << 19)
    /// Keeps users from sending.
    public static let blocks = Self(rawValue: 1 << 20)
    /// Takes recipients whose address nobody has, so they are not refused before it was asked.
    public static let claims = Self(rawValue: 1 << 21)
    /// Distinguishes recipients by what their copies look like alone: no verdict depends on it, so all may come in one
    /// transaction.
    public static let dividesCopies = Self(rawValue: 1 << 22)
}

/// As base64 where that is the coder's way with data, as JSON's is.
extension Bytes: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self), let octets = Base64.decodeStrictly(text.utf8) {
            self.init(octets)
        } else {
            // As records of older versions have it.
            self.init(try container.decode([UInt8].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(decoding: Base64.encode(array), as: UTF8.self))
    }
}

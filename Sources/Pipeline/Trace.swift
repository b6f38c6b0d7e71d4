public import MailTypes
public import struct Foundation.Date

/// Everything about one transaction: who came, what each stage found and why, what was answered.
///
/// With ``facts`` and the message it can be judged again at any time, with no world at all.
public struct Trace: Sendable, Hashable, Codable {
    public var id: TransactionID
    public var started: Date
    public var session: Session
    /// The session as it was when the client connected, and when it greeted.
    public var openings: [Session] = []
    public var envelope: Envelope?
    /// Every recipient that was said, in order, whether taken or not.
    public var asked: [EnvelopeRecipient] = []
    /// The recipients that were accepted, with their routes and dispositions.
    public var recipients: [Recipient] = []
    /// The recipients that were not, each with its reply.
    public var refused: [RefusedRecipient] = []
    public var steps: [TraceStep] = []
    public var facts: [Fact] = []
    public var symbols: [Symbol] = []
    public var authentication = AuthenticationResults()
    /// What the client was told in the end, one reply or one per recipient.
    public var replies: [Reply] = []
    public var outcome: Outcome = .unfinished
    /// Size of the message in octets as it arrived.
    public var size: Int?
    /// `From`, `Subject` and `Message-ID` as they stand, for people who search.
    public var summary: [String: String] = [:]
    /// The queue's ids of what was taken.
    public var queued: [String] = []

    public enum Outcome: String, Sendable, Hashable, Codable, CaseIterable {
        /// On stable storage.
        case accepted
        /// Nothing speaks against it: the mail server that has asked as of a milter has it, and does what follows.
        case passed
        case rejected, deferred, discarded
        /// The client left, or began anew.
        case unfinished
    }

    public init(id: TransactionID, started: Date, session: Session) {
        self.id = id
        self.started = started
        self.session = session
    }

    public var score: Double { symbols.score }
}

/// A recipient that was turned away at RCPT.
public struct RefusedRecipient: Sendable, Hashable, Codable {
    public var address: EmailAddress
    public var reply: Reply
}

/// One stage's turn.
public struct TraceStep: Sendable, Hashable, Codable {
    public var phase: Phase
    public var stage: StageName
    /// The file in `filters.d`.
    public var file: String
    /// Whom it was about: the recipient's address, or in the message phase those of the copy.
    public var recipients: [String] = []
    /// The domain whose own values were used.
    public var scope: String?
    public var finding: Finding?
    /// `unless authenticated`: why the stage was not asked.
    public var skipped: String?
    public var failure: StageFailure?
    /// What the chain then did; `nil` for a stage in shadow.
    public var onFailure: FailurePolicy?
    /// `false` for a stage in shadow: judged, but nothing came of it.
    public var isApplied = true
    public var microseconds = 0
    /// Which of the trace's facts it asked for.
    public var facts: Range<Int> = 0..<0
    /// The options that decided, with their values and where these stand.
    public var decidedBy: [String: ValueOrigin] = [:]
}

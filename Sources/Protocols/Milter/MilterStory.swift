public import MailTypes

/// What a milter is to hear of a session, as far as that has come: the last thing in it is what it is asked about.
///
/// A session's questions are stories of which each goes on from the one before. So a milter that has heard the
/// beginning hears only what is new, and one that has heard nothing, or something else, hears all of it.
public struct MilterStory: Sendable {
    /// Values by the names of macros.
    public typealias Macros = [String: String]

    public struct Client: Sendable, Hashable {
        /// Its name in DNS, or its address in brackets.
        public var host: String
        public var peer: MilterPeer
        public var macros: Macros

        public init(host: String, peer: MilterPeer, macros: Macros = [:]) {
            self.host = host
            self.peer = peer
            self.macros = macros
        }
    }

    /// A client's word, with what it is told with.
    public struct Said: Sendable, Hashable {
        /// The name of HELO, or the path of MAIL or RCPT in angle brackets.
        public var text: String
        public var parameters: [String]
        public var macros: Macros

        public init(_ text: String, parameters: [String] = [], macros: Macros = [:]) {
            self.text = text
            self.parameters = parameters
            self.macros = macros
        }
    }

    public var client: Client
    public var hello: Said?
    /// Two transactions with one sender are told apart by the `i` among its macros.
    public var mail: Said?
    public var recipients: [Said] = []
    public var message: Message?

    public init(_ client: Client) { self.client = client }
}

/// What has become of a story's last part.
public struct MilterAnswer: Sendable, Hashable {
    public enum Verdict: Sendable, Hashable {
        case `continue`
        /// The milter has no more to say of the session or the message.
        case accept
        case discard
        /// With the milter's own words, if it has any.
        case reject(Reply?)
        case tempfail(Reply?)
    }

    public var verdict: Verdict
    /// In the order in which they are to be made; none with a refusal.
    public var changes: [MilterChange]

    public init(_ verdict: Verdict, changes: [MilterChange] = []) {
        self.verdict = verdict
        self.changes = changes
    }
}

public import MailTypes
public import NIOCore

extension SMTPServerMachine {
    /// What the driver is to do.
    ///
    /// After every action but `ask`, `xclient`, `startTLS`, `close` and a `wait` that came from ``next(_:)``,
    /// the driver calls ``next(_:)`` again.
    public enum Action: Sendable, Hashable {
        /// From ``next(_:)``: more bytes are needed. From an `answered…` call: nothing is to be sent.
        case wait
        case send(Reply)
        /// One reply after the other: LMTP and PRDR after the message.
        case sendEach([Reply])
        /// Send `334 ` and this text, which is base64 already or empty. RFC 4954 §4.
        case challenge(String)
        /// Send, throw every buffered octet away, negotiate, then ``tlsEstablished()``. RFC 3207 §4.
        case startTLS(Reply)
        /// Bring the answer with ``answered(_:)``, ``answeredEach(_:)`` or ``loggedIn(_:)``; until then
        /// ``next(_:)`` is not called.
        case ask(Question)
        /// Octets of the message, dots unstuffed.
        case content(ByteBuffer)
        /// What came through `content` since `contentBegins` is void, and no `message` will follow: throw it away.
        case dropContent
        /// A trusted proxy tells about the client. The connection begins anew: bring the
        /// greeting with ``answered(_:)``.
        case xclient(XClient)
        /// Send the reply, if there is one, and close.
        case close(Reply?)

        var isWait: Bool { if case .wait = self { true } else { false } }
    }

    /// What only the pipeline can decide.
    public enum Question: Sendable, Hashable {
        /// Asked first: a 220 lets the client in, anything else is sent and the connection closed.
        case greeting
        /// Any positive reply does; the machine makes the reply's text itself.
        case hello(verb: HelloVerb, name: String)
        /// The envelope has no recipients yet.
        case sender(Envelope)
        case recipient(EnvelopeRecipient)
        /// DATA or the first BDAT has come. Any positive reply means that a spool is ready.
        case contentBegins(Envelope)
        /// All of the content has gone through ``Action/content(_:)``.
        case message(Envelope)
        /// Bring the answer with ``loggedIn(_:)``.
        case login(Login)
    }

    public enum HelloVerb: String, Sendable, Hashable {
        case helo = "HELO"
        case ehlo = "EHLO"
        case lhlo = "LHLO"
    }

    /// A name and password that somebody claims.
    public struct Login: Sendable, Hashable {
        /// `PLAIN` or `LOGIN`.
        public var mechanism: String
        /// Whom the client wants to be; empty: who it logs in as. RFC 4616 §2.
        public var authorizationID: String
        public var name: String
        public var password: [UInt8]

        public init(mechanism: String, authorizationID: String = "", name: String, password: [UInt8]) {
            self.mechanism = mechanism
            self.authorizationID = authorizationID
            self.name = name
            self.password = password
        }
    }

    public enum LoginOutcome: Sendable, Hashable {
        case success
        case refused
        /// The directory does not answer.
        case temporary
        /// Too many failures: refused with this reply, and the connection is closed.
        case banned(Reply)
    }

    /// What a proxy says about the client it speaks for; `nil` stands for `[UNAVAILABLE]` and `[TEMPUNAVAIL]`.
    public struct XClient: Sendable, Hashable {
        public enum Attribute: Sendable, Hashable {
            /// The client's name in the DNS.
            case name(String?)
            /// What the client's address leads to, whether or not that leads back.
            case reverseName(String?)
            case address(IPAddress?)
            case port(Int?)
            /// `SMTP` or `ESMTP`.
            case proto(String?)
            case hello(String?)
            case login(EmailAddress?)
            case destinationAddress(IPAddress?)
            case destinationPort(Int?)
        }

        /// In the order they were given, each at most once.
        public var attributes: [Attribute]

        public init(_ attributes: [Attribute]) { self.attributes = attributes }
    }
}

public import MailTypes
public import NIOCore

/// The server's side of an SMTP, submission or LMTP session, without any I/O. RFC 5321 §4.1.4.
public struct SMTPServerMachine: Sendable {
    public let configuration: Configuration

    /// The client spoke before the greeting. RFC 5321 §4.3.1.
    public private(set) var spokeEarly = false
    /// The client sent on where it had to wait for a reply. RFC 2920 §3.1.
    public private(set) var pipelinedWrongly = false
    /// The verb of the last accepted hello.
    public private(set) var helloVerb: HelloVerb?
    /// What the client called itself in its last accepted hello.
    public private(set) var helloName: String?
    public private(set) var isEncrypted = false
    public private(set) var isAuthenticated = false
    /// The client asked for a reply per recipient in the transaction under way.
    public private(set) var usesPRDR = false
    /// A MAIL was accepted and the transaction has not ended.
    public var isInTransaction: Bool { false }
    /// ``Question/message(_:)`` is to be answered with ``answeredEach(_:)``.
    public var repliesPerRecipient: Bool { usesPRDR || configuration.language == .lmtp }

    public init(configuration: Configuration) {
        self.configuration = configuration
    }

    /// The client has connected. For implicit TLS, ``tlsEstablished()`` comes before.
    public mutating func start() -> Action { .ask(.greeting) }

    /// Takes from `input` what one action needs; what is left over stays in it for the next call.
    public mutating func next(_ input: inout ByteBuffer) -> Action { .wait }

    /// The pipeline's answer to the question that was asked.
    public mutating func answered(_ reply: Reply) -> Action { .send(reply) }

    /// The answers to ``Question/message(_:)``, one for each accepted recipient in their order.
    public mutating func answeredEach(_ replies: [Reply]) -> Action { .sendEach(replies) }

    public mutating func loggedIn(_ outcome: LoginOutcome) -> Action { .wait }

    /// The session is encrypted from here on; all that was said before is forgotten. RFC 3207 §4.2.
    public mutating func tlsEstablished() {}

    /// So many octets came while ``Question/greeting`` was still open.
    public mutating func inputBefore(greeting bytes: Int) {}
}

public import MailTypes

/// One message that a client hands to a server: the envelope, and what the server must know of the content.
public struct SMTPTransaction: Sendable, Hashable {
    public var envelope: Envelope
    /// Octets of the content, line ends as CR LF. RFC 1870 §3. With BINARYMIME exactly those of the content, as they
    /// are counted on the wire.
    public var size: Int
    /// An address or the header cannot do without SMTPUTF8. RFC 6531 §3.4.
    public var needsUTF8: Bool
    /// Nothing is sent: it ends with the replies to RCPT, which are the outcomes.
    public var isProbe = false

    public init(envelope: Envelope, size: Int, needsUTF8: Bool = false) {
        self.envelope = envelope
        self.size = size
        self.needsUTF8 = needsUTF8
    }

    /// A question whether the server takes mail for these recipients.
    public init(probing envelope: Envelope, needsUTF8: Bool = false) {
        self.init(envelope: envelope, size: 0, needsUTF8: needsUTF8)
        isProbe = true
    }
}

/// What became of a transaction.
public struct SMTPTransactionResult: Sendable, Hashable {
    /// What became of one recipient.
    public enum Outcome: Sendable, Hashable {
        /// The server has taken the message for it.
        case accepted(Reply)
        /// The server, or this client in its place, refuses; where in the session.
        case refused(Reply, SMTPPhase)
        /// The session broke. In ``SMTPPhase/final`` the server may have taken the message all the same.
        case broken(SMTPClientFailure)
    }

    /// In the order of the envelope's recipients.
    public var outcomes: [Outcome]
    /// The server promised to report on delivery itself. RFC 3461 §5.2.2.
    public var passedDSN: Bool
    /// The session can take another message.
    public var isReusable: Bool

    public init(outcomes: [Outcome], passedDSN: Bool, isReusable: Bool) {
        self.outcomes = outcomes
        self.passedDSN = passedDSN
        self.isReusable = isReusable
    }
}

/// How far a session has come: what the client waits for.
public enum SMTPPhase: String, Sendable, Hashable, Codable {
    case connect, greeting, hello, startTLS, handshake, auth, reset, mail, recipient, data
    /// The content flows.
    case content
    /// After the final dot.
    case final
    case quit
}

/// Why a session cannot go on.
public struct SMTPClientFailure: Error, Sendable, Hashable {
    public enum Reason: Sendable, Hashable {
        /// The server said no to the session as a whole.
        case refused(Reply)
        /// What the server said is no reply.
        case malformed(String)
        /// The server closed the connection.
        case closed
        /// Octets followed the reply to STARTTLS before TLS began. RFC 3207 §6.
        case injectedPlaintext
        /// TLS is wanted, and the server has none.
        case noTLS
        /// The server offers no mechanism that a login can be made with, or none that is safe here.
        case noLogin
        /// What this server would log in with cannot be had; in words.
        case lostLogin(String)
        /// TLS could not be agreed on, or the certificate is not the right one.
        case handshake(String)
        case timedOut
        /// The network says no; in words.
        case network(String)
    }

    public var phase: SMTPPhase
    public var reason: Reason

    public init(_ phase: SMTPPhase, _ reason: Reason) {
        self.phase = phase
        self.reason = reason
    }
}

/// What a server said in answer to EHLO or LHLO. RFC 5321 §4.1.1.1.
public struct SMTPServerExtensions: Sendable, Hashable {
    /// The parameters of each keyword, both in upper case.
    private var keywords: [String: [String]] = [:]

    init() {}

    /// Reads the lines after the first one.
    init(_ reply: Reply) {
        for line in reply.lines.dropFirst() {
            var words = line.split(separator: " ").map { $0.uppercased() }
            guard let keyword = words.first else { continue }
            words.removeFirst()
            // An old spelling of AUTH that some servers still send.
            if keyword.hasPrefix("AUTH=") {
                keywords["AUTH", default: []] += [String(keyword.dropFirst(5))] + words
            } else {
                keywords[keyword, default: []] += words
            }
        }
    }

    func offers(_ keyword: String) -> Bool { keywords[keyword] != nil }

    func parameters(of keyword: String) -> [String] { keywords[keyword] ?? [] }

    /// The largest message that the server says it takes; `nil`: it does not say. RFC 1870 §4.
    var maxSize: Int? { parameters(of: "SIZE").first.flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil } }

    /// The most recipients of a message that the server says it takes. RFC 9422 §4.2.
    var maxRecipients: Int? {
        parameters(of: "LIMITS").first { $0.hasPrefix("RCPTMAX=") }.flatMap { Int($0.dropFirst(8)) }
            .flatMap { $0 > 0 ? $0 : nil }
    }
}

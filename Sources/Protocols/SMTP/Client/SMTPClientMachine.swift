import MailTypes
public import NIOCore

/// The client's side of an SMTP or LMTP session, without any I/O. RFC 5321 §4.1.4, RFC 2033.
///
/// The machine is told what arrived and answers what is to be done; it never waits, and ``phase`` says
/// what it waits for, so that the driver knows which time limit holds.
///
///     greeting --220--> hello --250--> startTLS --220--> handshake --> hello --> auth --> ready
///        ready --begin()--> mail, recipient…, data --354--> content --> final --> ready | dead
public struct SMTPClientMachine: Sendable {
    public enum Language: Sendable, Hashable {
        case smtp, lmtp
    }

    /// Whether TLS is used.
    public enum Encryption: Sendable, Hashable {
        case never
        /// Where the server offers it. RFC 7435.
        case opportunistic
        case required
        /// The driver has made TLS before the first octet. RFC 8314.
        case implicit
    }

    public struct Login: Sendable, Hashable {
        public var name: String
        public var password: String
        public init(name: String, password: String) {
            self.name = name
            self.password = password
        }
    }

    public struct Configuration: Sendable {
        /// The name for EHLO.
        public var hostname: String
        public var language = Language.smtp
        public var encryption = Encryption.opportunistic
        public var login: Login?
        /// Sends passwords without TLS too; for relays on the same machine.
        public var loginWithoutTLS = false
        /// The certificate is verified before ``SMTPClientMachine/tlsEstablished()``. RFC 8689 §4.2.1.
        public var verifiesTLS = false
        public var replies = SMTPReplyParser()

        public init(hostname: String) { self.hostname = hostname }
    }

    public enum Action: Sendable, Hashable {
        /// More octets are needed.
        case wait
        /// Send these, then go on with ``SMTPClientMachine/next(_:)``.
        case send(ByteBuffer)
        /// Begin TLS, then tell ``SMTPClientMachine/tlsEstablished()``.
        case startTLS
        /// Ready for a transaction.
        case ready
        /// Send the content as ``SMTPContentEncoder`` makes it, then tell ``SMTPClientMachine/contentSent()``.
        case sendContent
        /// Send these and then the content octet by octet, then tell ``SMTPClientMachine/contentSent()``.
        case sendChunk(ByteBuffer)
        /// The transaction is over.
        case finished(SMTPTransactionResult)
        /// The session cannot be used; there was no transaction.
        case failed(SMTPClientFailure)
        /// The session has ended as it should.
        case close
    }

    enum State {
        case greeting
        case hello(isFallback: Bool)
        case startTLS
        case handshake
        case auth(LoginStep)
        case ready
        case transaction(TransactionState)
        case quit
        case dead
    }

    let configuration: Configuration
    var state = State.greeting
    var parser: SMTPReplyParser
    public private(set) var isEncrypted: Bool
    public internal(set) var extensions = SMTPServerExtensions()
    /// What the server calls itself in its answer to EHLO, if that can be a name. RFC 5321 §4.1.1.1.
    public private(set) var serverName: String?
    /// The server knows EHLO.
    var isExtended = false
    /// Octets that had come and were not read when the machine was last told what arrived.
    var unread = 0
    /// Whole replies that have been read: while it stays, the server has not got on, however much it sends.
    public private(set) var replies = 0
    /// An unfinished transaction is to be taken back before the next one.
    var needsReset = false

    public init(_ configuration: Configuration) {
        self.configuration = configuration
        parser = configuration.replies
        isEncrypted = configuration.encryption == .implicit
    }

    /// What the machine waits for.
    public var phase: SMTPPhase {
        switch state {
        case .greeting: .greeting
        case .hello: .hello
        case .startTLS: .startTLS
        case .handshake: .handshake
        case .auth: .auth
        case .ready: .reset
        case .transaction(let transaction): transaction.phase
        case .quit, .dead: .quit
        }
    }

    /// The most recipients that the server takes in one transaction, as far as it says.
    public var maxRecipients: Int? { extensions.maxRecipients }

    // MARK: Events

    /// Takes what has arrived, as far as one action needs.
    public mutating func next(_ input: inout ByteBuffer) -> Action {
        defer { unread = input.readableBytes }
        // What is to be done unless a reply that is there already says otherwise.
        var held = Action.wait
        while true {
            switch state {
            case .handshake, .dead: return .wait
            default: break
            }
            let reply: Reply
            do throws(SMTPReplyParser.Malformed) {
                guard let next = try parser.next(&input) else { return held }
                reply = next
            } catch {
                return fail(.malformed(error.reason))
            }
            replies &+= 1
            guard let action = received(reply, unread: input.readableBytes) else { continue }
            if case .sendContent = action {
                held = action
            } else {
                return inOrder(action, unread: input.readableBytes)
            }
        }
    }

    /// TLS stands: what was said before it is void. RFC 3207 §4.2.
    public mutating func tlsEstablished() -> Action {
        isEncrypted = true
        parser = configuration.replies
        return hello()
    }

    /// The connection is gone, for whatever reason.
    public mutating func lost(_ reason: SMTPClientFailure.Reason) -> Action {
        switch state {
        case .dead: return .wait
        case .quit:
            state = .dead
            return .close
        default: return fail(reason)
        }
    }

    /// Ends an idle session.
    public mutating func quit() -> Action {
        guard case .ready = state else { return .close }
        state = .quit
        return .send(ByteBuffer(staticString: "QUIT\r\n"))
    }

    // MARK: Replies

    /// What follows from a reply; `nil`: the next one is wanted.
    private mutating func received(_ reply: Reply, unread: Int) -> Action? {
        switch state {
        case .greeting:
            guard reply.code == 220 else { return fail(.refused(reply)) }
            return hello()
        case .hello(let isFallback):
            return receivedHello(reply, isFallback: isFallback)
        case .startTLS:
            return receivedStartTLS(reply, unread: unread)
        case .auth(let step):
            return receivedAuth(reply, step)
        case .transaction(let transaction):
            return received(reply, in: transaction)
        case .quit:
            state = .dead
            return .close
        case .ready:
            // A server that speaks unasked says goodbye: 421 before it closes. RFC 5321 §3.8.
            return fail(.refused(reply))
        case .handshake, .dead:
            return .wait
        }
    }

    private mutating func hello() -> Action {
        state = .hello(isFallback: false)
        extensions = SMTPServerExtensions()
        return command("\(configuration.language == .lmtp ? "LHLO" : "EHLO") \(configuration.hostname)")
    }

    private mutating func receivedHello(_ reply: Reply, isFallback: Bool) -> Action {
        if reply.code / 100 == 2 {
            isExtended = !isFallback
            extensions = isFallback ? SMTPServerExtensions() : SMTPServerExtensions(reply)
            serverName = Self.name(in: reply)
            return afterHello()
        }
        guard reply.isPermanent, !isFallback, configuration.language == .smtp, !isEncrypted else {
            return fail(.refused(reply))
        }
        // A server from before 1995.
        state = .hello(isFallback: true)
        return command("HELO \(configuration.hostname)")
    }

    /// Octets of a domain name, and of an address literal.
    private static let longestName = 255

    private static func name(in reply: Reply) -> String? {
        let word = reply.lines.first?.prefix { $0 != " " } ?? ""
        let isName = (1...longestName).contains(word.utf8.count) && word.utf8.allSatisfy(\.isVisible)
        return isName ? String(word) : nil
    }

    private mutating func afterHello() -> Action {
        if !isEncrypted, configuration.encryption != .never {
            if extensions.offers("STARTTLS") {
                state = .startTLS
                return command("STARTTLS")
            }
            if configuration.encryption != .opportunistic { return fail(.noTLS) }
        }
        return login()
    }

    private mutating func receivedStartTLS(_ reply: Reply, unread: Int) -> Action {
        guard reply.code == 220 else {
            return configuration.encryption == .opportunistic ? login() : fail(.refused(reply))
        }
        guard unread == 0 else { return fail(.injectedPlaintext) }
        state = .handshake
        return .startTLS
    }

    // MARK: Helpers

    func command(_ text: String) -> Action { .send(ByteBuffer(string: text + "\r\n")) }

    /// The session is over: the transaction's recipients hear of it, or whoever waits for the session.
    mutating func fail(_ reason: SMTPClientFailure.Reason) -> Action {
        let failure = SMTPClientFailure(phase, reason)
        guard case .transaction(let transaction) = state else {
            state = .dead
            return .failed(failure)
        }
        state = .dead
        return .finished(transaction.result(otherwise: .broken(failure), isReusable: false))
    }

    mutating func becomeReady() -> Action {
        state = .ready
        return .ready
    }
}

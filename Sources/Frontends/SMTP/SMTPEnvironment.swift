public import struct Foundation.Date
public import Logging
public import MailTypes
public import Metrics
public import Pipeline

/// The world around the SMTP front-end: who judges, who takes the mail, who knows the passwords.
public struct SMTPEnvironment: Sendable {
    /// This server's name in greetings and Received fields.
    public var hostname: String
    /// The chain as it is now; each transaction keeps the one it began with.
    public var chain: @Sendable () -> Chain
    public var services: any ServiceSource
    public var acceptor: any MailAcceptor
    public var authenticator: any Authenticator
    /// What TLS listeners show; `nil`: there is no TLS.
    public var certificates: CertificateStore?
    /// Where large messages lie while they arrive: `tmp/` of the data folder.
    public var temporaryDirectory: String
    /// Told of every transaction that has ended, well or not, with the message as it arrived if it came to
    /// that; and of clients that were turned away before any, but for floods of them. Must not wait.
    public var traced: @Sendable (Trace, Message?) -> Void = { _, _ in }
    /// A domain in U-labels as A-labels; `nil` where it has none. RFC 5890 §2.3.2.
    public var domainToASCII: @Sendable (String) -> String? = { $0.utf8.allSatisfy { $0 < 0x80 } ? $0 : nil }
    public var logger: Logger
    public var metrics: any MetricsFactory = MetricsSystem.factory
    public var now: @Sendable () -> Date = { Date() }
    public var random: @Sendable () -> UInt32 = { UInt32.random(in: .min ... .max) }

    public init(
        hostname: String, chain: @escaping @Sendable () -> Chain, services: any ServiceSource,
        acceptor: any MailAcceptor, authenticator: any Authenticator, temporaryDirectory: String, logger: Logger
    ) {
        self.hostname = hostname
        self.chain = chain
        self.services = services
        self.acceptor = acceptor
        self.authenticator = authenticator
        self.temporaryDirectory = temporaryDirectory
        self.logger = logger
    }

    func makeID() -> TransactionID {
        let milliseconds = max(0, now().timeIntervalSince1970 * 1000)
        return TransactionID(milliseconds: UInt64(milliseconds), random: random())
    }
}

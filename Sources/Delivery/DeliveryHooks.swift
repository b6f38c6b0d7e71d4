public import MailTypes
public import Pipeline
public import Protocols
public import struct Foundation.Date

/// What delivery asks the rest of the server. The wiring gives it.
public struct DeliveryHooks: Sendable {
    /// The clock.
    public var now: @Sendable () -> Date = { Date() }
    /// DNS.
    public var resolve: @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    /// Where a report to this address goes; nowhere, if there is no such address here.
    public var routes: @Sendable (EmailAddress) async throws(StageFailure) -> [Destination]
    /// Whether a domain is hosted here, so that its mail never leaves by its own MX.
    public var isHosted: @Sendable (_ domain: String) async throws(StageFailure) -> Bool = { _ in false }
    /// Whether this server is a backup exchanger of a domain, so that nothing that is wrong with its exchangers sends
    /// its mail back.
    public var isBackup: @Sendable (_ domain: String) async throws(StageFailure) -> Bool = { _ in false }
    /// How long mail for a domain is kept while it cannot be delivered; `nil`: as long as all other. May block.
    public var giveUpAfter: @Sendable (_ domain: String) -> Interval? = { _ in nil }
    /// What has become of a mailbox that is known to the queue only: before one is made, or filled after a long wait.
    public var standing: @Sendable (_ mailbox: EmailAddress) async throws(StageFailure) -> MailboxStanding =
        { _ in .present }
    /// How much a mailbox may hold, in octets; `nil`: no limit. May block.
    public var quota: @Sendable (_ mailbox: EmailAddress) -> Int? = { _ in nil }
    /// The login kept under a name, for the relay host that it belongs to; `nil` for every other one.
    public var login:
        @Sendable (_ credential: String, _ host: String, _ port: Int) async throws(StageFailure) ->
            SMTPClientMachine.Login? = { _, _, _ in nil }
    /// Whether answers of DNS are validated, so that what is called secure is so.
    public var validatesDNS = false
    /// How much TLS the exchangers of a domain need.
    public var tlsPolicy: @Sendable (_ domain: String) -> TLSPolicy = { _ in .usual }
    /// What a domain publishes as MTA-STS.
    public var mtaSTS: @Sendable (_ domain: String) async -> MTASTSFinding = { _ in .none }
    /// Who says what exchangers' certificates prove; `nil`: nobody, and nothing is proven.
    public var certificates: (any CertificateChecks)?
    /// Told of TLS in each session with an exchanger, where that is of interest to the domain's owner. RFC 8460.
    public var tlsSession: @Sendable (TLSSession) -> Void = { _ in }
    /// Told of each attempt's outcome.
    public var report: @Sendable (DeliveryEvent) -> Void = { _ in }

    /// Acts on what has come to lie in mailboxes; `nil`: nobody does.
    public var follower: (any MailboxFollower)?

    public init(
        resolve: @escaping @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer,
        routes: @escaping @Sendable (EmailAddress) async throws(StageFailure) -> [Destination]
    ) {
        self.resolve = resolve
        self.routes = routes
    }
}

/// Whether mail goes into a mailbox of this server.
public enum MailboxStanding: Sendable, Hashable {
    case present
    /// It is gone or switched off, or this cannot be known now; what its mail hears. A 4yz code means: try again.
    case refused(Reply)
}

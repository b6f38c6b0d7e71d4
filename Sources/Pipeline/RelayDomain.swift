public import MailTypes

/// A domain whose mail goes to another server as a whole; that server's mailboxes are none of ours.
public struct RelayDomain: Sendable, Hashable, Codable {
    /// In lower case and A-labels.
    public var name: String
    /// Where it goes; `nil`: to the domain's own mail exchangers, as far as they are better ones than this server,
    /// which is their backup. RFC 5321 §5.1.
    public var host: RelayHost?
    /// Only from clients that may relay.
    public var onlyAuthenticated: Bool
    /// Whether that server is asked, at RCPT, who exists there.
    public var asksServer: Bool
    /// How long its mail is kept while it cannot be delivered; `nil`: as long as all other mail.
    public var giveUpAfter: Interval?
    /// It takes mail: its owner is proven, or that is not asked for.
    public var isVerified = true

    public init(
        name: String, host: RelayHost?, onlyAuthenticated: Bool = false, asksServer: Bool = false,
        giveUpAfter: Interval? = nil
    ) {
        self.name = name
        self.host = host
        self.onlyAuthenticated = onlyAuthenticated
        self.asksServer = asksServer
        self.giveUpAfter = giveUpAfter
    }

    /// Whether this server is a backup of the domain's own exchangers.
    public var isBackup: Bool { host == nil }

    public var route: Route { host.map(Route.host) ?? .exchanger(domain: name) }

    private enum CodingKeys: CodingKey {
        case name, host, onlyAuthenticated, asksServer, giveUpAfter, isVerified
    }

    /// What records of older versions lack has its default.
    public init(from decoder: any Decoder) throws {
        let record = try decoder.container(keyedBy: CodingKeys.self)
        name = try record.decode(String.self, forKey: .name)
        host = try record.decodeIfPresent(RelayHost.self, forKey: .host)
        onlyAuthenticated = try record.decode(Bool.self, forKey: .onlyAuthenticated)
        asksServer = try record.decodeIfPresent(Bool.self, forKey: .asksServer) ?? false
        giveUpAfter = try record.decodeIfPresent(Interval.self, forKey: .giveUpAfter)
        isVerified = try record.decodeIfPresent(Bool.self, forKey: .isVerified) ?? true
    }
}

public import MailTypes

/// A domain of which one part lives here and the rest on another server.
public struct SplitDomain: Sendable, Hashable, Codable {
    /// In lower case and A-labels; of an alias, the domain that it stands for.
    public var name: String
    /// Who has the rest; the ones to ask while that cannot be reached are its fallbacks.
    public var host: RelayHost
    /// Where the partner's own mail comes from.
    public var networks: [Network]
    /// Whether the partner is asked, at RCPT, who exists there.
    public var asksPartner: Bool

    public init(name: String, host: RelayHost, networks: [Network] = [], asksPartner: Bool = true) {
        self.name = name
        self.host = host
        self.networks = networks
        self.asksPartner = asksPartner
    }

    /// Whether a client is the partner: it sends for the domain, and nothing is sent back to it.
    public func isPartner(_ client: IPAddress) -> Bool { networks.contains { $0.contains(client) } }
}

/// Whether a server would take mail for an address, asked without sending any.
public struct CalloutQuestion: Sendable, Hashable, Codable {
    /// `nil`: the best mail exchangers of the address's domain.
    public var host: RelayHost?
    public var address: EmailAddress

    public init(host: RelayHost?, address: EmailAddress) {
        self.host = host
        self.address = address
    }
}

/// What a server said of an address.
public enum CalloutReport: Sendable, Hashable, Codable {
    case accepted
    /// What it said to RCPT.
    case refused(Reply)
    /// None of its hosts has answered, or said anything of the address; why.
    case unreachable(String)
    /// Nobody was asked, for it is only tried what would be.
    case notAsked
}

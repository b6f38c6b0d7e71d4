public import MailTypes

/// A domain whose mail goes to another server as a whole, whether or not it is hosted here.
public struct RelayDomain: Sendable, Hashable, Codable {
    /// In lower case and A-labels.
    public var name: String
    public var host: RelayHost
    /// Only from clients that may relay.
    public var onlyAuthenticated: Bool
    /// It takes mail: its owner is proven, or that is not asked for.
    public var isVerified = true

    public init(name: String, host: RelayHost, onlyAuthenticated: Bool = false) {
        self.name = name
        self.host = host
        self.onlyAuthenticated = onlyAuthenticated
    }

    private enum CodingKeys: CodingKey {
        case name, host, onlyAuthenticated, isVerified
    }

    /// What records of older versions lack has its default.
    public init(from decoder: any Decoder) throws {
        let record = try decoder.container(keyedBy: CodingKeys.self)
        name = try record.decode(String.self, forKey: .name)
        host = try record.decode(RelayHost.self, forKey: .host)
        onlyAuthenticated = try record.decode(Bool.self, forKey: .onlyAuthenticated)
        isVerified = try record.decodeIfPresent(Bool.self, forKey: .isVerified) ?? true
    }
}

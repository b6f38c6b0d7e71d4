public import MailTypes

/// A domain whose mail goes to another server as a whole, whether or not it is hosted here.
public struct RelayDomain: Sendable, Hashable, Codable {
    /// In lower case and A-labels.
    public var name: String
    public var host: RelayHost
    /// Only from clients that may relay.
    public var onlyAuthenticated: Bool

    public init(name: String, host: RelayHost, onlyAuthenticated: Bool = false) {
        self.name = name
        self.host = host
        self.onlyAuthenticated = onlyAuthenticated
    }
}

/// How full a mailbox of this server is.
public enum MailboxFill: Sendable, Hashable, Codable {
    /// It may hold as much as it likes.
    case unlimited
    /// So many octets of so many, looked at just now.
    case measured(octets: Int, quota: Int)
    /// Looked at some time ago, and not again in time.
    case outdated(octets: Int, quota: Int)
    /// Nobody has looked in time.
    case unknown(quota: Int)

    public var quota: Int? {
        switch self {
        case .unlimited: nil
        case .measured(_, let quota), .outdated(_, let quota), .unknown(let quota): quota
        }
    }

    public var octets: Int? {
        switch self {
        case .unlimited, .unknown: nil
        case .measured(let octets, _), .outdated(let octets, _): octets
        }
    }
}

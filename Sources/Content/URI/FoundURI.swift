/// A URI of a message, and where it was.
public struct FoundURI: Sendable, Hashable {
    public internal(set) var address: WebAddress
    public internal(set) var source: URISource
    /// The part of the message, by its place in ``MessageContent/structure``.
    public internal(set) var part = 0
    /// Where it stands, in octets of the text that it stands in; `nil` for one of an attribute.
    public internal(set) var position: Int?
    /// What a reader sees of a link.
    public internal(set) var text: String?
    /// The host that the text of a link names, if it names one.
    public internal(set) var textHost: String?
    /// Nobody sees it.
    public internal(set) var isHidden = false

    public init(address: WebAddress, source: URISource) {
        self.address = address
        self.source = source
    }

    /// Whether the text of the link names another host than the one it leads to. Hosts of which one is a
    /// subdomain of the other are not called different; who has a list of public suffixes can say more.
    public var isMismatched: Bool {
        guard let shown = textHost, let host = address.host else { return false }
        let (one, other) = (Self.bare(shown), Self.bare(host))
        return one != other && !one.hasSuffix("." + other) && !other.hasSuffix("." + one)
    }

    private static func bare(_ host: String) -> Substring { host.hasPrefix("www.") ? host.dropFirst(4) : host[...] }
}

/// What is put below mail that leaves: a disclaimer, in plain text and in HTML.
///
/// One of the two is enough; the other is made of it.
public struct Footer: Sendable, Hashable, Codable {
    public var text: String?
    /// A piece of a page: no `<html>` or `<body>` around it.
    public var html: String?

    /// Octets that each of the two may have.
    public static let mostOctets = 32 << 10

    public init(text: String? = nil, html: String? = nil) {
        self.text = text
        self.html = html
    }

    public var isEmpty: Bool { text == nil && html == nil }
}

/// A footer that the directory has for a post office or for everybody.
public struct SetFooter: Sendable, Hashable, Codable {
    public var footer: Footer
    /// The post office's name; `nil` for everybody's.
    public var postOffice: String?
    /// The entry of the audit log that made it so.
    public var audit: Int64

    public init(_ footer: Footer, of postOffice: String? = nil, audit: Int64) {
        self.footer = footer
        self.postOffice = postOffice
        self.audit = audit
    }

    /// Where it stands, for a trace: `audit 34 (Acme)`.
    public var origin: String { "audit \(audit) (\(postOffice ?? "global"))" }
}

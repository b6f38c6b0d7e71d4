import MailTypes

/// Why a message is not answered by itself.
public struct AutoreplyRefusal: Sendable, Hashable, CustomStringConvertible {
    /// One word each, for counters.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case outsideWindow = "window"
        case nullSender = "null-sender"
        case itself
        case roleSender = "role"
        case automatic
        case bulk
        case junk
        case postmaster
        case forged
        case notAddressed = "not-addressed"
        case toldBefore = "told-before"
        case limit
        /// The chain does not let the reply out.
        case refused
        /// The directory, the disk or the message cannot be read.
        case failed
    }

    public var kind: Kind
    /// For people: `bulk mail (List-Id: <news.list.test>)`.
    public var reason: String
    public var description: String { reason }

    public init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    private static let longestValue = 60

    /// A field as evidence: its name, and as much of a stranger's words as says enough.
    init(_ kind: Kind, _ what: String, _ field: HeaderField) {
        let value = String(
            String.UnicodeScalarView(field.value.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }))
        let shown =
            value.unicodeScalars.count > Self.longestValue
            ? String(String.UnicodeScalarView(value.unicodeScalars.prefix(Self.longestValue))) + "…" : value
        self.init(kind, "\(what) (\(field.name): \(shown))")
    }
}

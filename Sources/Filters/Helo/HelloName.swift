import MailTypes

/// What a client has called itself in HELO or EHLO. RFC 5321 §4.1.1.1, §4.1.3.
enum HelloName: Sendable, Hashable {
    case domain(String)
    case address(IPAddress)
    /// Neither a domain of two labels nor an address literal.
    case invalid

    init(_ said: String) {
        if said.utf8.first == UInt8(ascii: "["), said.utf8.last == UInt8(ascii: "]") {
            let inner = String(said.dropFirst().dropLast())
            let isIPv6 = inner.utf8.prefix(5).equalsIgnoringCase("IPv6:")
            let address = IPAddress(isIPv6 ? String(inner.dropFirst(5)) : inner)
            self = address.flatMap { $0.isIPv6 == isIPv6 ? HelloName.address($0) : nil } ?? .invalid
            return
        }
        let name = said.asciiLowercased.withoutFinalDot
        self = Self.isDomain(name) ? .domain(name) : .invalid
    }

    /// Two labels or more of letters, digits, hyphens and underscores, the last one not a number.
    private static func isDomain(_ name: String) -> Bool {
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard labels.count > 1, name.utf8.count <= 253, let last = labels.last, !last.allSatisfy(\.isDigit) else {
            return false
        }
        return labels.allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
        }
    }
}

// What protocols call letters, digits and atoms, on octets. Unicode's own notions (`lowercased()`,
// `isLetter`, `Character`) have no place on the wire.

extension UInt8 {
    public static let cr = UInt8(ascii: "\r")
    public static let lf = UInt8(ascii: "\n")
    public static let space = UInt8(ascii: " ")
    public static let tab = UInt8(ascii: "\t")

    public var isDigit: Bool { self &- 0x30 < 10 }
    public var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
    public var isBlank: Bool { self == .space || self == .tab }
    /// Printable ASCII without the space. RFC 5234 appendix B.1 (VCHAR).
    public var isVisible: Bool { self &- 0x21 < 94 }

    /// atext, and any octet of a UTF-8 sequence. RFC 5322 §3.2.3, RFC 6531 §3.3.
    public var isAtext: Bool {
        if isLetter || isDigit || self >= 0x80 { return true }
        switch self {
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"),
            UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
            UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "~"):
            return true
        default:
            return false
        }
    }

    public var asciiLowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }
    public var asciiUppercased: UInt8 { self &- 0x61 < 26 ? self & 0xDF : self }
}

extension Sequence<UInt8> {
    /// Whether these octets spell `text`, ASCII letters compared without case.
    public func equalsIgnoringCase(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { wanted in
            elementsEqual(wanted) { $0.asciiLowercased == $1.asciiLowercased }
        }
    }

    public func equalsIgnoringCase(_ other: some Sequence<UInt8>) -> Bool {
        elementsEqual(other) { $0.asciiLowercased == $1.asciiLowercased }
    }
}

extension String {
    /// ASCII letters in lower case, everything else untouched.
    public var asciiLowercased: String {
        guard utf8.contains(where: { $0 &- 0x41 < 26 }) else { return self }
        return String(decoding: utf8.map(\.asciiLowercased), as: UTF8.self)
    }

    /// Lower case and composed (NFC), so that two spellings find the same record.
    var lookupKey: String {
        utf8.allSatisfy { $0 < 0x80 } ? asciiLowercased : lowercased().precomposedForLookup
    }
}

/// Reads the tokens of a structured field body. RFC 5322 §3.2.
///
/// Total and linear: each call goes forward or leaves everything as it was, comments nest by a
/// counter, and line ends inside tokens are folding, which is taken out.
struct FieldLexer {
    private let octets: ArraySlice<UInt8>
    private(set) var position: Int

    init(_ octets: ArraySlice<UInt8>) {
        self.octets = octets
        position = octets.startIndex
    }

    var isAtEnd: Bool { position >= octets.endIndex }
    var next: UInt8? { isAtEnd ? nil : octets[position] }

    mutating func advance() { if !isAtEnd { position += 1 } }

    mutating func skip(_ octet: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: octet) else { return false }
        position += 1
        return true
    }

    /// Goes past blanks, folding and comments, and returns what the last comment said.
    @discardableResult
    mutating func skipCFWS() -> [UInt8]? {
        var said: [UInt8]?
        while let octet = next {
            if octet == UInt8(ascii: "(") {
                said = comment()
            } else if octet.isBlank || octet == .cr || octet == .lf {
                position += 1
            } else {
                break
            }
        }
        return said
    }

    // comment = "(" *([FWS] ccontent) [FWS] ")", without recursion; an open one runs to the end
    private mutating func comment() -> [UInt8] {
        var depth = 0
        var content: [UInt8] = []
        while let octet = next {
            position += 1
            switch octet {
            case UInt8(ascii: "("):
                depth += 1
                if depth == 1 { continue }
            case UInt8(ascii: ")"):
                depth -= 1
                if depth == 0 { return content }
            case UInt8(ascii: "\\"):
                if let quoted = next { content.append(quoted) }
                advance()
                continue
            case .cr, .lf:
                continue
            default:
                break
            }
            content.append(octet)
        }
        return content
    }

    /// The octets from here on that satisfy `isPart`; empty if the next one does not.
    mutating func run(while isPart: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = position
        while let octet = next, isPart(octet) { position += 1 }
        return octets[start..<position]
    }

    /// The content of the quoted string that begins here; an open one runs to the end.
    mutating func quotedString() -> [UInt8]? {
        guard skip("\"") else { return nil }
        var content: [UInt8] = []
        while let octet = next {
            position += 1
            switch octet {
            case UInt8(ascii: "\""):
                return content
            case UInt8(ascii: "\\"):
                if let quoted = next { content.append(quoted) }
                advance()
            case .cr, .lf:
                continue
            default:
                content.append(octet)
            }
        }
        return content
    }
}

extension UInt8 {
    /// What a MIME token consists of. RFC 2045 §5.1.
    var isMIMEToken: Bool {
        guard isVisible || self >= 0x80 else { return false }
        switch self {
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "@"),
            UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: ":"), UInt8(ascii: "\\"), UInt8(ascii: "\""),
            UInt8(ascii: "/"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "?"), UInt8(ascii: "="):
            return false
        default:
            return true
        }
    }

    /// The value of a hexadecimal digit in either case.
    var hexValue: UInt8? {
        if isDigit { return self & 0x0F }
        let lower = self | 0x20
        return (0x61...0x66).contains(lower) ? lower - 0x57 : nil
    }
}

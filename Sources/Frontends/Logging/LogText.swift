/// Text of strangers made fit for a log: one record stays one line, and what is shown is what was said.
enum LogText {
    /// The longest value in octets of UTF-8; the rest is cut off and marked.
    static let longestValue = 512
    /// The longest key in octets.
    static let longestKey = 48

    /// Appends `text` in quotes, with `\uXXXX` for whatever could break the line or its reading.
    static func appendQuoted(_ text: String, to line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        defer { line.append(UInt8(ascii: "\"")) }
        var text = text
        let isDone = text.withUTF8 { octets in
            guard octets.count <= longestValue, octets.allSatisfy({ $0 == 0x20 || isPlain($0) || $0 == 0x3D }) else {
                return false
            }
            line.append(contentsOf: octets)
            return true
        }
        if isDone { return }
        var room = longestValue
        for scalar in text.unicodeScalars {
            let width = UTF8.width(scalar)
            guard room >= width else {
                line += "…".utf8
                break
            }
            room -= width
            append(scalar, to: &line)
        }
    }

    /// Appends `text` as it is where logfmt allows it, otherwise in quotes.
    static func appendLogfmt(_ text: String, to line: inout [UInt8]) {
        var text = text
        let isDone = text.withUTF8 { octets in
            guard !octets.isEmpty, octets.count <= longestValue, octets.allSatisfy(isPlain) else { return false }
            line.append(contentsOf: octets)
            return true
        }
        if !isDone { appendQuoted(text, to: &line) }
    }

    /// Keys are our own words; whatever else gets there becomes `_`.
    static func appendKey(_ key: String, to line: inout [UInt8]) {
        var key = key
        key.withUTF8 { octets in
            if octets.count <= longestKey, octets.allSatisfy(isOfKey) { return line.append(contentsOf: octets) }
            for octet in octets.prefix(longestKey) { line.append(isOfKey(octet) ? octet : UInt8(ascii: "_")) }
        }
    }

    private static func isOfKey(_ octet: UInt8) -> Bool {
        octet &- 0x30 < 10 || (octet | 0x20) &- 0x61 < 26 || octet == UInt8(ascii: "_") || octet == UInt8(ascii: "-")
    }

    private static func isPlain(_ octet: UInt8) -> Bool {
        octet > 0x20 && octet < 0x7F && octet != UInt8(ascii: "\"") && octet != UInt8(ascii: "=")
            && octet != UInt8(ascii: "\\")
    }

    private static func append(_ scalar: Unicode.Scalar, to line: inout [UInt8]) {
        switch scalar {
        case "\"": line += "\\\"".utf8
        case "\\": line += "\\\\".utf8
        case "\n": line += "\\n".utf8
        case "\r": line += "\\r".utf8
        case "\t": line += "\\t".utf8
        case _ where mustBeEscaped(scalar):
            for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter { appendHex(unit, to: &line) }
        default: line += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
        }
    }

    private static func appendHex(_ unit: UInt16, to line: inout [UInt8]) {
        line += "\\u".utf8
        for shift in [12, 8, 4, 0] as [UInt16] {
            let digit = UInt8(truncatingIfNeeded: (unit >> shift) & 0xF)
            line.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
    }

    /// Control characters, line and paragraph separators, what turns the direction of text around,
    /// and what nobody can see. Unicode TR 36 §2.
    private static func mustBeEscaped(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0xAD, 0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
            0xFFF9...0xFFFB, 0xE0000...0xE007F:
            true
        default: false
        }
    }
}

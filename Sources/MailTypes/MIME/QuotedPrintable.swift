/// Writes quoted-printable. RFC 2045 §6.7.
public enum QuotedPrintable {
    /// Characters on one line, the `=` of a soft line end among them.
    static let longestLine = 76

    /// Text in quoted-printable. CR LF is a line end; every other octet comes out of the decoder as it went in.
    ///
    /// What some servers change on the way is encoded, too: blanks at the end of a line, and `From ` and a dot at the
    /// beginning of one.
    public static func encode(_ text: some Collection<UInt8>) -> [UInt8] {
        var writer = QuotedPrintableWriter(expecting: text.count)
        let octets = Array(text)
        for (place, octet) in octets.enumerated() {
            let next = place + 1 < octets.count ? octets[place + 1] : nil
            if octet == .lf, place > 0, octets[place - 1] == .cr { continue }
            if octet == .cr, next == .lf {
                writer.endLine()
                continue
            }
            let endsLine = next == nil || next == .cr && place + 2 < octets.count && octets[place + 2] == .lf
            writer.write(octet, plainly: isPlain(octet, endsLine: endsLine), endsLine: endsLine)
        }
        return writer.output
    }

    private static func isPlain(_ octet: UInt8, endsLine: Bool) -> Bool {
        octet.isBlank ? !endsLine : octet.isVisible && octet != UInt8(ascii: "=")
    }
}

private struct QuotedPrintableWriter {
    private(set) var output: [UInt8] = []
    private var column = 0

    init(expecting count: Int) { output.reserveCapacity(count + count / 8) }

    mutating func endLine() {
        output += [.cr, .lf]
        column = 0
    }

    mutating func write(_ octet: UInt8, plainly isPlain: Bool, endsLine: Bool) {
        // The last character of a line needs no room for the mark that the line goes on.
        let room = QuotedPrintable.longestLine - (endsLine ? 0 : 1)
        if column + (isPlain ? 1 : 3) > room { breakLine() }
        let isDelicate = column == 0 && (octet == UInt8(ascii: "F") || octet == UInt8(ascii: "."))
        if isPlain, !isDelicate {
            output.append(octet)
            column += 1
        } else {
            output += [UInt8(ascii: "="), Self.digit(octet >> 4), Self.digit(octet & 0x0F)]
            column += 3
        }
    }

    private mutating func breakLine() {
        output.append(UInt8(ascii: "="))
        endLine()
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }
}

/// Writes quoted-printable. RFC 2045 §6.7.
public enum QuotedPrintable {
    /// Characters on one line, the `=` of a soft line end among them.
    static let longestLine = 76

    /// Text in quoted-printable. CR LF is a line end; every other octet comes out of the decoder as it went in.
    ///
    /// What some servers change on the way is encoded, too: blanks at the end of a line, and `From ` at the
    /// beginning of one, and a line that is a dot.
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
            let isPlain = octet.isBlank ? !endsLine : octet.isVisible && octet != UInt8(ascii: "=")
            let isDelicate = octet == UInt8(ascii: ".") ? endsLine : octets[place...].starts(with: envelope)
            writer.write(octet, plainly: isPlain, butNotFirst: isDelicate, endsLine: endsLine)
        }
        return writer.output
    }

    /// What begins a message in an mbox file. RFC 4155.
    private static let envelope = Array("From ".utf8)
}

private struct QuotedPrintableWriter {
    private(set) var output: [UInt8] = []
    private var column = 0

    init(expecting count: Int) { output.reserveCapacity(count + count / 8) }

    mutating func endLine() {
        output += [.cr, .lf]
        column = 0
    }

    mutating func write(_ octet: UInt8, plainly isPlain: Bool, butNotFirst isDelicate: Bool, endsLine: Bool) {
        // The last character of a line needs no room for the mark that the line goes on.
        let room = QuotedPrintable.longestLine - (endsLine ? 0 : 1)
        if column + (isPlain ? 1 : 3) > room { breakLine() }
        if isPlain, !(isDelicate && column == 0) {
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

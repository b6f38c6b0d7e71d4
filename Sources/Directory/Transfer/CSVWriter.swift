/// Writes CSV that a spreadsheet may open: RFC 4180, and no cell is a formula.
///
/// A cell that a spreadsheet would compute (`=`, `+`, `-`, `@`, a tab or a line end at its beginning) gets an
/// apostrophe before it, and so does one that already has apostrophes before such a mark: ``plain(_:)`` takes
/// exactly one away, so that nothing is changed on the way there and back.
enum CSVWriter {
    static func line(_ cells: [String], separator: TransferSeparator) -> String {
        cells.map { cell in quoted(guarded(cell)) }.joined(separator: String(UnicodeScalar(separator.octet))) + "\r\n"
    }

    /// With its apostrophe, if it needs one.
    static func guarded(_ text: String) -> String { isDangerous(text[...]) ? "'" + text : text }

    /// What ``guarded(_:)`` was given.
    static func plain(_ cell: String) -> String {
        guard cell.unicodeScalars.first == "'", isDangerous(cell[...]) else { return cell }
        var scalars = cell.unicodeScalars
        scalars.removeFirst()
        return String(scalars)
    }

    private static func isDangerous(_ text: Substring) -> Bool {
        let scalars = text.unicodeScalars
        guard let first = scalars.first(where: { $0 != "'" }) else { return false }
        return marks.contains(first)
    }

    /// Those of ASCII, and the full-width forms that some programs take for them.
    private static let marks: Set<Unicode.Scalar> = [
        "=", "+", "-", "@", "\t", "\r", "\n", "\u{FF1D}", "\u{FF0B}", "\u{FF0D}", "\u{FF20}",
    ]

    /// Also where another separator than this file's stands in it: a spreadsheet goes by its country.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { !special.contains($0) }
        let hasBlanks = text.utf8.first == UInt8(ascii: " ") || text.utf8.last == UInt8(ascii: " ")
        guard !isPlain || hasBlanks else { return text }
        var octets = [UInt8(ascii: "\"")]
        for octet in text.utf8 {
            if octet == UInt8(ascii: "\"") { octets.append(octet) }
            octets.append(octet)
        }
        octets.append(UInt8(ascii: "\""))
        return String(decoding: octets, as: UTF8.self)
    }

    private static let special = Array(",;\t\"\r\n".utf8)
}

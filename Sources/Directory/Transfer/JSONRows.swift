import MailTypes

/// Reads an array of flat objects from JSON, each value with its place. RFC 8259.
///
/// A value is a text, a number, `true`, `false`, `null`, or an array of texts; nothing lies deeper. The first
/// mistake ends reading: what would follow is a guess.
struct JSONRows {
    struct Member {
        var key: String
        /// `nil` for `null`.
        var value: TransferValue?
        var line: Int
        var column: Int
    }

    private let file: String
    private var cursor: TextCursor

    init(_ cursor: TextCursor, file: String) {
        self.cursor = cursor
        self.file = file
    }

    /// Whether a text is JSON rather than CSV.
    static func isMeant(by cursor: TextCursor) -> Bool {
        let first = cursor.octets[cursor.place...].first { !blanks.contains($0) }
        return first == UInt8(ascii: "[") || first == UInt8(ascii: "{")
    }

    /// Shows each object, with the line and column where it begins.
    mutating func each(_ visit: ([Member], Int, Int) throws(TransferProblem) -> Void) throws(TransferProblem) {
        try expect("[", "an array of objects, which begins with [")
        if take("]") { return try end() }
        repeat {
            skipBlanks()
            let (line, column) = (cursor.line, cursor.column)
            try visit(try object(), line, column)
        } while take(",")
        try expect("]", "a comma, or ] at the end")
        try end()
    }

    private mutating func end() throws(TransferProblem) {
        skipBlanks()
        if cursor.octet != nil { throw problem("there is something behind the array") }
    }

    private mutating func object() throws(TransferProblem) -> [Member] {
        try expect("{", "an object, which begins with {")
        var members: [Member] = []
        if take("}") { return members }
        repeat {
            skipBlanks()
            let place = (line: cursor.line, column: cursor.column)
            let key = try string()
            guard !members.contains(where: { $0.key == key }) else {
                throw problem("\"\(key.shown)\" stands in this object already", at: place)
            }
            guard members.count < Self.mostMembers else { throw problem("too many members", at: place) }
            try expect(":", "a colon")
            skipBlanks()
            let (line, column) = (cursor.line, cursor.column)
            members.append(Member(key: key, value: try value(), line: line, column: column))
        } while take(",")
        try expect("}", "a comma, or } at the end of the object")
        return members
    }

    private mutating func value() throws(TransferProblem) -> TransferValue? {
        switch cursor.octet {
        case UInt8(ascii: "\"")?: return .text(try string())
        case UInt8(ascii: "[")?: return .list(try list())
        case UInt8(ascii: "{")?: throw problem("an object has no place here: a text, a number or an array of texts")
        default: break
        }
        let place = (line: cursor.line, column: cursor.column)
        var word: [UInt8] = []
        while let octet = cursor.octet, octet.isLetter || octet.isDigit || Self.numberMarks.contains(octet) {
            word.append(octet)
            cursor.advance()
            guard word.count <= Self.longestWord else { break }
        }
        switch String(decoding: word, as: UTF8.self) {
        case "null": return nil
        case "true": return .text("on")
        case "false": return .text("off")
        case let text where Self.isNumber(word): return .text(text)
        default: throw problem("not a value: a text, a number, true, false, null or an array of texts", at: place)
        }
    }

    /// A whole number; none of the columns has any other.
    private static func isNumber(_ word: [UInt8]) -> Bool {
        let digits = word.first == UInt8(ascii: "-") ? word.dropFirst() : word[...]
        return !digits.isEmpty && digits.allSatisfy(\.isDigit)
    }

    private mutating func list() throws(TransferProblem) -> [String] {
        try expect("[", "an array")
        var texts: [String] = []
        if take("]") { return texts }
        repeat {
            skipBlanks()
            texts.append(try string())
        } while take(",")
        try expect("]", "a comma, or ] at the end of the array")
        return texts
    }

    // string = quotation-mark *char quotation-mark
    private mutating func string() throws(TransferProblem) -> String {
        let place = (line: cursor.line, column: cursor.column)
        try expect("\"", "a text in quotation marks")
        var octets: [UInt8] = []
        while let octet = cursor.octet {
            guard octets.count <= TransferLimits.cell else {
                throw problem("a text has more than \(TransferLimits.cell >> 20) MB", at: place)
            }
            switch octet {
            case UInt8(ascii: "\""):
                cursor.advance()
                return String(decoding: octets, as: UTF8.self)
            case UInt8(ascii: "\\"):
                octets += try escape()
            case 0..<0x20:
                throw problem("a control character inside a text; write \\n, \\t or \\u00XX")
            default:
                octets.append(octet)
                cursor.advance()
            }
        }
        throw problem("this text is never closed", at: place)
    }

    private mutating func escape() throws(TransferProblem) -> [UInt8] {
        let place = (line: cursor.line, column: cursor.column)
        cursor.advance()
        guard let octet = cursor.octet else { throw problem("the file ends in a text", at: place) }
        cursor.advance()
        if let plain = Self.escapes[octet] { return [plain] }
        guard octet == UInt8(ascii: "u") else { throw problem("no such escape", at: place) }
        let first = try hex(at: place)
        guard 0xD800..<0xE000 ~= first else { return try utf8(first, at: place) }
        // A pair that stands for one character beyond U+FFFF. RFC 8259 §7.
        guard first < 0xDC00, cursor.octet == UInt8(ascii: "\\"), cursor.octet(after: 1) == UInt8(ascii: "u") else {
            throw problem("half a surrogate pair", at: place)
        }
        cursor.advance(by: 2)
        let second = try hex(at: place)
        guard 0xDC00..<0xE000 ~= second else { throw problem("half a surrogate pair", at: place) }
        return try utf8(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00), at: place)
    }

    private func utf8(_ value: UInt32, at place: (line: Int, column: Int)) throws(TransferProblem) -> [UInt8] {
        guard let scalar = Unicode.Scalar(value), value != 0 else { throw problem("no character", at: place) }
        return Array(String(scalar).utf8)
    }

    private mutating func hex(at place: (line: Int, column: Int)) throws(TransferProblem) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let octet = cursor.octet, let digit = Character(Unicode.Scalar(octet)).hexDigitValue else {
                throw problem("\\u takes four hexadecimal digits", at: place)
            }
            value = value << 4 | UInt32(digit)
            cursor.advance()
        }
        return value
    }

    // MARK: Marks

    private mutating func skipBlanks() {
        while let octet = cursor.octet, Self.blanks.contains(octet) { cursor.advance() }
    }

    private mutating func take(_ mark: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard let octet = cursor.octet, UInt32(octet) == mark.value else { return false }
        cursor.advance()
        return true
    }

    private mutating func expect(_ mark: Unicode.Scalar, _ what: String) throws(TransferProblem) {
        guard take(mark) else { throw problem("here should be \(what)") }
    }

    private func problem(_ message: String, at place: (line: Int, column: Int)? = nil) -> TransferProblem {
        TransferProblem(
            file: file, line: place?.line ?? cursor.line, column: place?.column ?? cursor.column, message: message)
    }

    private static let blanks = Array(" \t\r\n".utf8)
    private static let numberMarks = Array("+-.".utf8)
    private static let longestWord = 32
    private static let mostMembers = 100
    private static let escapes: [UInt8: UInt8] = [
        UInt8(ascii: "\""): UInt8(ascii: "\""), UInt8(ascii: "\\"): UInt8(ascii: "\\"),
        UInt8(ascii: "/"): UInt8(ascii: "/"), UInt8(ascii: "b"): 8, UInt8(ascii: "f"): 12,
        UInt8(ascii: "n"): 10, UInt8(ascii: "r"): 13, UInt8(ascii: "t"): 9,
    ]
}

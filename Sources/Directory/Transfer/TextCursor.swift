/// A place in a text of UTF-8, with its line and column.
struct TextCursor {
    let octets: [UInt8]
    private(set) var place = 0
    /// From one; lines end in LF.
    private(set) var line = 1
    /// In characters, from one.
    private(set) var column = 1

    init(_ octets: [UInt8], from place: Int = 0) {
        self.octets = octets
        self.place = min(place, octets.count)
    }

    /// The octet here; `nil` at the end.
    var octet: UInt8? { place < octets.count ? octets[place] : nil }

    func octet(after distance: Int) -> UInt8? {
        place + distance < octets.count ? octets[place + distance] : nil
    }

    /// One octet on.
    mutating func advance() {
        guard let octet else { return }
        place += 1
        if octet == UInt8(ascii: "\n") {
            line += 1
            column = 1
        } else if octet & 0xC0 != 0x80 {
            column += 1
        }
    }

    mutating func advance(by count: Int) { for _ in 0..<count { advance() } }

    /// To the beginning of the next line.
    mutating func skipLine() {
        while let octet, octet != UInt8(ascii: "\n") { advance() }
        advance()
    }
}

/// The text of a file, checked: it is UTF-8 throughout, and not too much.
enum TransferText {
    /// Where the text begins: behind a byte order mark, if there is one. RFC 3629 §6.
    static func check(_ content: [UInt8], name: String) throws(TransferProblem) -> TextCursor {
        guard content.count <= TransferLimits.octets else {
            let message = "the file has more than \(TransferLimits.octets >> 20) MB; please divide it"
            throw TransferProblem(file: name, line: 1, column: 1, message: message)
        }
        if content.starts(with: [0xFF, 0xFE]) || content.starts(with: [0xFE, 0xFF]) {
            let message = "the file is UTF-16; please save it as UTF-8"
            throw TransferProblem(file: name, line: 1, column: 1, message: message)
        }
        let start = content.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        if let wrong = firstWrong(in: content) {
            var cursor = TextCursor(content, from: start)
            cursor.advance(by: max(0, wrong - start))
            let octet = String(content[wrong], radix: 16, uppercase: true)
            let message = "octet \(wrong + 1) of the file (\(octet) hexadecimal) is not UTF-8; please save it as UTF-8"
            throw TransferProblem(file: name, line: cursor.line, column: cursor.column, message: message)
        }
        if let zero = content.firstIndex(of: 0) {
            var cursor = TextCursor(content, from: start)
            cursor.advance(by: max(0, zero - start))
            let message = "a NUL: this is no text file"
            throw TransferProblem(file: name, line: cursor.line, column: cursor.column, message: message)
        }
        return TextCursor(content, from: start)
    }

    /// Where the first sequence begins that is not UTF-8.
    private static func firstWrong(in octets: [UInt8]) -> Int? {
        if String(validating: octets, as: UTF8.self) != nil { return nil }
        var parser = Unicode.UTF8.ForwardParser()
        var iterator = octets.makeIterator()
        var place = 0
        while true {
            switch parser.parseScalar(from: &iterator) {
            case .valid(let scalar): place += scalar.count
            case .error: return place
            case .emptyInput: return nil
            }
        }
    }
}

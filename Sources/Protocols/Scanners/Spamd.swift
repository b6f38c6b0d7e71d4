import MailTypes

/// A scan by spamd, SpamAssassin's server: `REPORT`, and what it answers.
///
///     REPORT SPAMC/1.5                SPAMD/1.1 0 EX_OK
///     Content-length: 1234            Content-length: 567
///                                     Spam: True ; 15.0 / 5.0
///     (the message)
///                                     (the report)
public enum Spamd {
    /// Octets of an answer.
    static let mostAnswer = 1 << 20

    /// The head of the request; the message follows it.
    public static func request(size: Int, user: String?) -> [UInt8] {
        var lines = ["REPORT SPAMC/1.5", "Content-length: \(size)"]
        if let user, !user.isEmpty, user.utf8.count <= 256, user.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            lines.append("User: \(user)")
        }
        return Array((lines + ["", ""]).joined(separator: "\r\n").utf8)
    }

    public static func reader() -> Reader { Reader() }

    /// Reads the answer, which ends with the connection.
    public struct Reader: ScannerReplyReader {
        private var octets: [UInt8] = []
        private var isTooLong = false

        public mutating func read(_ octets: some Sequence<UInt8>) -> ScannerProgress<ScannerVerdict> {
            guard !isTooLong else { return .broken("its answer is too long") }
            self.octets += octets
            isTooLong = self.octets.count > Spamd.mostAnswer
            return isTooLong ? .broken("its answer is too long") : .unfinished
        }

        public mutating func end() -> ScannerProgress<ScannerVerdict> {
            guard !isTooLong else { return .broken("its answer is too long") }
            return Spamd.verdict(octets)
        }
    }

    static func verdict(_ octets: [UInt8]) -> ScannerProgress<ScannerVerdict> {
        let lines = octets.split(separator: .lf, omittingEmptySubsequences: false).map { line in
            line.last == .cr ? line.dropLast() : line
        }
        let status = lines[0].split(separator: .space)
        guard status.count >= 2, status[0].starts(with: "SPAMD/".utf8) else {
            return .broken("it does not speak SPAMD")
        }
        guard status[1].elementsEqual("0".utf8) else {
            let words = status.dropFirst().prefix(3).map { String(decoding: $0.prefix(40), as: UTF8.self) }
            return .broken("it answers \(words.joined(separator: " "))")
        }
        var (score, length): (Double?, Int?) = (nil, nil)
        // The last piece has no line end: a blank line is none.
        guard let blank = lines.dropLast().firstIndex(where: \.isEmpty) else {
            return .broken("it hung up in the middle")
        }
        for line in lines[1..<blank] {
            if line.prefix(5).equalsIgnoringCase("spam:") { score = points(of: line) }
            if line.prefix(15).equalsIgnoringCase("content-length:") {
                length = Int(String(decoding: line.dropFirst(15).filter { $0 != .space }, as: UTF8.self))
            }
        }
        guard let score else { return .broken("it does not say how many points there are") }
        guard length.map({ octets.endIndex - lines[blank + 1].startIndex >= $0 }) ?? true else {
            return .broken("it hung up in the middle")
        }
        return .finished(ScannerVerdict(score: score, rules: rules(lines[(blank + 1)...])))
    }

    /// `Spam: True ; 15.0 / 5.0`.
    private static func points(of line: ArraySlice<UInt8>) -> Double? {
        guard let semicolon = line.firstIndex(of: UInt8(ascii: ";")) else { return nil }
        let number = line[(semicolon + 1)...].prefix { $0 != UInt8(ascii: "/") }
        return Double(String(decoding: number.filter { $0 != .space && $0 != .tab }, as: UTF8.self))
    }

    /// The report's table: points, name and description, which goes on in lines that begin with blanks.
    ///
    /// Before it there may be words of the message itself, so the last ruler counts; a report of an admin's own may
    /// have none.
    private static func rules(_ lines: ArraySlice<ArraySlice<UInt8>>) -> [ScannerVerdict.Rule] {
        let ruler = lines.lastIndex(where: isRuler)
        var rules: [ScannerVerdict.Rule] = []
        for line in lines[(ruler.map { $0 + 1 } ?? lines.startIndex)...].prefix(mostLines) {
            if line.isEmpty, ruler != nil || !rules.isEmpty { break }
            if let rule = rule(line) {
                rules.append(rule)
            } else if !rules.isEmpty, rules[rules.count - 1].description.utf8.count < ScannerVerdict.longestDescription
            {
                let more = line.drop { $0 == .space || $0 == .tab }
                rules[rules.count - 1].description += " " + String(decoding: more, as: UTF8.self)
            }
        }
        return rules
    }

    private static let mostLines = 1000

    /// `---- ---------------------- --------…`.
    private static func isRuler(_ line: ArraySlice<UInt8>) -> Bool {
        line.starts(with: "---- --------".utf8) && line.allSatisfy { $0 == UInt8(ascii: "-") || $0 == .space }
    }

    /// ` 2.5 RULE_NAME              What it means`.
    private static func rule(_ line: ArraySlice<UInt8>) -> ScannerVerdict.Rule? {
        let parts = line.split(separator: .space, maxSplits: 2)
        guard
            parts.count >= 2, let points = Double(String(decoding: parts[0], as: UTF8.self)),
            parts[0].contains(UInt8(ascii: ".")), parts[1].allSatisfy(isName)
        else { return nil }
        let description = parts.count > 2 ? parts[2].drop { $0 == .space } : []
        return ScannerVerdict.Rule(
            name: String(decoding: parts[1], as: UTF8.self), points: points,
            description: String(decoding: description, as: UTF8.self))
    }

    private static func isName(_ octet: UInt8) -> Bool {
        octet.isLetter || octet.isDigit || octet == UInt8(ascii: "_")
    }
}

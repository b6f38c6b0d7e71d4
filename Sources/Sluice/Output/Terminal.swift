import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// What the commands print, and how it looks on a terminal.
enum Terminal {
    static let hasColours = isatty(1) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil

    enum Style: String {
        case bold = "1"
        case faint = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
    }

    static func styled(_ text: String, _ style: Style) -> String {
        hasColours ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// To stderr, beginning with the program's name.
    static func complain(_ message: String) {
        guard !message.isEmpty else { return }
        let text = message.hasPrefix("Error: ") || message.hasPrefix("Usage:") ? message : "sluice: \(message)"
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    /// To stderr as it is: lines that begin with their place.
    static func remark(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    /// Says on stderr what is being done, if it has not been done within two seconds.
    static func telling<Result>(_ what: String, whileDoing body: () throws -> Result) rethrows -> Result {
        let notice = DispatchWorkItem { remark(what) }
        DispatchQueue.global().asyncAfter(deadline: .now() + 2, execute: notice)
        defer { notice.cancel() }
        return try body()
    }

    /// A line of a difference: green what has come, red what has gone.
    static func change(_ line: String) -> String {
        switch line.first {
        case "+": styled(line, .green)
        case "-": styled(line, .red)
        default: line
        }
    }

    /// `1 message`, `2 messages`.
    static func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// The first of them, and how many more there are: `a, b, c +997`.
    static func few(_ words: [String]) -> String {
        let shown = words.prefix(fewest).joined(separator: ", ")
        return words.count > fewest ? "\(shown) +\(words.count - fewest)" : shown
    }

    private static let fewest = 3

    /// Columns as wide as their widest cell; the last one is not padded.
    static func table(_ header: [String], _ rows: [[String]]) -> String {
        let widths = header.indices.map { column in
            ([header] + rows).map { $0[column].count }.max() ?? 0
        }
        func line(_ cells: [String]) -> String {
            cells.enumerated().map { column, cell in
                column == cells.count - 1 ? cell : cell.padding(toLength: widths[column], withPad: " ", startingAt: 0)
            }.joined(separator: "  ")
        }
        return ([styled(line(header), .bold)] + rows.map(line)).joined(separator: "\n")
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// What a stranger wrote, safe to show: control characters and line ends become visible.
    static func harmless(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.isHarmless ? $0 : "\u{FFFD}" }))
    }
}

extension Unicode.Scalar.Properties {
    fileprivate var isHarmless: Bool {
        switch generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse: false
        default: true
        }
    }
}

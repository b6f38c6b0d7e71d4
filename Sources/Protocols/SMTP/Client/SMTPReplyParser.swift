public import MailTypes
public import NIOCore

/// Reads a server's replies out of the octets it sends. RFC 5321 §4.2, RFC 2034 §4.
///
///     Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
///
/// The server is a stranger: lines and their number are bounded, a code outside 200 to 599 is no
/// reply, and what no person should be shown is made a question mark.
public struct SMTPReplyParser: Sendable {
    /// The longest line that is read, its end included; RFC 5321 §4.5.3.1.5 wants at least 512.
    public var maxLine = 4096
    /// The most lines of one reply.
    public var maxLines = 256
    /// Octets of text that are kept of one reply; the lines behind are counted, and read over.
    public var maxText = 8192

    private var lines: [String] = []
    private var count = 0
    private var textLeft = 0
    private var code: Int?
    private var status: EnhancedStatusCode.Condition?

    public init() {}

    /// Lines of a reply have been read, and not its last one.
    var isWithinReply: Bool { code != nil }

    /// What a server said is no reply.
    public struct Malformed: Error, Hashable, Sendable {
        public let reason: String
    }

    /// Takes one whole reply from `input`, or nothing: then it wants more octets.
    public mutating func next(_ input: inout ByteBuffer) throws(Malformed) -> Reply? {
        while let line = try nextLine(&input) {
            guard let last = try add(line) else { continue }
            let reply = Reply(last, status, lines: lines)
            lines = []
            count = 0
            code = nil
            status = nil
            return reply
        }
        return nil
    }

    /// The octets of one line, without its end.
    private func nextLine(_ input: inout ByteBuffer) throws(Malformed) -> ArraySlice<UInt8>? {
        let view = input.readableBytesView
        guard let end = view.prefix(maxLine).firstIndex(of: .lf) else {
            guard view.count < maxLine else { throw Malformed(reason: "a reply line of more than \(maxLine) octets") }
            return nil
        }
        var line = Array(view[view.startIndex..<end])[...]
        input.moveReaderIndex(forwardBy: line.count + 1)
        if line.last == .cr { line.removeLast() }
        return line
    }

    /// Adds a line to the reply that is being read; its code, if the line is the last one.
    private mutating func add(_ line: ArraySlice<UInt8>) throws(Malformed) -> Int? {
        guard
            line.count >= 3, line.prefix(3).allSatisfy(\.isDigit),
            let code = Int(String(decoding: line.prefix(3), as: UTF8.self)),
            (200...599).contains(code), self.code == nil || self.code == code
        else { throw Malformed(reason: "not a reply: \(Self.clean(line.prefix(80)))") }
        self.code = code
        let separator = line.dropFirst(3).first
        guard separator == nil || separator == .space || separator == UInt8(ascii: "-") else {
            throw Malformed(reason: "not a reply: \(Self.clean(line.prefix(80)))")
        }
        guard count < maxLines else { throw Malformed(reason: "a reply of more than \(maxLines) lines") }
        if count == 0 { textLeft = maxText }
        var text = line.dropFirst(4)
        if let found = Self.condition(in: text) {
            if count == 0 { status = found.condition }
            text = found.rest
        }
        count += 1
        if textLeft > 0 {
            lines.append(Self.clean(text.prefix(textLeft)))
            // An empty line takes room as well.
            textLeft -= min(textLeft, max(1, text.count))
        }
        return separator == UInt8(ascii: "-") ? nil : code
    }

    /// `status-code = class "." subject "." detail`, each number of at most three digits. RFC 3463 §2.
    private static func condition(
        in text: ArraySlice<UInt8>
    ) -> (condition: EnhancedStatusCode.Condition, rest: ArraySlice<UInt8>)? {
        let word = text.prefix { $0 != .space }
        guard word.count <= 9 else { return nil }
        let parts = word.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard
            parts.count == 3, parts[0].count == 1, [2, 4, 5].contains(parts[0].first.map { $0 &- 0x30 }),
            parts.allSatisfy({ (1...3).contains($0.count) && $0.allSatisfy(\.isDigit) }),
            let subject = Int(String(decoding: parts[1], as: UTF8.self)),
            let detail = Int(String(decoding: parts[2], as: UTF8.self))
        else { return nil }
        return (.init(subject, detail), text.dropFirst(word.count + 1))
    }

    /// Text that can be logged and sent on: no control characters, whatever the octets were.
    private static func clean(_ octets: ArraySlice<UInt8>) -> String {
        if octets.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return String(decoding: octets, as: UTF8.self) }
        let text = String(decoding: octets, as: UTF8.self)
        var cleaned = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl =
                scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
            cleaned.append(isControl || ("\u{2028}"..."\u{2029}").contains(scalar) ? "?" : scalar)
        }
        return String(cleaned)
    }
}

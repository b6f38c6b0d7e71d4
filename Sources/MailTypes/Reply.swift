/// An SMTP reply: a three-digit code, an enhanced status code and text.
///
/// The class of the enhanced status code is always the first digit of the reply code, so the
/// two cannot contradict each other. RFC 5321 §4.2, RFC 2034.
public struct Reply: Error, Hashable, Codable, Sendable {
    public let code: Int
    public let condition: EnhancedStatusCode.Condition?
    /// The text, without line ends; each element is one line of a multi-line reply.
    public let lines: [String]

    public init(_ code: Int, _ condition: EnhancedStatusCode.Condition?, lines: [String]) {
        precondition((200...599).contains(code), "a reply code is 2yz to 5yz, not \(code)")
        self.code = code
        self.condition = condition
        self.lines = lines.isEmpty ? [""] : lines
    }

    public init(_ code: Int, _ condition: EnhancedStatusCode.Condition?, _ text: String) {
        self.init(code, condition, lines: [text])
    }

    /// A reply that has no enhanced status code: the greeting, `EHLO`, and every 3yz reply.
    public init(_ code: Int, _ text: String) {
        self.init(code, nil, lines: [text])
    }

    public var text: String { lines.count == 1 ? lines[0] : lines.joined(separator: " ") }
    public var isPositive: Bool { code < 400 }
    public var isTemporary: Bool { (400..<500).contains(code) }
    public var isPermanent: Bool { code >= 500 }

    public var status: EnhancedStatusCode? {
        condition.flatMap { condition in
            EnhancedStatusCode.Class(rawValue: code / 100).map { EnhancedStatusCode($0, condition) }
        }
    }
}

extension Reply {
    /// Octets of one line, the enhanced status code included, that go over the wire. RFC 5321 §4.5.3.1.5 allows 512 for
    /// the whole line.
    public static let longestLine = 500

    /// The reply with `ending` at its end, for which what stands before it is cut where the line would be too long.
    public func ending(in ending: String) -> Reply {
        var lines = lines
        let code = status.map { $0.description.utf8.count + 1 } ?? 0
        let room = max(0, Self.longestLine - code - ending.utf8.count)
        lines[lines.count - 1] = lines[lines.count - 1].cut(to: room) + ending
        return Reply(self.code, condition, lines: lines)
    }

    /// The reply in ASCII, with a question mark for each other character: what programs elsewhere have worded goes to
    /// clients that have not asked for UTF-8. RFC 6531 §3.7.4.2.
    public var inASCII: Reply {
        guard lines.contains(where: { !$0.utf8.allSatisfy { $0 < 0x80 } }) else { return self }
        let plain = lines.map { line in String(line.map { $0.isASCII ? $0 : "?" }) }
        return Reply(code, condition, lines: plain)
    }

    /// Octets of text that ``clipped`` keeps.
    private static let maxClippedText = 512

    /// The reply with no more than a few hundred octets of text, for what keeps it long: another server's novel need
    /// not lie in memory for hours, or on the disk for weeks.
    public var clipped: Reply {
        let most = Self.maxClippedText
        guard lines.count > 4 || lines.contains(where: { $0.utf8.count > most / 4 }) else { return self }
        let octets = Array(lines.joined(separator: " ").utf8.prefix(most + 1))
        var end = min(most, octets.count)
        // No character is cut in two.
        if octets.count > most { while end > 0, octets[end] & 0xC0 == 0x80 { end -= 1 } }
        return Reply(code, condition, String(decoding: octets[..<end], as: UTF8.self))
    }
}

extension Reply: CustomStringConvertible {
    public var description: String {
        status.map { "\(code) \($0.description) \(text)" } ?? "\(code) \(text)"
    }
}

extension String {
    /// What goes into so many octets, with dots where something is missing.
    fileprivate func cut(to most: Int) -> String {
        guard utf8.count > most else { return self }
        let dots = "..."
        var (kept, left) = (UnicodeScalarView(), most - dots.utf8.count)
        for scalar in unicodeScalars {
            left -= UTF8.width(scalar)
            guard left >= 0 else { break }
            kept.append(scalar)
        }
        return String(kept) + dots
    }
}

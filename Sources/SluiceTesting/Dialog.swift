public import Foundation

/// A written conversation between a client and a server, one file per rule.
///
///     # RFC 5321 §4.1.4: DATA without a recipient is out of order.
///     # config: maxErrors = 3
///     S: 220 *
///     C: EHLO client.example
///     S: 250 *
///
/// | line            | means |
/// |-----------------|-------|
/// | `C: text`       | the client sends the text and CR LF; lines in a row are sent together |
/// | `C= text\r\n`   | the client sends exactly this; `\r` `\n` `\t` `\s` `\0` `\\` and `\xHH` are octets |
/// | `C*300: text`   | as `C:`, three hundred times; also `C*300=` and `S*300:` |
/// | `S: 250 *`      | the server's next reply, its lines joined by spaces; `*` stands for any text |
/// | `TLS`           | both sides go over to TLS |
/// | `CLOSED`        | the server has closed the connection |
/// | `TAKEN: text`   | the next message that the server took is this, written as after `C=` |
/// | `# config: k=v` | an option of the server, in the machine's words |
/// | `# whole`       | what is tested depends on what arrives together: do not cut the client's octets |
///
/// A dialog that names no `TAKEN` makes no claim about messages, unless it says `# takes: 0`.
public struct Dialog: Sendable, CustomStringConvertible {
    public enum Event: Sendable, Hashable {
        case client([UInt8])
        case server(pattern: String)
        case startTLS
        case closed
        case taken([UInt8])
    }

    public struct Line: Sendable, Hashable {
        public let number: Int
        public let event: Event
    }

    public struct Malformed: Error, CustomStringConvertible {
        public let description: String
    }

    public let name: String
    /// The first comment: the rule and where it stands.
    public let rule: String
    /// What `# config:` says, in order.
    public let options: [(key: String, value: String)]
    public let lines: [Line]
    public let mustBeWhole: Bool
    /// How many messages the server takes, where the dialog says it.
    public let takes: Int?

    public var description: String { name }

    public init(name: String, text: String) throws(Malformed) {
        var lines: [Line] = []
        var options: [(key: String, value: String)] = []
        var comments: [String] = []
        var takes: Int?
        for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = String(raw)
            if line.hasPrefix("#") {
                let comment = line.dropFirst().trimmingCharacters(in: .whitespaces)
                comments.append(comment)
                if let option = comment.afterPrefix("config:") { options.append(try Self.option(option)) }
                if let count = comment.afterPrefix("takes:") { takes = Int(count) }
            } else if !line.isEmpty {
                guard let read = Self.events(line) else {
                    throw Malformed(description: "\(name):\(index + 1): \(line)")
                }
                lines += read.map { Line(number: index + 1, event: $0) }
            }
        }
        self.name = name
        self.rule = comments.first ?? ""
        self.options = options
        self.lines = lines
        self.mustBeWhole = comments.contains("whole")
        let named = lines.count { if case .taken = $0.event { true } else { false } }
        self.takes = takes ?? (named > 0 ? named : nil)
    }

    /// All dialogs of a folder with that ending, by name.
    public static func all(in directory: URL, withExtension ending: String) throws -> [Dialog] {
        try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == ending }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
            .map { try Dialog(name: $0.lastPathComponent, text: String(contentsOf: $0, encoding: .utf8)) }
    }

    /// Octets that the client sends in all.
    public var clientOctets: Int {
        lines.reduce(0) { sum, line in
            if case .client(let octets) = line.event { sum + octets.count } else { sum }
        }
    }
}

// Reading of lines.
extension Dialog {
    private static func option(_ text: String) throws(Malformed) -> (key: String, value: String) {
        guard let equals = text.firstIndex(of: "=") else { throw Malformed(description: "config: \(text)") }
        return (
            text[..<equals].trimmingCharacters(in: .whitespaces),
            text[equals...].dropFirst().trimmingCharacters(in: .whitespaces)
        )
    }

    private static func events(_ line: String) -> [Event]? {
        if line == "TLS" { return [.startTLS] }
        if line == "CLOSED" { return [.closed] }
        if let text = line.afterPrefix("TAKEN:") { return unescaped(text).map { [.taken($0)] } }
        guard let mark = line.firstIndex(where: { $0 == ":" || $0 == "=" }) else { return nil }
        let head = line[..<mark].split(separator: "*")
        guard let side = head.first, head.count <= 2, let count = head.count == 2 ? Int(head[1]) : 1 else { return nil }
        let rest = line[mark...].dropFirst()
        let text = String(rest.hasPrefix(" ") ? rest.dropFirst() : rest)
        switch (side, line[mark]) {
        case ("C", ":"):
            return [.client(Array(repeatElement(Array(text.utf8) + [13, 10], count: count).joined()))]
        case ("C", "="):
            return unescaped(text).map { [.client(Array(repeatElement($0, count: count).joined()))] }
        case ("S", ":"):
            return Array(repeating: .server(pattern: text), count: count)
        default:
            return nil
        }
    }

    public static func unescaped(_ text: String) -> [UInt8]? {
        var octets: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "\\") else {
                octets.append(octet)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "r"): octets.append(13)
            case UInt8(ascii: "n"): octets.append(10)
            case UInt8(ascii: "t"): octets.append(9)
            case UInt8(ascii: "s"): octets.append(32)
            case UInt8(ascii: "0"): octets.append(0)
            case UInt8(ascii: "\\"): octets.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "x"):
                guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else { return nil }
                octets.append(value)
                rest = rest.dropFirst(2)
            default: return nil
            }
        }
        return octets
    }

    /// Whether `pattern`, in which `*` stands for any text, is the whole of `text`.
    public static func matches(_ text: String, pattern: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false).map { Array($0.utf8) }
        var rest = Array(text.utf8)[...]
        guard let first = parts.first, let last = parts.last, rest.starts(with: first) else { return false }
        guard parts.count > 1 else { return rest.count == first.count }
        rest = rest.dropFirst(first.count)
        for part in parts.dropFirst().dropLast() {
            guard let place = rest.place(of: part) else { return false }
            rest = rest[(place + part.count)...]
        }
        return rest.count >= last.count && rest.suffix(last.count).elementsEqual(last)
    }
}

extension ArraySlice<UInt8> {
    fileprivate func place(of part: [UInt8]) -> Int? {
        guard count >= part.count else { return nil }
        return (startIndex...(endIndex - part.count)).first { self[$0...].starts(with: part) }
    }
}

extension String {
    fileprivate func afterPrefix(_ prefix: String) -> String? {
        hasPrefix(prefix) ? dropFirst(prefix.count).trimmingCharacters(in: .whitespaces) : nil
    }
}

import MailTypes

/// Answers of a list that mean the same: `127.0.0.2`, `127.0.0.4-7`, `127.0.*.3`.
public struct AnswerPattern: Sendable, Hashable {
    private let parts: [ClosedRange<UInt8>]

    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(Self.part)
        let known = parts.compactMap(\.self)
        guard parts.count == 4, known.count == 4 else { return nil }
        self.parts = known
    }

    private static func part(_ text: Substring) -> ClosedRange<UInt8>? {
        if text == "*" { return 0...255 }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { number($0) }
        switch ends.count {
        case 1: return ends[0].map { $0...$0 }
        case 2:
            guard let first = ends[0], let last = ends[1], first <= last else { return nil }
            return first...last
        default: return nil
        }
    }

    private static func number(_ text: Substring) -> UInt8? {
        (1...3).contains(text.utf8.count) && text.utf8.allSatisfy(\.isDigit) ? UInt8(text) : nil
    }

    func contains(_ address: IPAddress) -> Bool {
        !address.isIPv6 && zip(parts, address.octets).allSatisfy { $0.contains($1) }
    }
}

extension AnswerPattern: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let pattern = AnswerPattern(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "\"\(text)\" is no answer such as 127.0.0.2, 127.0.0.4-7 or 127.0.*.3")
        }
        self = pattern
    }
}

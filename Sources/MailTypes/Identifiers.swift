/// The one id of a transaction: in the reply, in every log line, the trace and the Received field.
///
/// Sixteen characters of `0-9a-z` without look-alikes: 48 bits of time in milliseconds and 32 of
/// chance, so ids sort by age and cannot be guessed from one another.
public struct TransactionID: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    public let text: String

    /// Makes an id from the clock and chance it is given.
    public init(milliseconds: UInt64, random: UInt32) {
        let value = (milliseconds & 0xFFFF_FFFF_FFFF, UInt64(random))
        text = .ascii(atMost: Self.count) { text in
            // 80 bits, five at a time: those of the time, and below them the 32 of chance.
            for place in (0..<Self.count).reversed() {
                let shift = UInt64(place * 5)
                let digit = shift >= 32 ? value.0 >> (shift - 32) : value.0 << (32 - shift) | value.1 >> shift
                Self.alphabet.withUTF8Buffer { text.put($0[Int(digit & 31)]) }
            }
        }
    }

    /// Reads an id that somebody typed or a file holds.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == Self.count, text.utf8.allSatisfy(Self.isLetter) else { return nil }
        self.text = String(text)
    }

    private static let count = 16
    private static var alphabet: StaticString { "0123456789abcdefghjkmnpqrstvwxyz" }

    private static func isLetter(_ octet: UInt8) -> Bool { alphabet.withUTF8Buffer { $0.contains(octet) } }

    public static func < (left: Self, right: Self) -> Bool { left.text < right.text }
    public var description: String { text }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = TransactionID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a transaction id")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

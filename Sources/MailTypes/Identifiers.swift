/// The one id of a transaction: in the reply, in every log line, the trace and the Received field.
///
/// Sixteen characters of `0-9a-z` without look-alikes: 48 bits of time in milliseconds and 32 of
/// chance, so ids sort by age and cannot be guessed from one another.
public struct TransactionID: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    public let text: String

    /// Makes an id from the clock and chance it is given.
    public init(milliseconds: UInt64, random: UInt32) {
        var value = (milliseconds & 0xFFFF_FFFF_FFFF, UInt64(random))
        var octets = [UInt8](repeating: 0, count: 16)
        // 80 bits, five at a time, the last ones first.
        for place in stride(from: 15, through: 0, by: -1) {
            octets[place] = Self.alphabet[Int(value.1 & 31)]
            value.1 = (value.1 >> 5) | ((value.0 & 31) << 27)
            value.0 >>= 5
        }
        text = String(decoding: octets, as: UTF8.self)
    }

    /// Reads an id that somebody typed or a file holds.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 16, text.utf8.allSatisfy(Self.alphabet.contains) else { return nil }
        self.text = String(text)
    }

    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

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

/// The hash of a token: FNV-1a of its octets with a finish that spreads them over all bits.
///
/// It is kept with each lesson: whoever changes it, or what it is made of, ends all lessons that were taught before
/// (see the migrations of the lessons' file).
public struct TokenHash: Sendable, Hashable {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    public init() {}

    public init(_ text: StaticString) {
        text.withUTF8Buffer { for octet in $0 { add(octet) } }
    }

    public mutating func add(_ octet: UInt8) {
        state = (state ^ UInt64(octet)) &* 0x100_0000_01B3
    }

    public mutating func add(_ octets: some Sequence<UInt8>) {
        for octet in octets { add(octet) }
    }

    /// Adds a whole token, by its number.
    public mutating func add(_ value: UInt64) {
        state = (state ^ value) &* 0x9E37_79B9_7F4A_7C15
        state ^= state >> 32
    }

    /// The number of a token: its last two bits are its kind. It is never 0, which stands for none.
    public func token(_ kind: TokenKind) -> UInt64 {
        let number = spread & ~3 | kind.rawValue
        return number == 0 ? 4 : number
    }

    /// A number that is no token: even, and never 0.
    public var single: UInt64 {
        let even = spread & ~1
        return even == 0 ? 2 : even
    }

    private var spread: UInt64 {
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// SipHash-2-4 with a result of 128 bits (Aumasson, Bernstein: "SipHash: a fast short-input PRF", with the
/// authors' 128-bit extension), under a secret of this server.
///
/// Strangers choose what is remembered of them. A digest makes every key the same size, and without the secret
/// nobody can make two keys meet.
struct KeyDigest: Sendable {
    let secret: (UInt64, UInt64)

    /// The size of a secret in octets.
    static let secretSize = 16

    /// `nil` unless `secret` has ``secretSize`` octets.
    init?(secret: [UInt8]) {
        guard secret.count == Self.secretSize else { return nil }
        self.secret = (Self.word(secret[0..<8]), Self.word(secret[8..<16]))
    }

    private init(_ secret: (UInt64, UInt64)) { self.secret = secret }

    /// With a secret that nobody has had before.
    static func random() -> KeyDigest {
        KeyDigest((.random(in: .min ... .max), .random(in: .min ... .max)))
    }

    /// As ``init(secret:)`` reads it.
    var stored: [UInt8] {
        withUnsafeBytes(of: secret.0.littleEndian, Array.init) + withUnsafeBytes(of: secret.1.littleEndian, Array.init)
    }

    func callAsFunction(_ text: String) -> UInt128 { digest(of: Array(text.utf8)) }

    func digest(of octets: [UInt8]) -> UInt128 {
        var state = State(secret)
        var place = 0
        while place &+ 8 <= octets.count {
            state.absorb(Self.word(octets[place..<place &+ 8]))
            place &+= 8
        }
        // The rest, with the length in the highest octet.
        state.absorb(Self.word(octets[place...]) | UInt64(truncatingIfNeeded: octets.count) << 56)
        return state.finish()
    }

    /// Up to eight octets, the lowest first.
    private static func word(_ octets: ArraySlice<UInt8>) -> UInt64 {
        octets.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private struct State {
        private var v: (UInt64, UInt64, UInt64, UInt64)

        init(_ key: (UInt64, UInt64)) {
            v.0 = key.0 ^ 0x736f_6d65_7073_6575
            v.1 = key.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee
            v.2 = key.0 ^ 0x6c79_6765_6e65_7261
            v.3 = key.1 ^ 0x7465_6462_7974_6573
        }

        mutating func absorb(_ word: UInt64) {
            v.3 ^= word
            rounds(2)
            v.0 ^= word
        }

        mutating func finish() -> UInt128 {
            v.2 ^= 0xee
            rounds(4)
            let low = v.0 ^ v.1 ^ v.2 ^ v.3
            v.1 ^= 0xdd
            rounds(4)
            return UInt128(v.0 ^ v.1 ^ v.2 ^ v.3) << 64 | UInt128(low)
        }

        private mutating func rounds(_ count: Int) {
            for _ in 0..<count {
                v.0 &+= v.1
                v.1 = Self.rotate(v.1, 13) ^ v.0
                v.0 = Self.rotate(v.0, 32)
                v.2 &+= v.3
                v.3 = Self.rotate(v.3, 16) ^ v.2
                v.0 &+= v.3
                v.3 = Self.rotate(v.3, 21) ^ v.0
                v.2 &+= v.1
                v.1 = Self.rotate(v.1, 17) ^ v.2
                v.2 = Self.rotate(v.2, 32)
            }
        }

        private static func rotate(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }
    }
}

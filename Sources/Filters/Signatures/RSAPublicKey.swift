import Pipeline

/// Reads an RSA public key from a key record: SubjectPublicKeyInfo, or the bare RSAPublicKey that some publish.
/// RFC 6376 §3.6.1, RFC 8017 §A.1.1.
///
/// DER is read here and not by a library in C, since it comes from strangers: two numbers go on from here.
enum RSAPublicKey {
    /// Larger keys cost more time than any signature is worth.
    static let mostBits = 8192
    /// Longer exponents are nobody's, and make checking as slow as signing.
    private static let longestExponent = 4

    static func read(_ octets: [UInt8]) -> VerificationKey? {
        var outer = DERReader(octets[...])
        guard var content = outer.element(0x30), outer.isAtEnd else { return nil }
        if let algorithm = content.element(0x30) {
            // SEQUENCE { SEQUENCE { OID rsaEncryption, NULL }, BIT STRING { RSAPublicKey } }
            guard
                Array(algorithm.rest.prefix(rsaEncryption.count)) == rsaEncryption,
                let bits = content.element(0x03), content.isAtEnd, bits.rest.first == 0
            else { return nil }
            var inner = DERReader(bits.rest.dropFirst())
            guard let key = inner.element(0x30), inner.isAtEnd else { return nil }
            return numbers(key)
        }
        return numbers(content)
    }

    /// 1.2.840.113549.1.1.1.
    private static let rsaEncryption: [UInt8] = [
        0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01,
    ]

    // RSAPublicKey = SEQUENCE { INTEGER modulus, INTEGER publicExponent }
    private static func numbers(_ content: DERReader) -> VerificationKey? {
        var content = content
        guard
            let modulus = content.element(0x02)?.positive, let exponent = content.element(0x02)?.positive,
            content.isAtEnd, modulus.count <= mostBits / 8, exponent.count <= longestExponent,
            modulus.last.map({ $0 & 1 == 1 }) ?? false, exponent.last.map({ $0 & 1 == 1 }) ?? false,
            exponent != [1]
        else { return nil }
        return .rsa(modulus: modulus, exponent: exponent)
    }
}

/// Definite lengths of at most 16 bits, which any key fits in. ITU-T X.690 §8.1.
struct DERReader {
    private(set) var rest: ArraySlice<UInt8>

    init(_ octets: ArraySlice<UInt8>) { rest = octets }

    var isAtEnd: Bool { rest.isEmpty }

    /// The content of the next element if it has that tag; otherwise nothing is read.
    mutating func element(_ tag: UInt8) -> DERReader? {
        var attempt = rest
        guard attempt.popFirst() == tag, let first = attempt.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            let count = Int(first & 0x7F)
            guard (1...2).contains(count), attempt.count >= count else { return nil }
            length = attempt.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            attempt = attempt.dropFirst(count)
        }
        guard attempt.count >= length else { return nil }
        rest = attempt.dropFirst(length)
        return DERReader(attempt.prefix(length))
    }

    /// The content as a positive number without leading zeros.
    var positive: [UInt8]? {
        guard let first = rest.first, first < 0x80 else { return nil }
        let digits = rest.drop { $0 == 0 }
        return digits.isEmpty ? nil : Array(digits)
    }
}

import MailTypes
import Testing

@testable import Adapters

@Suite struct CryptoTests {
    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// RFC 7914 §12, without the one that takes a gigabyte.
    static let scryptVectors: [(password: String, salt: String, n: Int, r: Int, p: Int, hex: String)] = [
        (
            "", "", 16, 1, 1,
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
        ),
        (
            "password", "NaCl", 1_024, 8, 16,
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
        ),
        (
            "pleaseletmein", "SodiumChloride", 16_384, 8, 1,
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        ),
    ]

    @Test(arguments: scryptVectors)
    func scrypt(_ vector: (password: String, salt: String, n: Int, r: Int, p: Int, hex: String)) throws {
        let parameters = try #require(ScryptParameters(n: vector.n, r: vector.r, p: vector.p))
        let hash = try Crypto.scrypt(
            Array(vector.password.utf8), salt: Array(vector.salt.utf8), parameters: parameters, count: 64)
        #expect(hash == Self.bytes(vector.hex))
    }

    /// RFC 2202 §3, cases 1 and 2.
    @Test(
        arguments: [
            ([UInt8](repeating: 0x0B, count: 20), "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (Array("Jefe".utf8), "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ] as [([UInt8], String, String)])
    func `HMAC-SHA-1`(_ key: [UInt8], _ message: String, _ hex: String) throws {
        #expect(try LibcryptoSignatures().hmacSHA1(Array(message.utf8), key: key) == Self.bytes(hex))
    }

    @Test func `what was sealed opens with its key and for its context`() throws {
        let key = [UInt8](repeating: 7, count: 32)
        let context = Array("context".utf8)
        let sealed = try Crypto.seal(Array("secret".utf8), for: context, key: key)
        #expect(try Crypto.open(sealed, for: context, key: key) == Array("secret".utf8))
        #expect(try Crypto.open(sealed, for: Array("other".utf8), key: key) == nil)
        #expect(try Crypto.open(sealed, for: context, key: [UInt8](repeating: 8, count: 32)) == nil)
        #expect(try Crypto.open(sealed, for: context, key: []) == nil)
        #expect(try Crypto.open([], for: context, key: key) == nil)
        #expect(throws: CryptoError.self) { try Crypto.seal([], for: context, key: key) }
        #expect(throws: CryptoError.self) { try Crypto.seal([1], for: context, key: [1]) }
    }

    /// RFC 4231 §4.2, §4.3, and an empty key and message.
    static let macs: [(key: [UInt8], message: String, hex: String)] = [
        (
            [UInt8](repeating: 0x0b, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        ([], "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
    ]

    @Test(arguments: macs)
    func hmac(_ vector: (key: [UInt8], message: String, hex: String)) throws {
        #expect(try Crypto.hmacSHA256(Array(vector.message.utf8), key: vector.key) == Self.bytes(vector.hex))
    }

    @Test func `a password fits its hash, and no other`() throws {
        let hashing = try ScryptHashing(parameters: try #require(ScryptParameters(n: 1_024, r: 8, p: 1)))
        let hash = try hashing.hash(Array("secret".utf8))
        #expect(hash.hasPrefix("$scrypt$ln=10,r=8,p=1$"))
        #expect(hashing.verify(Array("secret".utf8), against: hash))
        for wrong in ["Secret", "secre", "", "secrets"] {
            #expect(!hashing.verify(Array(wrong.utf8), against: hash))
        }
        #expect(try hashing.hash(Array("secret".utf8)) != hash)
        #expect(!hashing.needsRehash(hash))
        #expect(try ScryptHashing().needsRehash(hash))
        #expect(!hashing.verify([], against: hashing.decoy) && !hashing.needsRehash(hashing.decoy))
    }

    @Test func `the standard is as strong as it is said to be`() throws {
        #expect(try ScryptHashing().decoy.hasPrefix("$scrypt$ln=14,r=8,p=1$"))
    }

    /// What is stored and cannot be a hash fits no password, and takes no gigabytes.
    static let unreadable = [
        "", "secret", "$scrypt$", "$scrypt$ln=10,r=8,p=1$$",
        "$argon2id$ln=10,r=8,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=99,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=20,r=64,p=64$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=-1,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=10,r=99999999999999999999,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=10,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
        "$scrypt$ln=10,r=8,p=1$AAAAAAAAAAAAAAAAAAAAA!$AAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=10,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAB$AAAAAAAAAAAAAAAAAAAAAAAA",
    ]

    @Test(arguments: unreadable)
    func `a hash that cannot be read fits nothing`(_ stored: String) throws {
        let hashing = try ScryptHashing()
        #expect(StoredScrypt(stored) == nil)
        #expect(!hashing.verify([], against: stored))
        #expect(hashing.needsRehash(stored))
    }

    @Test(arguments: [
        (0, 8, 1), (1, 8, 1), (3, 8, 1), (-2, 8, 1), (1 << 21, 1, 1), (1_024, 0, 1), (1_024, 8, 0), (1 << 20, 8, 16),
    ])
    func `no impossible or endless parameters`(_ n: Int, _ r: Int, _ p: Int) {
        #expect(ScryptParameters(n: n, r: r, p: p) == nil)
    }

    @Test func `base64 there and back`() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            #expect(Base64NoPadding.decode(Base64NoPadding.encode(bytes).utf8) == bytes)
        }
        #expect(Base64NoPadding.encode(Array("foobar".utf8)) == "Zm9vYmFy")
        #expect(Base64NoPadding.encode(Array("fooba".utf8)) == "Zm9vYmE")
        #expect(Base64NoPadding.decode("Z".utf8) == nil)
    }

    @Test func `random octets differ`() throws {
        #expect(try Crypto.randomBytes(32) != Crypto.randomBytes(32))
        #expect(try Crypto.randomBytes(0).isEmpty)
        #expect(throws: CryptoError.self) { try Crypto.randomBytes(-1) }
    }
}

@Suite struct InternationalDomainTests {
    static let domains: [(String, String?)] = [
        ("example.org", "example.org"),
        ("EXAMPLE.org", "example.org"),
        ("b\u{fc}cher.example", "xn--bcher-kva.example"),
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("B\u{dc}CHER.example", "xn--bcher-kva.example"),
        ("stra\u{df}e.example", "xn--strae-oqa.example"),
        ("\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}", "xn--r8jz45g.xn--zckzah"),
        ("b\u{fc}cher\u{3002}example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("xn--\u{fc}.example", nil),
        ("", nil),
        ("a\u{0}b.example", nil),
        ("b\u{fc}\u{0}.example", nil),
        ("\u{ff20}.example", nil),
        (String(repeating: "\u{fc}", count: 1_000), nil),
        (String(repeating: "\u{fc}", count: 100) + ".example", nil),
    ]

    @Test(arguments: domains)
    func toASCII(_ domain: String, _ expected: String?) {
        #expect(InternationalDomain.toASCII(domain) == expected)
    }
}

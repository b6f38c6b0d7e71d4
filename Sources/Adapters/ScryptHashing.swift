import MailTypes
public import Pipeline

/// How much work a hash is. RFC 7914 §2.
public struct ScryptParameters: Sendable, Hashable {
    /// Memory and time; a power of two.
    public let n: Int
    public let r: Int
    public let p: Int

    /// The most memory that one hash may take, in octets, whatever a stored hash asks for.
    static let memory = 256 << 20
    /// The most work, in blocks mixed: about a second.
    static let work = 1 << 22

    /// 16 MiB and some 60 ms.
    public static let standard = ScryptParameters(unchecked: 16_384, 8, 1)

    /// `nil` if they are no parameters of scrypt, or would take too much.
    public init?(n: Int, r: Int, p: Int) {
        guard
            n > 1, n & (n &- 1) == 0, n <= 1 << 20, (1...64).contains(r), (1...64).contains(p),
            128 * n * r <= Self.memory / 2, n * r * p <= Self.work
        else { return nil }
        self.init(unchecked: n, r, p)
    }

    private init(unchecked n: Int, _ r: Int, _ p: Int) {
        self.n = n
        self.r = r
        self.p = p
    }

    var work: Int { n * r * p }
}

/// Passwords as `$scrypt$ln=14,r=8,p=1$salt$hash` (both in base64 without padding).
///
/// The parameters stand in each hash, so they can be raised: an old hash stays right, and is made anew at
/// the next login.
public struct ScryptHashing: PasswordHashing {
    public let parameters: ScryptParameters
    public let decoy: String

    static let saltSize = 16
    static let hashSize = 32

    /// Throws if libcrypto has no random octets.
    public init(parameters: ScryptParameters = .standard) throws(CryptoError) {
        self.parameters = parameters
        decoy =
            StoredScrypt(
                parameters: parameters, salt: try Crypto.randomBytes(Self.saltSize),
                hash: try Crypto.randomBytes(Self.hashSize)
            ).text
    }

    public func hash(_ password: [UInt8]) throws -> String {
        let salt = try Crypto.randomBytes(Self.saltSize)
        let hash = try Crypto.scrypt(password, salt: salt, parameters: parameters, count: Self.hashSize)
        return StoredScrypt(parameters: parameters, salt: salt, hash: hash).text
    }

    public func verify(_ password: [UInt8], against stored: String) -> Bool {
        guard
            let stored = StoredScrypt(stored),
            let hash = try? Crypto.scrypt(
                password, salt: stored.salt, parameters: stored.parameters, count: stored.hash.count)
        else { return false }
        return Crypto.equalInConstantTime(hash, stored.hash)
    }

    public func needsRehash(_ stored: String) -> Bool {
        guard let stored = StoredScrypt(stored) else { return true }
        return stored.parameters.work < parameters.work || stored.parameters.n < parameters.n
            || stored.hash.count < Self.hashSize
    }

    public func keyedDigest(of message: [UInt8], key: [UInt8]) throws -> [UInt8] {
        try Crypto.hmacSHA256(message, key: key)
    }

    public func randomBytes(_ count: Int) throws -> [UInt8] { try Crypto.randomBytes(count) }
}

/// A hash as it is stored.
struct StoredScrypt {
    let parameters: ScryptParameters
    let salt: [UInt8]
    let hash: [UInt8]

    init(parameters: ScryptParameters, salt: [UInt8], hash: [UInt8]) {
        self.parameters = parameters
        self.salt = salt
        self.hash = hash
    }

    init?(_ text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt" else { return nil }
        let values = parts[2].split(separator: ",", omittingEmptySubsequences: false)
        guard
            values.count == 3, let ln = Self.value(values[0], of: "ln"), let r = Self.value(values[1], of: "r"),
            let p = Self.value(values[2], of: "p"), (1...20).contains(ln),
            let parameters = ScryptParameters(n: 1 << ln, r: r, p: p),
            let salt = Base64NoPadding.decode(parts[3].utf8), (8...64).contains(salt.count),
            let hash = Base64NoPadding.decode(parts[4].utf8), (16...64).contains(hash.count)
        else { return nil }
        self.init(parameters: parameters, salt: salt, hash: hash)
    }

    var text: String {
        let ln = parameters.n.trailingZeroBitCount
        let salt = Base64NoPadding.encode(salt)
        let hash = Base64NoPadding.encode(hash)
        return "$scrypt$ln=\(ln),r=\(parameters.r),p=\(parameters.p)$\(salt)$\(hash)"
    }

    private static func value(_ text: Substring, of name: String) -> Int? {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == name, parts[1].utf8.allSatisfy(\.isDigit) else { return nil }
        return Int(parts[1])
    }
}

/// Base64 as it is usual in hashes: without padding. RFC 4648 §3.2.
enum Base64NoPadding {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        var bits = 0
        var value: UInt32 = 0
        for byte in bytes {
            value = value << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                output.append(alphabet[Int(value >> UInt32(bits)) & 63])
            }
        }
        if bits > 0 { output.append(alphabet[Int(value << UInt32(6 - bits)) & 63]) }
        return String(decoding: output, as: UTF8.self)
    }

    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        var bits = 0
        var value: UInt32 = 0
        for letter in text {
            guard let digit = alphabet.firstIndex(of: letter) else { return nil }
            value = value << 6 | UInt32(digit)
            bits += 6
            if bits >= 8 {
                bits -= 8
                output.append(UInt8(truncatingIfNeeded: value >> UInt32(bits)))
            }
        }
        // What is left over must be nothing, or one hash would have several spellings.
        guard bits < 6, value & (1 << UInt32(bits) &- 1) == 0 else { return nil }
        return output
    }
}

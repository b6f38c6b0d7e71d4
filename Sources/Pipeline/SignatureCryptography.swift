/// Digests and signatures, as the stages that sign and verify take them from a library.
///
/// Pure functions: what they say depends on their arguments alone, so nothing of it has to be recorded for a replay.
public protocol SignatureCryptography: Sendable {
    /// SHA-256 of all octets that `feed` hands to its sink. RFC 6234.
    func sha256(
        _ feed: (_ sink: (UnsafeRawBufferPointer) -> Void) -> Void
    ) throws(CryptographyFailure) -> [UInt8]

    /// HMAC-SHA-1, for what others have agreed on before SHA-256. RFC 2104.
    func hmacSHA1(_ message: [UInt8], key: [UInt8]) throws(CryptographyFailure) -> [UInt8]

    /// Whether `signature` is one of `message` by that key. RFC 6376 §3.3, RFC 8463 §3.
    func verify(
        _ signature: [UInt8], of message: [UInt8], by key: VerificationKey
    ) throws(CryptographyFailure) -> Bool

    /// Reads a private key: PEM, PKCS #8 or PKCS #1, without a password.
    func signingKey(pem: [UInt8]) throws(CryptographyFailure) -> any SigningKey
}

/// The algorithms that are neither broken nor unknown. RFC 8301 §3.1, RFC 8463 §3.
public enum SignatureAlgorithm: String, Sendable, Hashable, Codable, CaseIterable {
    case rsaSHA256 = "rsa-sha256"
    case ed25519SHA256 = "ed25519-sha256"
}

/// How much a message may be changed on its way so that a signature still holds. RFC 6376 §3.4.
public enum Canonicalization: String, Sendable, Hashable, Codable, CaseIterable {
    /// Nothing but empty lines at the end.
    case simple
    /// White space too, and the case of field names.
    case relaxed
}

/// A public key that signatures are checked with.
public enum VerificationKey: Sendable, Hashable {
    /// Both numbers without leading zeros, the highest octet first.
    case rsa(modulus: [UInt8], exponent: [UInt8])
    case ed25519([UInt8])

    public var algorithm: SignatureAlgorithm {
        switch self {
        case .rsa: .rsaSHA256
        case .ed25519: .ed25519SHA256
        }
    }

    /// The size as people name it.
    public var bits: Int {
        switch self {
        case .rsa(let modulus, _): modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
        case .ed25519(let key): key.count * 8
        }
    }
}

/// A private key that can sign and nothing else: it is never seen by a stage.
public protocol SigningKey: Sendable {
    var algorithm: SignatureAlgorithm { get }
    /// The size as people name it.
    var bits: Int { get }
    /// As in the `p=` of a key record, before base64. RFC 6376 §3.6.1, RFC 8463 §4.
    var publicKey: [UInt8] { get }

    func sign(_ message: [UInt8]) throws(CryptographyFailure) -> [UInt8]
}

/// Where private keys lie.
public protocol SigningKeyFiles: Sendable {
    /// The file of a domain's selector, in PEM. Both names consist of letters, digits, dots, hyphens and underscores.
    func contents(domain: String, selector: String) throws(CryptographyFailure) -> [UInt8]

    /// What changes whenever the file does, without reading it. Throws if there is none.
    func stamp(domain: String, selector: String) throws(CryptographyFailure) -> KeyFileStamp
}

/// Where the secrets lie that rewritten reverse-paths are signed with.
public protocol ReversePathSecrets: Sendable {
    /// At least one. The first one signs, and what any of them has signed is believed.
    func secrets() throws(CryptographyFailure) -> [[UInt8]]
}

/// Tells one state of a file from every other.
public struct KeyFileStamp: Sendable, Hashable {
    public var inode: UInt64
    public var size: Int
    /// When it, or who may read it, was changed last: seconds and nanoseconds.
    public var seconds: Int
    public var nanoseconds: Int

    public init(inode: UInt64, size: Int, seconds: Int, nanoseconds: Int) {
        self.inode = inode
        self.size = size
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

/// A digest, a signature or a key could not be made or read.
public struct CryptographyFailure: Error, Sendable, Hashable, CustomStringConvertible {
    public var reason: String
    public var description: String { reason }
    public init(_ reason: String) { self.reason = reason }
}

/// What the wiring gives to a stage beside its configuration.
public struct StageTools: Sendable {
    public var cryptography: any SignatureCryptography
    public var keys: any SigningKeyFiles
    /// Those of them that have been read.
    public let readKeys = SigningKeyCache()
    /// Messages are only judged again, maybe elsewhere or much later: where a key is not to be had, a stage says what
    /// it would sign (``KeyAbsence``), and does not fail.
    public var mayLackKeys: Bool
    /// What rewritten reverse-paths are signed with; `nil`: none are made, and none read.
    public var reversePathSecrets: (any ReversePathSecrets)?
    /// The rules that spam is scored by.
    public var scoring = ScoringTools.none

    public init(cryptography: any SignatureCryptography, keys: any SigningKeyFiles, mayLackKeys: Bool = false) {
        self.cryptography = cryptography
        self.keys = keys
        self.mayLackKeys = mayLackKeys
    }
}

/// A stage that works with such tools; without them it cannot decide.
public protocol EquippedStage: Stage {
    /// The same stage with its tools at hand. Throws what is wrong with the keys that it is to use.
    func equipped(with tools: StageTools) throws -> Self
}

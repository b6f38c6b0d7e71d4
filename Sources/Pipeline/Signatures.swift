public import MailTypes

/// A message as a question carries it: the message itself for who answers, its size and digest in the record.
///
/// Two handles are equal if size and digest are, so a recorded question is found again when the same message is
/// judged again. The digest tells messages of one record apart; it proves nothing.
public struct MessageHandle: Sendable {
    public let size: Int
    public let digest: UInt64
    /// `nil` where the question comes from a record.
    public let message: Message?

    public init(_ message: Message) {
        self.message = message
        size = message.size
        digest = message.pieces.reduce(0) { digest, piece in piece.withUnsafeBytes { Self.mix(digest, $0) } }
    }

    private init(size: Int, digest: UInt64) {
        self.size = size
        self.digest = digest
        message = nil
    }

    /// The same without the message, which would be kept in memory as long as the record.
    var recorded: MessageHandle { MessageHandle(size: size, digest: digest) }

    /// Eight octets at a time: fifty megabytes are a few milliseconds.
    private static func mix(_ seed: UInt64, _ octets: UnsafeRawBufferPointer) -> UInt64 {
        var digest = seed
        func mix(_ word: UInt64) {
            digest = (digest ^ word) &* 0x9E37_79B9_7F4A_7C15
            digest ^= digest >> 29
        }
        let words = octets.count / 8
        for index in 0..<words {
            mix(UInt64(littleEndian: octets.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)))
        }
        for octet in octets[(words * 8)...] { mix(UInt64(octet)) }
        mix(UInt64(octets.count))
        return digest
    }
}

extension Question {
    /// As it stands in the record.
    var recorded: Question {
        switch self {
        case .signatures(let handle, let most): .signatures(handle.recorded, most: most)
        case .lessons(let question): .lessons(question.recorded)
        case .spamScan(let question): .spamScan(question.recorded)
        case .scan(let handle, let engine): .scan(handle.recorded, by: engine)
        case .milter(let question): .milter(question.recorded)
        case .policy(let question): .policy(question.recorded)
        default: self
        }
    }
}

extension MessageHandle: Hashable {
    public static func == (left: Self, right: Self) -> Bool { left.size == right.size && left.digest == right.digest }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(size)
        hasher.combine(digest)
    }
}

extension MessageHandle: Codable {
    private enum CodingKeys: String, CodingKey { case size, digest }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        size = try table.decode(Int.self, forKey: .size)
        let text = try table.decode(String.self, forKey: .digest)
        guard let digest = UInt64(text, radix: 16) else {
            throw DecodingError.dataCorruptedError(forKey: .digest, in: table, debugDescription: "not a digest")
        }
        self.digest = digest
        message = nil
    }

    public func encode(to encoder: any Encoder) throws {
        var table = encoder.container(keyedBy: CodingKeys.self)
        try table.encode(size, forKey: .size)
        try table.encode(String(digest, radix: 16), forKey: .digest)
    }
}

/// What became of one DKIM-Signature field. RFC 6376 §6.1.
public struct SignatureReport: Sendable, Hashable, Codable {
    /// Why a signature is not valid.
    public enum Fault: String, Sendable, Hashable, Codable, CaseIterable {
        /// The field cannot be read, or a tag that it must have is missing. RFC 6376 §6.1.1.
        case syntax
        /// A version, algorithm or canonicalization that nobody knows.
        case unknown
        /// `i=` is not within `d=`, or not `d=` itself where the key says `t=s`.
        case identity
        /// `h=` does not name From. RFC 6376 §5.4.
        case unsignedFrom = "unsigned-from"
        case expired
        /// Its `t=` lies ahead of us, or behind its own `x=`.
        case future
        /// The body is shorter than `l=` says.
        case shortBody = "short-body"
        /// There is no such key. RFC 6376 §6.1.2.
        case noKey = "no-key"
        /// `p=` is empty: the key was withdrawn. RFC 6376 §3.6.1.
        case revokedKey = "revoked-key"
        /// The key's record cannot be read, or is not for this use.
        case badKey = "bad-key"
        /// DNS did not answer.
        case unreachableKey = "unreachable-key"
        /// The body is not the one that was signed.
        case body
        /// The header is not the one that was signed, or somebody else signed it.
        case signature
        /// Stands for all signatures beyond those that are looked at.
        case surplus
        /// Beyond what can be verified: a header field or line of more than 64 KiB.
        case tooLarge = "too-large"
    }

    /// The octets of the canonical body that `l=` covers, of all that it has.
    public struct BodyLength: Sendable, Hashable, Codable {
        public var signed: Int
        public var whole: Int

        public init(signed: Int, whole: Int) {
            self.signed = signed
            self.whole = whole
        }
    }

    /// `d=`, `s=`, `a=`; empty where there is none.
    public var domain = ""
    public var selector = ""
    public var algorithm = ""
    /// `i=` decoded, or `@` and the domain.
    public var identity = ""
    /// The beginning of `b=`, which tells signatures of one domain apart. RFC 6008.
    public var signature = ""
    /// 0: no key was seen.
    public var keyBits = 0
    /// `nil`: there is no `l=`, so the whole body is covered.
    public var bodyLength: BodyLength?
    /// The From fields that are not covered: those beyond as many as `h=` names.
    public var uncoveredFroms = 0
    /// The key says `t=y`. RFC 6376 §3.6.1.
    public var isTest = false
    /// `nil`: it is valid.
    public var fault: Fault?
    /// The fault in words, for people.
    public var reason: String?

    public init() {}

    /// The word for it, before any policy. RFC 8601 §2.7.1.
    public var result: AuthenticationResults.Result {
        switch fault {
        case nil: .pass
        case .body, .signature: .fail
        case .unreachableKey: .temperror
        case .surplus: .policy
        case .syntax, .unknown, .identity, .unsignedFrom, .expired, .future, .shortBody, .noKey, .revokedKey,
            .badKey, .tooLarge:
            .permerror
        }
    }
}

/// Whose lessons: everybody's, a domain's, or a mailbox's own.
public enum LessonScope: Sendable, Hashable, Codable {
    case global
    /// In lower case and A-labels.
    case domain(String)
    /// By its ``EmailAddress/key``.
    case mailbox(String)

    /// `global`, `domain example.org`, `mailbox anna@example.org`.
    public var text: String {
        switch self {
        case .global: "global"
        case .domain(let name): "domain \(name)"
        case .mailbox(let key): "mailbox \(key)"
        }
    }

    public init?(text: String) {
        let words = text.split(separator: " ", maxSplits: 1)
        switch (words.first, words.count) {
        case ("global", 1): self = .global
        case ("domain", 2): self = .domain(String(words[1]))
        case ("mailbox", 2): self = .mailbox(String(words[1]))
        default: return nil
        }
    }

    /// The scopes around it and itself, the widest first.
    public var chain: [LessonScope] {
        switch self {
        case .global: [.global]
        case .domain: [.global, self]
        case .mailbox(let key):
            [.global] + (key.split(separator: "@").last.map { [.domain(String($0))] } ?? []) + [self]
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let scope = Self(text: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a scope of lessons")
        }
        self = scope
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// What do lessons say of a message of these tokens?
///
/// The tokens are for who answers; the record has their number and digest.
public struct LessonQuestion: Sendable {
    /// From the widest to the narrowest: each later one has the last word on what it was taught.
    public let scopes: [LessonScope]
    public let count: Int
    public let digest: UInt64
    /// Each once, in order; `nil` where the question comes from a record.
    public let tokens: [UInt64]?

    public init(_ tokens: [UInt64], scopes: [LessonScope]) {
        self.tokens = tokens
        self.scopes = scopes
        count = tokens.count
        digest = tokens.reduce(0xCBF2_9CE4_8422_2325) { digest, token in
            let mixed = (digest ^ token) &* 0x9E37_79B9_7F4A_7C15
            return mixed ^ mixed >> 29
        }
    }

    private init(scopes: [LessonScope], count: Int, digest: UInt64) {
        self.scopes = scopes
        self.count = count
        self.digest = digest
        tokens = nil
    }

    /// The same without the tokens, which would be kept in memory as long as the record.
    var recorded: LessonQuestion { LessonQuestion(scopes: scopes, count: count, digest: digest) }
}

extension LessonQuestion: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        left.digest == right.digest && left.count == right.count && left.scopes == right.scopes
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}

extension LessonQuestion: Codable {
    private enum CodingKeys: String, CodingKey { case scopes, count, digest }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        let text = try table.decode(String.self, forKey: .digest)
        guard let digest = UInt64(text, radix: 16) else {
            throw DecodingError.dataCorruptedError(forKey: .digest, in: table, debugDescription: "not a digest")
        }
        self.init(
            scopes: try table.decode([LessonScope].self, forKey: .scopes),
            count: try table.decode(Int.self, forKey: .count), digest: digest)
    }

    public func encode(to encoder: any Encoder) throws {
        var table = encoder.container(keyedBy: CodingKeys.self)
        try table.encode(scopes, forKey: .scopes)
        try table.encode(count, forKey: .count)
        try table.encode(String(digest, radix: 16), forKey: .digest)
    }
}

/// What lessons say of a message.
public struct LessonAnswer: Sendable, Hashable, Codable {
    /// A token that speaks for spam or against it.
    public struct Token: Sendable, Hashable {
        public var hash: UInt64
        /// What it adds to the margin, in thousandths.
        public var thousandths: Int
        /// Lessons with it, of all scopes that were asked.
        public var spam: Int
        public var ham: Int

        public init(hash: UInt64, thousandths: Int, spam: Int, ham: Int) {
            self.hash = hash
            self.thousandths = thousandths
            self.spam = spam
            self.ham = ham
        }
    }

    /// At most so many tokens are told of.
    public static let mostTokens = 20

    /// Above zero like the spam that was taught, below like the good mail, to a thousandth; `nil`: not enough was
    /// taught.
    public var margin: Double?
    /// Whose lessons it is made of.
    public var scopes: [LessonScope]
    /// How many lessons that are.
    public var spam: Int
    public var ham: Int
    /// The most telling ones first, at most ``mostTokens``.
    public var tokens: [Token]

    public init(
        margin: Double? = nil, scopes: [LessonScope] = [], spam: Int = 0, ham: Int = 0, tokens: [Token] = []
    ) {
        self.margin = margin
        self.scopes = scopes
        self.spam = spam
        self.ham = ham
        self.tokens = tokens
    }
}

extension LessonAnswer.Token: Codable {
    /// `9f3ac2 -250 1 20`: the hash in hexadecimal digits, the share, and the lessons of spam and of good mail.
    var text: String { "\(String(hash, radix: 16)) \(thousandths) \(spam) \(ham)" }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let words = try container.decode(String.self).split(separator: " ")
        guard words.count == 4, let hash = UInt64(words[0], radix: 16), let thousandths = Int(words[1]),
            let spam = Int(words[2]), let ham = Int(words[3])
        else { throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a token") }
        self.init(hash: hash, thousandths: thousandths, spam: spam, ham: ham)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

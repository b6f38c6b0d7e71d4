/// How a domain signs what its users write, as the directory has it. Nothing in it is secret.
public struct SigningDomain: Sendable, Hashable, Codable {
    /// A key that signs.
    public struct Selector: Sendable, Hashable, Codable {
        public var name: String
        public var algorithm: SignatureAlgorithm
        /// As in the `p=` of its record. RFC 6376 §3.6.1.
        public var publicKey: String

        public init(name: String, algorithm: SignatureAlgorithm, publicKey: String) {
            self.name = name
            self.algorithm = algorithm
            self.publicKey = publicKey
        }
    }

    /// In lower case and A-labels.
    public var name: String
    /// None, one, or one of each algorithm.
    public var active: [Selector]
    public var settings: SigningSettings
    /// No mail of the domain is taken, and none is signed.
    public var isDisabled = false

    public init(name: String, active: [Selector], settings: SigningSettings = SigningSettings()) {
        self.name = name
        self.active = active
        self.settings = settings
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        name = try table.decode(String.self, forKey: .name)
        active = try table.decode([Selector].self, forKey: .active)
        settings = try table.decode(SigningSettings.self, forKey: .settings)
        // Traces of the time before it say nothing of it.
        isDisabled = try table.decodeIfPresent(Bool.self, forKey: .isDisabled) ?? false
    }
}

/// What a domain says of its signatures; `nil` is what the stage's file says.
public struct SigningSettings: Sendable, Hashable, Codable {
    /// Whether its mail is signed.
    public var sign = true
    /// Whether authors of domains below it are signed for, where these have no keys of their own.
    public var subdomains = false
    /// Only keys for this algorithm sign.
    public var algorithm: SignatureAlgorithm?
    public var headerCanonicalization: Canonicalization?
    public var bodyCanonicalization: Canonicalization?
    /// `l=`: whatever is appended verifies, too. RFC 6376 §8.2.
    public var length: Bool?
    /// `i=`: the author stands in the signature. RFC 6376 §3.5.
    public var identity: Bool?

    public init() {}
}

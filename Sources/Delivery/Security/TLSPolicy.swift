import MailTypes

/// How much TLS mail to the exchangers of a domain needs, as the admin says.
public struct TLSPolicy: Sendable, Hashable {
    public enum Level: String, Sendable, Hashable, Codable, CaseIterable {
        /// Never.
        case none
        /// Where it is offered, any certificate. RFC 7435.
        case opportunistic
        /// TLS, or no delivery; any certificate.
        case required
        /// TLS with a certificate that DANE or a trusted authority proves to be the exchanger's.
        case verified
        /// TLS that DANE proves, down from the signed MX records. RFC 7672.
        case dane
        /// TLS as the domain's MTA-STS policy wants it, which must be there and in force. RFC 8461.
        case mtaSTS = "mta-sts"
    }

    /// What is asked for at least.
    public var level: Level
    /// What the domain publishes in TLSA records is kept, and overrides MTA-STS. RFC 8461 §2.
    public var keepsDANE = true
    /// What the domain publishes as MTA-STS is kept.
    public var keepsMTASTS = true
    /// Who says so: `sluice.toml:12:1: tls = "verified"`.
    public var source: String

    public init(_ level: Level, keepsDANE: Bool = true, keepsMTASTS: Bool = true, source: String) {
        self.level = level
        self.keepsDANE = keepsDANE || level == .dane
        self.keepsMTASTS = keepsMTASTS || level == .mtaSTS
        self.source = source
    }

    public static let usual = TLSPolicy(.opportunistic, source: "default")

    /// The same for mail that its sender says is not worth protecting: what the domain publishes is passed over, what
    /// the admin says is not. RFC 8689 §4.3.
    var withoutPublished: TLSPolicy {
        var policy = self
        policy.keepsDANE = level == .dane
        policy.keepsMTASTS = level == .mtaSTS
        return policy
    }
}

/// ``TLSPolicy`` by domain.
public struct TLSPolicyTable: Sendable, Hashable {
    /// For domains that no entry is for.
    public var standard: TLSPolicy
    private var entries: [String: TLSPolicy] = [:]

    public init(standard: TLSPolicy = .usual) { self.standard = standard }

    /// Adds an entry for `example.org`, or for all domains below it as `.example.org`.
    public mutating func add(_ policy: TLSPolicy, for pattern: String) { entries[pattern.asciiLowercased] = policy }

    /// The domain's own entry, else that of the nearest domain above it, else the usual.
    public func policy(for domain: String) -> TLSPolicy {
        let domain = domain.asciiLowercased
        if let own = entries[domain] { return own }
        var rest = domain[...]
        while let dot = rest.firstIndex(of: ".") {
            if let above = entries[String(rest[dot...])] { return above }
            rest = rest[rest.index(after: dot)...]
        }
        return standard
    }
}

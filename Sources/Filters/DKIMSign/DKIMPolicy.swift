public import MailTypes
public import Pipeline

extension DKIMSign {
    public struct Configuration: Decodable, Sendable {
        /// Whose mail is signed of those who have logged in.
        public enum Users: String, Decodable, Sendable, CaseIterable {
            /// Who may send as the author, by the directory.
            case entitled
            case any, none
        }

        /// What an active key must be for.
        public enum Algorithm: String, Decodable, Sendable, CaseIterable {
            case any
            case rsaSHA256 = "rsa-sha256"
            case ed25519SHA256 = "ed25519-sha256"

            func allows(_ algorithm: SignatureAlgorithm) -> Bool {
                self == .any || rawValue == algorithm.rawValue
            }
        }

        /// Domains that sign, each with its active selectors.
        public var domains: [String: DomainSigning] = [:]
        public var users = Users.entitled
        /// Clients that need not log in.
        public var networks: [Network] = []
        public var algorithm = Algorithm.any
        public var headerCanonicalization = Canonicalization.relaxed
        public var bodyCanonicalization = Canonicalization.relaxed
        /// `l=`: whatever is appended verifies, too. RFC 6376 §8.2.
        public var length = false
        /// `i=`: the author stands in the signature. RFC 6376 §3.5.
        public var identity = false
        /// `x=`: for how long a signature is good, so that others cannot send a message again for ever; nought is no
        /// end.
        public var expires: Interval = "7d"
        /// Fields that are signed, as often as they are there.
        public var headers = [
            "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
            "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "List-ID", "List-Unsubscribe",
            "List-Unsubscribe-Post", "List-Post",
        ]
        /// Fields that are named once more than they are there, so that none can be added. RFC 6376 §8.15.
        public var oversign = [
            "From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
            "Content-Transfer-Encoding",
        ]
        /// A smaller RSA key is refused.
        public var minKeyBits: BoundedInt<KeyBitsBounds> = 2048

        public init() {}
    }

    /// How one domain signs; what it does not say is as for all.
    public struct DomainSigning: Decodable, Sendable {
        /// Whether its mail is signed.
        public var sign = true
        /// The selectors whose keys sign: one, or one with an RSA and one with an Ed25519 key.
        public var active: [String] = []
        /// Whether authors of domains below it are signed for, too, where these have no keys of their own.
        public var subdomains = false
        public var algorithm: Configuration.Algorithm?
        public var headerCanonicalization: Canonicalization?
        public var bodyCanonicalization: Canonicalization?
        public var length: Bool?
        public var identity: Bool?

        public init(active: [String]) { self.active = active }
    }

    /// What holds for a domain in the end.
    struct Settings: Sendable {
        var algorithm: Configuration.Algorithm
        var headerMode: Canonicalization
        var bodyMode: Canonicalization
        var length: Bool
        var identity: Bool
    }
}

extension DKIMSign.DomainSigning {
    func settings(in policy: DKIMSign.Configuration) -> DKIMSign.Settings {
        DKIMSign.Settings(
            algorithm: algorithm ?? policy.algorithm,
            headerMode: headerCanonicalization ?? policy.headerCanonicalization,
            bodyMode: bodyCanonicalization ?? policy.bodyCanonicalization, length: length ?? policy.length,
            identity: identity ?? policy.identity)
    }
}

extension DKIMSign.Configuration {
    enum CodingKeys: String, CodingKey {
        case domains, users, networks, algorithm
        case headerCanonicalization = "header_canonicalization"
        case bodyCanonicalization = "body_canonicalization"
        case length, identity, expires, headers, oversign
        case minKeyBits = "min_key_bits"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        for (name, domain) in table.value(.domains, default: domains) { domains[name.asciiLowercased] = domain }
        users = table.value(.users, default: users)
        networks = table.value(.networks, default: networks)
        algorithm = table.value(.algorithm, default: algorithm)
        headerCanonicalization = table.value(.headerCanonicalization, default: headerCanonicalization)
        bodyCanonicalization = table.value(.bodyCanonicalization, default: bodyCanonicalization)
        length = table.value(.length, default: length)
        identity = table.value(.identity, default: identity)
        expires = table.value(.expires, default: expires)
        headers = table.value(.headers, default: headers)
        oversign = table.value(.oversign, default: oversign)
        minKeyBits = table.value(.minKeyBits, default: minKeyBits)
    }
}

extension DKIMSign.DomainSigning {
    enum CodingKeys: String, CodingKey {
        case sign, active, subdomains, algorithm
        case headerCanonicalization = "header_canonicalization"
        case bodyCanonicalization = "body_canonicalization"
        case length, identity
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        sign = table.value(.sign, default: sign)
        active = table.value(.active, default: active)
        subdomains = table.value(.subdomains, default: subdomains)
        algorithm = table.optional(.algorithm)
        headerCanonicalization = table.optional(.headerCanonicalization)
        bodyCanonicalization = table.optional(.bodyCanonicalization)
        length = table.optional(.length)
        identity = table.optional(.identity)
    }
}

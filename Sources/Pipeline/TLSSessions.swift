public import MailTypes
public import struct Foundation.Date

/// What a domain publishes about TLS with its exchangers. RFC 8460 §4.2.
public struct PublishedPolicy: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        case tlsa
        case sts
        case none = "no-policy-found"
    }

    public var kind: Kind
    /// Whose it is: the recipient's domain, with DANE the exchanger. RFC 8460 §4.4.
    public var domain: String
    /// The TLSA records, or the lines of the policy.
    public var text: [String]
    /// Patterns of a policy's exchangers.
    public var exchangers: [String]

    public init(_ kind: Kind, domain: String, text: [String] = [], exchangers: [String] = []) {
        self.kind = kind
        self.domain = domain
        self.text = text
        self.exchangers = exchangers
    }
}

/// Why TLS with an exchanger is not as its domain wants it, or did not come about. RFC 8460 §4.3.
public struct TLSFailure: Sendable, Hashable, Codable {
    public enum Result: String, Sendable, Hashable, Codable, CaseIterable {
        case noStartTLS = "starttls-not-supported"
        case otherName = "certificate-host-mismatch"
        case expired = "certificate-expired"
        case untrusted = "certificate-not-trusted"
        case other = "validation-failure"
        case tlsaInvalid = "tlsa-invalid"
        case dnssecInvalid = "dnssec-invalid"
        case daneRequired = "dane-required"
        case policyFetch = "sts-policy-fetch-error"
        case policyInvalid = "sts-policy-invalid"
        case policyWeb = "sts-webpki-invalid"

        /// The certificates that were shown.
        public init(_ fault: CertificateVerdict.Fault) {
            switch fault {
            case .otherName: self = .otherName
            case .expired: self = .expired
            case .untrusted: self = .untrusted
            case .other: self = .other
            }
        }
    }

    public var result: Result
    /// More about it, in words of no form.
    public var reason: String?
    /// Where the session came from and where it went, as far as there was one.
    public var source: IPAddress?
    public var host: String?
    public var address: IPAddress?
    /// What the host calls itself in its answer to EHLO.
    public var hello: String?

    public init(_ result: Result, reason: String? = nil) {
        self.result = result
        self.reason = reason
    }
}

/// What came of TLS in one session with an exchanger, or why there was none. RFC 8460 §4.3.
public struct TLSSession: Sendable, Hashable {
    /// The recipients'.
    public var domain: String
    public var policy: PublishedPolicy
    /// None: all is well.
    public var failures: [TLSFailure]

    public init(domain: String, policy: PublishedPolicy, failures: [TLSFailure] = []) {
        self.domain = domain
        self.policy = policy
        self.failures = failures
    }
}

/// The sessions of one day with the exchangers of one domain under one policy.
public struct TLSTally: Sendable, Hashable {
    public var domain: String
    /// The first moment of the day, in UTC.
    public var day: Date
    public var policy: PublishedPolicy
    public var succeeded = 0
    public var failed = 0
    /// A session may have failed in more than one way.
    public var failures: [TLSFailure: Int] = [:]

    public init(domain: String, day: Date, policy: PublishedPolicy) {
        self.domain = domain
        self.day = day
        self.policy = policy
    }
}

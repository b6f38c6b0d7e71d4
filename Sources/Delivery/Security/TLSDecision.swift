import MailTypes
import Pipeline
import Protocols

/// How TLS is made with one exchanger, and why.
struct TLSDecision: Sendable, Hashable {
    var encryption: SMTPClientMachine.Encryption
    /// What its certificate is measured by; `nil`: any will do.
    var proof: CertificateProof?
    /// Without it a certificate that proves nothing is noted, and good enough. RFC 8461 §5.
    var isEnforced = true
    /// That the exchanger is the domain's is vouched for, by DNSSEC or MTA-STS.
    var isExchangerAuthentic = false
    /// The name for SNI; `nil`: the exchanger's. RFC 7672 §8.1.
    var serverName: String?
    /// Why the exchanger may not be spoken to at all.
    var obstacle: Reply?
    /// What the domain publishes, for its reports.
    var published: PublishedPolicy
    /// The whole in words, for log and trace.
    var reason: String

    /// The session is with the one whom the domain wants.
    var isProven: Bool { proof != nil && isEnforced && isExchangerAuthentic }
}

/// What a domain publishes about TLS with its exchangers. RFC 8460 §4.2.
public struct PublishedPolicy: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable {
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

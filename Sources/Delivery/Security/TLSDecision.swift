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
    /// What of that is wrong already before there is a session. RFC 8460 §4.3.2.
    var faults: [TLSFailure] = []
    /// The domain whose owner may be told of the session; `nil`: nobody is.
    var reportsTo: String?
    /// The whole in words, for log and trace.
    var reason: String

    /// The session is with the one whom the domain wants.
    var isProven: Bool { proof != nil && isEnforced && isExchangerAuthentic }
}

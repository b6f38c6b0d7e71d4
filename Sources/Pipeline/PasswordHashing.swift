/// How passwords are kept and compared. Implemented over a cryptographic library outside of the
/// pipeline, so that what uses it can be tested without.
///
/// `hash` and `verify` take tens of milliseconds on purpose: they belong on a thread of their own,
/// never on an event loop.
public protocol PasswordHashing: Sendable {
    /// A salted hash of `password` as one line of text that names its algorithm and parameters.
    func hash(_ password: [UInt8]) throws -> String
    /// Whether `password` is the one that `stored` was made of; in a time that does not depend on where
    /// they differ. `false` when `stored` cannot be read.
    func verify(_ password: [UInt8], against stored: String) -> Bool
    /// Whether `stored` was made with other parameters than ``hash(_:)`` uses now.
    func needsRehash(_ stored: String) -> Bool
    /// A hash that no password fits and that costs as much to verify as one of ``hash(_:)``, so that
    /// an unknown user takes as long as a wrong password.
    var decoy: String { get }
    /// A digest of `message` that nobody can make without `key` (HMAC-SHA-256, RFC 2104).
    func keyedDigest(of message: [UInt8], key: [UInt8]) throws -> [UInt8]
    /// Octets that nobody can foresee.
    func randomBytes(_ count: Int) throws -> [UInt8]
}

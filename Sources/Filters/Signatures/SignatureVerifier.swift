import MailTypes
import Pipeline

/// What became of a signature.
enum SignatureOutcome: Sendable, Hashable {
    case pass
    case fail(String)
    /// DNS did not answer: another time it may pass.
    case unknown(String)
}

/// Checks signatures of one message. What they have in common is done once: keys are asked for by name, and body
/// hashes made by canonicalization and length.
struct SignatureVerifier {
    let message: Message
    let cryptography: any SignatureCryptography
    let services: Services
    /// Smaller RSA keys prove nothing. RFC 8301 §3.2.
    let leastBits: Int

    private var keys: [String: Result<VerificationKey, KeyTrouble>] = [:]
    private var digests: [DigestPlan: BodyDigest] = [:]

    private struct KeyTrouble: Error {
        let reason: String
        let isTemporary: Bool
    }

    private struct DigestPlan: Hashable {
        let mode: Canonicalization
        let length: Int?
    }

    /// Ways to hash one body; a message whose signatures ask for more wants to cost us time.
    static let mostDigests = 4

    init(_ message: Message, _ cryptography: any SignatureCryptography, _ services: Services, leastBits: Int) {
        self.message = message
        self.cryptography = cryptography
        self.services = services
        self.leastBits = leastBits
    }

    /// Whether header and body are as they were when they were signed. RFC 6376 §6.1.3.
    mutating func check(_ signature: MessageSignature) async throws(StageFailure) -> SignatureOutcome {
        guard let digest = try await digest(signature.bodyMode, signature.length) else {
            return .fail("the signatures of this message want its body hashed in too many ways")
        }
        if let length = signature.length, length > digest.total {
            return .fail("l= is more than there is of the body")
        }
        guard digest.value == signature.bodyHash else { return .fail("the body has changed") }
        return try await check(signature.base, of: signature.signedOctets(of: message.header))
    }

    /// Whether `octets` were signed so, by the key that the signature names.
    mutating func check(
        _ signature: SignatureBase, of octets: [UInt8]
    ) async throws(StageFailure) -> SignatureOutcome {
        let key: VerificationKey
        switch await self.key(of: signature) {
        case .success(let found): key = found
        case .failure(let trouble):
            let reason = "\(signature.keyName): \(trouble.reason)"
            return trouble.isTemporary ? .unknown(reason) : .fail(reason)
        }
        guard key.algorithm == signature.algorithm else {
            return .fail("the key is not for \(signature.algorithm.rawValue)")
        }
        if case .rsa = key, key.bits < leastBits { return .fail("the key has only \(key.bits) bits") }
        do throws(CryptographyFailure) {
            let holds = try cryptography.verify(signature.signature, of: octets, by: key)
            return holds ? .pass : .fail("the signature does not hold")
        } catch { throw StageFailure(error.reason) }
    }

    private mutating func digest(_ mode: Canonicalization, _ length: Int?) async throws(StageFailure) -> BodyDigest? {
        let plan = DigestPlan(mode: mode, length: length)
        if let known = digests[plan] { return known }
        guard digests.count < Self.mostDigests else { return nil }
        do throws(CryptographyFailure) {
            let digest = try await BodyDigest.of(message.body, mode, length: length, cryptography)
            digests[plan] = digest
            return digest
        } catch { throw StageFailure(error.reason) }
    }

    private mutating func key(of signature: SignatureBase) async -> Result<VerificationKey, KeyTrouble> {
        let name = signature.keyName
        if let known = keys[name] { return known }
        let found = await lookUp(name)
        keys[name] = found
        return found
    }

    private func lookUp(_ name: String) async -> Result<VerificationKey, KeyTrouble> {
        guard name.utf8.count <= DomainName.longest else {
            return .failure(KeyTrouble(reason: "the name is too long", isTemporary: false))
        }
        do throws(StageFailure) {
            guard case .records(let records, _) = try await services.dns(name, .txt) else {
                return .failure(KeyTrouble(reason: "there is no key", isTemporary: false))
            }
            return KeyRecord.choose(records).map(\.key).mapError {
                KeyTrouble(reason: "\($0)", isTemporary: false)
            }
        } catch {
            return .failure(KeyTrouble(reason: "no answer for the key: \(error.reason)", isTemporary: true))
        }
    }
}

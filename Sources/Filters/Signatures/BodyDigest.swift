import MailTypes
import Pipeline

/// The hash of a canonical body, or of its beginning. RFC 6376 §3.7.
struct BodyDigest: Sendable, Hashable {
    let value: [UInt8]
    /// Octets of the canonical body that were hashed.
    let covered: Int
    /// Octets of the canonical body in all.
    let total: Int

    /// Larger bodies are hashed away from the caller's executor, which serves other connections meanwhile.
    private static let largeBody = 64 << 10

    static func of(
        _ body: Bytes, _ mode: Canonicalization, length: Int? = nil, _ cryptography: any SignatureCryptography
    ) async throws(CryptographyFailure) -> BodyDigest {
        guard body.count > largeBody else { return try digest(body, mode, length, cryptography) }
        let work = Task.detached { () -> Result<BodyDigest, CryptographyFailure> in
            do throws(CryptographyFailure) {
                return .success(try Self.digest(body, mode, length, cryptography))
            } catch {
                return .failure(error)
            }
        }
        return try await work.value.get()
    }

    private static func digest(
        _ body: Bytes, _ mode: Canonicalization, _ length: Int?, _ cryptography: any SignatureCryptography
    ) throws(CryptographyFailure) -> BodyDigest {
        var covered = 0
        var total = 0
        let value = try cryptography.sha256 { sink in
            BodyCanonicalization.feed(body, mode) { piece in
                let taken = min(piece.count, length.map { $0 - covered } ?? piece.count)
                if taken > 0 { sink(UnsafeRawBufferPointer(rebasing: piece[..<taken])) }
                covered += taken
                total += piece.count
            }
        }
        return BodyDigest(value: value, covered: covered, total: total)
    }
}

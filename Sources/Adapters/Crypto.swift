// The one file that imports libcrypto.

import COpenSSL

/// A call of libcrypto failed; the name says which.
public struct CryptoError: Error, Hashable, Sendable, CustomStringConvertible {
    public let call: String
    public var description: String { "libcrypto: \(call) failed" }
}

/// What the rest of the program takes from libcrypto, over octets.
public enum Crypto {
    /// The most that one call gives; more is surely a mistake.
    static let mostRandomBytes = 1 << 20

    /// Octets from the system's random generator.
    public static func randomBytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        guard (0...mostRandomBytes).contains(count) else { throw CryptoError(call: "RAND_bytes") }
        var bytes = [UInt8](repeating: 0, count: count)
        guard count == 0 || RAND_bytes(&bytes, CInt(count)) == 1 else { throw CryptoError(call: "RAND_bytes") }
        return bytes
    }

    /// HMAC-SHA-256. RFC 2104, RFC 4231.
    public static func hmacSHA256(_ message: [UInt8], key: [UInt8]) throws(CryptoError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var length = 0
        // An empty Swift array may have no address, and libcrypto takes a missing key for "as before".
        let keyOrZero = key.isEmpty ? [0] : key
        let result = EVP_Q_mac(
            nil, "HMAC", nil, "SHA256", nil, keyOrZero, key.count, message, message.count, &digest, digest.count,
            &length)
        guard result != nil, length == digest.count else { throw CryptoError(call: "EVP_Q_mac") }
        return digest
    }

    /// scrypt. RFC 7914 §6.
    public static func scrypt(
        _ password: [UInt8], salt: [UInt8], parameters: ScryptParameters, count: Int
    ) throws(CryptoError) -> [UInt8] {
        guard (1...1_024).contains(count) else { throw CryptoError(call: "EVP_PBE_scrypt") }
        var output = [UInt8](repeating: 0, count: count)
        let result = password.withUnsafeBytes { secret in
            // With no address libcrypto would only check the parameters.
            let start = secret.bindMemory(to: CChar.self).baseAddress ?? Self.emptyPassword
            return EVP_PBE_scrypt(
                start, secret.count, salt, salt.count, UInt64(parameters.n), UInt64(parameters.r),
                UInt64(parameters.p), UInt64(ScryptParameters.memory), &output, output.count)
        }
        guard result == 1 else { throw CryptoError(call: "EVP_PBE_scrypt") }
        return output
    }

    private nonisolated(unsafe) static let emptyPassword: UnsafePointer<CChar> = {
        let pointer = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        pointer.initialize(to: 0)
        return UnsafePointer(pointer)
    }()

    /// Whether two runs of octets are the same, in a time that depends on their lengths only.
    public static func equalInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
    }
}

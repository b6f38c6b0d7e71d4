// The one file that imports libcrypto.

import COpenSSL
public import Pipeline

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
        try hmac("SHA256", size: 32, message, key: key)
    }

    /// HMAC-SHA-1. RFC 2104.
    static func hmacSHA1(_ message: [UInt8], key: [UInt8]) throws(CryptoError) -> [UInt8] {
        try hmac("SHA1", size: 20, message, key: key)
    }

    private static func hmac(
        _ hash: String, size: Int, _ message: [UInt8], key: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: size)
        var length = 0
        // An empty Swift array may have no address, and libcrypto takes a missing key for "as before".
        let keyOrZero = key.isEmpty ? [0] : key
        let result = EVP_Q_mac(
            nil, "HMAC", nil, hash, nil, keyOrZero, key.count, message, message.count, &digest, digest.count,
            &length)
        guard result != nil, length == digest.count else { throw CryptoError(call: "EVP_Q_mac") }
        return digest
    }

    // MARK: Sealing

    private static let nonceSize = 12
    private static let tagSize = 16
    static let sealKeySize = 32
    /// The most that is sealed: passwords, not messages.
    static let mostSealed = 1 << 16

    /// What only the key opens again, and only together with `context`: AES-256-GCM, with the nonce before it and the
    /// tag behind. NIST SP 800-38D.
    public static func seal(
        _ secret: [UInt8], for context: [UInt8], key: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        guard key.count == sealKeySize, (1...mostSealed).contains(secret.count),
            (1...mostSealed).contains(context.count), let cipher = EVP_CIPHER_CTX_new()
        else { throw CryptoError(call: "EVP_CIPHER_CTX_new") }
        defer { EVP_CIPHER_CTX_free(cipher) }
        let nonce = try randomBytes(nonceSize)
        var sealed = [UInt8](repeating: 0, count: secret.count)
        var tag = [UInt8](repeating: 0, count: tagSize)
        var length: CInt = 0
        guard EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), nil, key, nonce) == 1,
            EVP_EncryptUpdate(cipher, nil, &length, context, CInt(context.count)) == 1,
            EVP_EncryptUpdate(cipher, &sealed, &length, secret, CInt(secret.count)) == 1,
            Int(length) == sealed.count, EVP_EncryptFinal_ex(cipher, nil, &length) == 1,
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, CInt(tagSize), &tag) == 1
        else { throw CryptoError(call: "EVP_EncryptUpdate") }
        return nonce + sealed + tag
    }

    /// What was sealed; `nil` if it was with another key or for another context, or is damaged.
    public static func open(
        _ sealed: [UInt8], for context: [UInt8], key: [UInt8]
    ) throws(CryptoError) -> [UInt8]? {
        let size = sealed.count - nonceSize - tagSize
        guard key.count == sealKeySize, (1...mostSealed).contains(size), (1...mostSealed).contains(context.count)
        else { return nil }
        defer { ERR_clear_error() }
        guard let cipher = EVP_CIPHER_CTX_new() else { throw CryptoError(call: "EVP_CIPHER_CTX_new") }
        defer { EVP_CIPHER_CTX_free(cipher) }
        let body = Array(sealed[nonceSize..<(nonceSize + size)])
        var tag = Array(sealed.suffix(tagSize))
        var secret = [UInt8](repeating: 0, count: size)
        var length: CInt = 0
        guard EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), nil, key, Array(sealed.prefix(nonceSize))) == 1,
            EVP_DecryptUpdate(cipher, nil, &length, context, CInt(context.count)) == 1,
            EVP_DecryptUpdate(cipher, &secret, &length, body, CInt(size)) == 1,
            EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, CInt(tagSize), &tag) == 1,
            EVP_DecryptFinal_ex(cipher, nil, &length) == 1
        else { return nil }
        return secret
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

// MARK: - Certificates

/// A chain of certificates as libcrypto verifies it. RFC 5280 §6.
enum CertificateChain {
    /// More certificates than this are not looked at.
    static let longest = 16

    enum Anchors {
        /// The authorities of a file in PEM; `nil`: those of the system.
        case file(String?)
        /// These certificates in DER, themselves issued by whomever.
        case certificates([[UInt8]])
    }

    enum Fault: Error {
        case malformed, otherName, expired, untrusted(String)
        case library(String)
    }

    /// Verifies the first certificate of a chain for any of these names, without regard to its subject's common name
    /// unless `usesSubject`.
    static func verify(
        _ chain: [[UInt8]], to anchors: Anchors, names: [String], usesSubject: Bool, at seconds: Int
    ) throws(Fault) {
        defer { ERR_clear_error() }
        let read = chain.prefix(longest).compactMap(certificate)
        defer { for one in read { X509_free(one) } }
        guard read.count == min(chain.count, longest), let first = read.first else { throw .malformed }
        guard let store = X509_STORE_new(), let context = X509_STORE_CTX_new(), let others = OPENSSL_sk_new_null()
        else { throw .library("X509_STORE_new") }
        defer {
            X509_STORE_CTX_free(context)
            X509_STORE_free(store)
            OPENSSL_sk_free(others)
        }
        try add(anchors, to: store)
        for other in read.dropFirst() { _ = OPENSSL_sk_push(others, UnsafeRawPointer(other)) }
        guard X509_STORE_CTX_init(context, store, first, others) == 1,
            X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER) == 1,
            let parameters = X509_STORE_CTX_get0_param(context)
        else { throw .library("X509_STORE_CTX_init") }
        X509_VERIFY_PARAM_set_time(parameters, seconds)
        if case .certificates = anchors {
            X509_VERIFY_PARAM_set_flags(parameters, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        }
        let flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | (usesSubject ? 0 : X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)
        X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(flags))
        guard !names.isEmpty, names.allSatisfy({ X509_VERIFY_PARAM_add1_host(parameters, $0, 0) == 1 }) else {
            throw .otherName
        }
        guard X509_verify_cert(context) != 1 else { return }
        let code = X509_STORE_CTX_get_error(context)
        switch code {
        case X509_V_ERR_HOSTNAME_MISMATCH: throw .otherName
        case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID: throw .expired
        default: throw .untrusted(String(cString: X509_verify_cert_error_string(Int(code))))
        }
    }

    private static func add(_ anchors: Anchors, to store: OpaquePointer) throws(Fault) {
        switch anchors {
        case .file(nil): guard X509_STORE_set_default_paths(store) == 1 else { throw .library("default paths") }
        case .file(let path?): guard X509_STORE_load_file(store, path) == 1 else { throw .library(path) }
        case .certificates(let all):
            for one in all.compactMap(certificate) {
                // It counts its own references.
                X509_STORE_add_cert(store, one)
                X509_free(one)
            }
        }
    }

    /// The SubjectPublicKeyInfo of a certificate, in DER.
    static func publicKey(of octets: [UInt8]) -> [UInt8]? {
        defer { ERR_clear_error() }
        guard let certificate = certificate(octets) else { return nil }
        defer { X509_free(certificate) }
        guard let key = X509_get_X509_PUBKEY(certificate) else { return nil }
        var octets = [UInt8](repeating: 0, count: max(0, Int(i2d_X509_PUBKEY(key, nil))))
        octets.withUnsafeMutableBufferPointer { buffer in
            var start = buffer.baseAddress
            _ = i2d_X509_PUBKEY(key, &start)
        }
        return octets.isEmpty ? nil : octets
    }

    static func digest(_ octets: [UInt8], is512: Bool) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: is512 ? 64 : 32)
        let result = EVP_Digest(octets, octets.count, &digest, nil, is512 ? EVP_sha512() : EVP_sha256(), nil)
        return result == 1 ? digest : []
    }

    private static func certificate(_ octets: [UInt8]) -> OpaquePointer? {
        octets.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            return d2i_X509(nil, &start, buffer.count)
        }
    }
}

// MARK: - Signatures

/// libcrypto for the stages that sign and verify. RFC 6376 §3.3, RFC 8463 §3.
public struct LibcryptoSignatures: SignatureCryptography {
    public init() {}

    public func sha256(
        _ feed: (_ sink: (UnsafeRawBufferPointer) -> Void) -> Void
    ) throws(CryptographyFailure) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw .call("EVP_MD_CTX_new") }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else { throw .call("EVP_DigestInit_ex") }
        var isWhole = true
        feed { piece in
            if !piece.isEmpty, EVP_DigestUpdate(context, piece.baseAddress, piece.count) != 1 { isWhole = false }
        }
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        guard isWhole, EVP_DigestFinal_ex(context, &digest, &length) == 1, length == 32 else {
            throw .call("EVP_DigestFinal_ex")
        }
        return digest
    }

    public func hmacSHA1(_ message: [UInt8], key: [UInt8]) throws(CryptographyFailure) -> [UInt8] {
        do throws(CryptoError) { return try Crypto.hmacSHA1(message, key: key) } catch { throw .call(error.call) }
    }

    public func verify(
        _ signature: [UInt8], of message: [UInt8], by key: VerificationKey
    ) throws(CryptographyFailure) -> Bool {
        // What strangers have sent must not stay behind as somebody else's error.
        defer { ERR_clear_error() }
        guard let pointer = Self.publicKey(key) else { return false }
        defer { EVP_PKEY_free(pointer) }
        guard let context = EVP_MD_CTX_new() else { throw .call("EVP_MD_CTX_new") }
        defer { EVP_MD_CTX_free(context) }
        let hash = key.algorithm.hash
        let signed = try key.algorithm.signed(message)
        guard EVP_DigestVerifyInit(context, nil, hash, nil, pointer) == 1 else { throw .call("EVP_DigestVerifyInit") }
        return EVP_DigestVerify(context, signature, signature.count, signed, signed.count) == 1
    }

    public func signingKey(pem: [UInt8]) throws(CryptographyFailure) -> any SigningKey { try LibcryptoKey(pem: pem) }

    /// A new private key in PEM (PKCS #8). `bits` is the size of an RSA key; an Ed25519 key has one size.
    public func newKey(_ algorithm: SignatureAlgorithm, bits: Int) throws(CryptographyFailure) -> [UInt8] {
        defer { ERR_clear_error() }
        let name = algorithm == .rsaSHA256 ? "RSA" : "ED25519"
        guard let context = EVP_PKEY_CTX_new_from_name(nil, name, nil) else {
            throw .call("EVP_PKEY_CTX_new_from_name")
        }
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_keygen_init(context) == 1 else { throw .call("EVP_PKEY_keygen_init") }
        if algorithm == .rsaSHA256, EVP_PKEY_CTX_set_rsa_keygen_bits(context, CInt(clamping: bits)) != 1 {
            throw CryptographyFailure("there are no RSA keys of \(bits) bits")
        }
        var key: OpaquePointer?
        guard EVP_PKEY_generate(context, &key) == 1, let key else { throw .call("EVP_PKEY_generate") }
        defer { EVP_PKEY_free(key) }
        guard let bio = BIO_new(BIO_s_mem()) else { throw .call("BIO_new") }
        defer { BIO_free(bio) }
        guard PEM_write_bio_PrivateKey(bio, key, nil, nil, 0, nil, nil) == 1 else {
            throw .call("PEM_write_bio_PrivateKey")
        }
        var pem: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = Int(BIO_read(bio, &piece, CInt(piece.count)))
            guard count > 0 else { return pem }
            pem += piece.prefix(count)
        }
    }

    private static func publicKey(_ key: VerificationKey) -> OpaquePointer? {
        switch key {
        case .rsa(let modulus, let exponent):
            // Written anew from the two numbers: libcrypto's reader never sees a stranger's DER.
            let octets = PublicKeyDER.publicKeyInfo(modulus: modulus, exponent: exponent)
            return octets.withUnsafeBufferPointer { buffer in
                var start = buffer.baseAddress
                return d2i_PUBKEY(nil, &start, buffer.count)
            }
        case .ed25519(let octets):
            return EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, octets, octets.count)
        }
    }
}

extension SignatureAlgorithm {
    /// Ed25519 has none: it signs the hash as if that were the message. RFC 8463 §3.
    fileprivate var hash: OpaquePointer? { self == .rsaSHA256 ? EVP_sha256() : nil }

    fileprivate func signed(_ message: [UInt8]) throws(CryptographyFailure) -> [UInt8] {
        guard self == .ed25519SHA256 else { return message }
        return try LibcryptoSignatures().sha256 { sink in message.withUnsafeBytes { sink($0) } }
    }
}

/// A private key in libcrypto's hands.
private final class LibcryptoKey: SigningKey {
    let algorithm: SignatureAlgorithm
    let bits: Int
    let publicKey: [UInt8]
    /// Never changed after it was read, and so free to be used by many threads.
    private nonisolated(unsafe) let pointer: OpaquePointer

    init(pem: [UInt8]) throws(CryptographyFailure) {
        defer { ERR_clear_error() }
        let read = pem.withUnsafeBytes { octets -> OpaquePointer? in
            guard let bio = BIO_new_mem_buf(octets.baseAddress, CInt(clamping: octets.count)) else { return nil }
            defer { BIO_free(bio) }
            // Asked for a password, it has none; without this the terminal would be asked.
            return PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let read else { throw CryptographyFailure("it is no private key in PEM without a password") }
        if EVP_PKEY_is_a(read, "RSA") == 1 {
            algorithm = .rsaSHA256
            publicKey = Self.publicKeyInfo(read)
        } else if EVP_PKEY_is_a(read, "ED25519") == 1 {
            algorithm = .ed25519SHA256
            publicKey = Self.rawPublicKey(read)
        } else {
            EVP_PKEY_free(read)
            throw CryptographyFailure("it is neither an RSA nor an Ed25519 key")
        }
        bits = Int(EVP_PKEY_get_bits(read))
        pointer = read
    }

    deinit { EVP_PKEY_free(pointer) }

    private static func publicKeyInfo(_ key: OpaquePointer) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: max(0, Int(i2d_PUBKEY(key, nil))))
        octets.withUnsafeMutableBufferPointer { buffer in
            var start = buffer.baseAddress
            _ = i2d_PUBKEY(key, &start)
        }
        return octets
    }

    private static func rawPublicKey(_ key: OpaquePointer) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: 32)
        var count = octets.count
        return EVP_PKEY_get_raw_public_key(key, &octets, &count) == 1 ? Array(octets.prefix(count)) : []
    }

    func sign(_ message: [UInt8]) throws(CryptographyFailure) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw .call("EVP_MD_CTX_new") }
        defer { EVP_MD_CTX_free(context) }
        let signed = try algorithm.signed(message)
        guard EVP_DigestSignInit(context, nil, algorithm.hash, nil, pointer) == 1 else {
            throw .call("EVP_DigestSignInit")
        }
        var count = 0
        guard EVP_DigestSign(context, nil, &count, signed, signed.count) == 1 else { throw .call("EVP_DigestSign") }
        var signature = [UInt8](repeating: 0, count: count)
        guard EVP_DigestSign(context, &signature, &count, signed, signed.count) == 1 else {
            throw .call("EVP_DigestSign")
        }
        return Array(signature.prefix(count))
    }
}

extension CryptographyFailure {
    fileprivate static func call(_ name: String) -> Self { Self("\(CryptoError(call: name))") }
}

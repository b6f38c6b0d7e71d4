import NIOSSL

/// A certificate for `fake.test` and `localhost` that signs itself, valid until 2120. Its key is a secret of nobody's.
enum TestCertificate {
    static let pem = """
        -----BEGIN CERTIFICATE-----
        MIIBaDCCAQ+gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlmYWtlLnRl
        c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
        CWZha2UudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDwfyX2uu4Ak9QiZ
        npaqVYTsibZkBaArINYYeTh57yo5nd8n0Ts64AIyHk3+USpZB8o2skWwEQhlC4IY
        rxHm0YmjUDBOMAwGA1UdEwQFMAMBAf8wHwYDVR0RBBgwFoIJZmFrZS50ZXN0ggls
        b2NhbGhvc3QwHQYDVR0OBBYEFGfQDVBXYyazY3gL31E4z7oWSNGKMAoGCCqGSM49
        BAMCA0cAMEQCIEF1Ze8dt41+x97pInupbm/riCiC306i5126wrOzZp+2AiAUxIn5
        mPAG77qHHF5mqdRtIYsPW749tsDbrarNmOfu2w==
        -----END CERTIFICATE-----
        """

    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8H1CSbpwIMVAC6+l
        wQvSygGkZqXrEbg19r+ZHhXG8WGhRANCAAQ8H8l9rruAJPUImZ6WqlWE7Im2ZAWg
        KyDWGHk4ee8qOZ3fJ9E7OuACMh5N/lEqWQfKNrJFsBEIZQuCGK8R5tGJ
        -----END PRIVATE KEY-----
        """

    static func serverHandler() throws -> NIOSSLServerHandler {
        let certificate = try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem)
        let key = try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem)
        let configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(certificate)], privateKey: .privateKey(key))
        return NIOSSLServerHandler(context: try NIOSSLContext(configuration: configuration))
    }
}

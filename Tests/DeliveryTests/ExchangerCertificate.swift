import NIOSSL

/// Certificates of exchangers, and the authority that has issued them: nobody trusts it, and all keys are secrets of
/// nobody's. Those that are valid are so until 2120.
enum ExchangerCertificate: String, Sendable, CaseIterable {
    /// For `mx.signed.test`, `mx.plain.test`, `mta-sts.` of both and `*.wild.test`.
    case right
    /// For `mx.other.test`.
    case otherName
    /// As the first one, until 2021.
    case expired

    var pem: String {
        switch self {
        case .right: Self.rightPEM
        case .otherName: Self.otherPEM
        case .expired: Self.expiredPEM
        }
    }

    /// With the authority behind it.
    func chain() throws -> [NIOSSLCertificate] {
        try [pem, Self.authority].map { try NIOSSLCertificate(bytes: Array($0.utf8), format: .pem) }
    }

    func serverContext() throws -> NIOSSLContext {
        let key = try NIOSSLPrivateKey(bytes: Array(Self.key.utf8), format: .pem)
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: chain().map { .certificate($0) }, privateKey: .privateKey(key)))
    }

    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBWzCCAQGgAwIBAgIBBTAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlUZXN0IFJv
        b3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
        CVRlc3QgUm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABIEhiHjb4ZpoiJal
        bDM9C0ha62Ci+S5HWjZozNtclzC6Sr0NMWDcQx9jMuZOnlaQ40mwi97FQTX9b/HC
        9OUUeQqjQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMB0GA1Ud
        DgQWBBQeeOpTE0C389N4QwUOpDQjmj8KIjAKBggqhkjOPQQDAgNIADBFAiEA/Ygc
        swLY5SdjsyM9xkgAj14n//m7z55tWihuCmsbzWYCICxVfkHxyFdalegLhY+7B4vx
        DVXU2gebGGedErhhmDAz
        -----END CERTIFICATE-----
        """

    private static let rightPEM = """
        -----BEGIN CERTIFICATE-----
        MIIB1zCCAX2gAwIBAgIBBjAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlUZXN0IFJv
        b3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBkxFzAVBgNVBAMM
        Dm14LnNpZ25lZC50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEa4dGjlLB
        DJp4R1Melogv1kPxp1C2fL+1PysUZWcj75JSLW6MOyjCDO/hUQFGSrF6qVXCcpXj
        ZLwds0BnuNLm4KOBuDCBtTBeBgNVHREEVzBVgg5teC5zaWduZWQudGVzdIILKi53
        aWxkLnRlc3SCE210YS1zdHMuc2lnbmVkLnRlc3SCDW14LnBsYWluLnRlc3SCEm10
        YS1zdHMucGxhaW4udGVzdDATBgNVHSUEDDAKBggrBgEFBQcDATAdBgNVHQ4EFgQU
        HWCz4X6nbiFbVuDUd8oRvBIhfXowHwYDVR0jBBgwFoAUHnjqUxNAt/PTeEMFDqQ0
        I5o/CiIwCgYIKoZIzj0EAwIDSAAwRQIhAIKabrz95vDhJs1DHhmEkAkZXx23O5bY
        YEuINYlUlmx3AiAhFer/PUJUyz5j0bHXOYCwd4SIqFYYSPwFbB6ql9+n+Q==
        -----END CERTIFICATE-----
        """

    private static let otherPEM = """
        -----BEGIN CERTIFICATE-----
        MIIBjzCCATWgAwIBAgIBBzAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlUZXN0IFJv
        b3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBkxFzAVBgNVBAMM
        Dm14LnNpZ25lZC50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEa4dGjlLB
        DJp4R1Melogv1kPxp1C2fL+1PysUZWcj75JSLW6MOyjCDO/hUQFGSrF6qVXCcpXj
        ZLwds0BnuNLm4KNxMG8wGAYDVR0RBBEwD4INbXgub3RoZXIudGVzdDATBgNVHSUE
        DDAKBggrBgEFBQcDATAdBgNVHQ4EFgQUHWCz4X6nbiFbVuDUd8oRvBIhfXowHwYD
        VR0jBBgwFoAUHnjqUxNAt/PTeEMFDqQ0I5o/CiIwCgYIKoZIzj0EAwIDSAAwRQIh
        AMXgZI6wesbMTx5nc7UEieTEZrKT8FtJUVGTjBu00Vh1AiBjfl/2cxtRlQuQ1odW
        DpfF01UJHfVt+YnCF/vPhDCRAA==
        -----END CERTIFICATE-----
        """

    private static let expiredPEM = """
        -----BEGIN CERTIFICATE-----
        MIIB1TCCAXugAwIBAgIBCDAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlUZXN0IFJv
        b3QwHhcNMjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAZMRcwFQYDVQQDDA5t
        eC5zaWduZWQudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGuHRo5SwQya
        eEdTHpaIL9ZD8adQtny/tT8rFGVnI++SUi1ujDsowgzv4VEBRkqxeqlVwnKV42S8
        HbNAZ7jS5uCjgbgwgbUwXgYDVR0RBFcwVYIObXguc2lnbmVkLnRlc3SCCyoud2ls
        ZC50ZXN0ghNtdGEtc3RzLnNpZ25lZC50ZXN0gg1teC5wbGFpbi50ZXN0ghJtdGEt
        c3RzLnBsYWluLnRlc3QwEwYDVR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFB1g
        s+F+p24hW1bg1HfKEbwSIX16MB8GA1UdIwQYMBaAFB546lMTQLfz03hDBQ6kNCOa
        PwoiMAoGCCqGSM49BAMCA0gAMEUCIQD6jx0D7qdLnojgubl6x49L7w+NlQHBvCHz
        2apLCkAjQgIgBkZzpQa5OkCWpo/0D5r+9JKMcm0ZfOswHSX8pQDnB5Q=
        -----END CERTIFICATE-----
        """

    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJtDdzg2tjRy2QV4j
        l2XPa2FdgsGaAJwN8tOlN4oGgYahRANCAARrh0aOUsEMmnhHUx6WiC/WQ/GnULZ8
        v7U/KxRlZyPvklItbow7KMIM7+FRAUZKsXqpVcJyleNkvB2zQGe40ubg
        -----END PRIVATE KEY-----
        """
}

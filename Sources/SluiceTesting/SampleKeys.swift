public import Pipeline

/// Private keys of a test's own, by domain and selector.
public struct MemoryKeys: SigningKeyFiles {
    private var files: [String: String] = [:]

    public init() {}

    public mutating func add(_ domain: String, _ selector: String, pem: String) { files["\(domain)/\(selector)"] = pem }

    public func contents(domain: String, selector: String) throws(CryptographyFailure) -> [UInt8] {
        guard let pem = files["\(domain)/\(selector)"] else { throw CryptographyFailure("No such file or directory") }
        return Array(pem.utf8)
    }

    public func stamp(domain: String, selector: String) throws(CryptographyFailure) -> KeyFileStamp {
        let pem = try contents(domain: domain, selector: selector)
        return KeyFileStamp(inode: UInt64(UInt(bitPattern: pem.hashValue)), size: pem.count, seconds: 0, nanoseconds: 0)
    }
}

/// Keys that everybody has: they protect nothing.
public enum SampleKeys {
    public static let rsa2048 = """
        -----BEGIN PRIVATE KEY-----
        MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCdehr/WrZJtSwh
        16Dg9NgpFH+M9kAP+m8kfU84lxpWE9LsEh3BMPOA2/3x0857iSD04pxxVInlRdjt
        sMw9PCTDFwcQ5afdcN9YXf5qwY+afo24SU3yEcBRzJbF9SGQure2OTJA9iHFsGUc
        0dTm/p2UoH1P5dya2n3nd1fCZzuEieNrwXP7CUvUh1n3QOzqH/ax545pLZSbdoL0
        AZ5StvecrUalNbI9tWiD8urUAotFcAz7/J8RNoriV/suKGljPz17v5F8TBVAaP3S
        qze9MEih/N4XEfGl+E9H0NnhtpbOJoBwFoiOPmbAOb7oGySO6A4AsYmRHpCvjWuN
        1OBTZUE5AgMBAAECggEADtz+pZWgoSwXDGIrYnQln1n6kHnREdkBqrxjkOwtHYz9
        MlAi7BA0WXgaG7wxr9YBbO+jE6zGn6PULdoLKuftcdbvcSw15/gOcosbl2SpysuR
        UYCkuVls0SOp4ukIOB5xdsLm//vjM+MaZgoVidBkG+o6baM8y0ZeTg2k9Dm1Y8TQ
        jebIcZLJE3RZYIToUXPwocdOwv15yCEPsmqIaWwJz/2oG4oXX+95qmmJnWLs0u3Y
        QoX6FjqfIs2LM/TX7z2C1/qJoXFNRR1PO1cMMmDEskXtgLoVza1bcvAIDsNLp4Rl
        HKd40KokgMhcwSgYA2SG8CLp6WwjJaTgZO+JIbBGAQKBgQDOsEnexGI+mxUnP2Q4
        Rstoovida0s43lDbYTYK1h98FMtbUqE9vScdoxxMkXv2eNMPpv0FKU0ENiiHzmvC
        KmZ60LCoJJtIsesJDnxZEjlysfBRt98f2bqg8hvoq4zi8bhp3q7DLqNyyMUnVKGl
        IUbp4/Y58A3X4fGoERMG7zXyAQKBgQDDDCqwOqmnHqQnNTrnACOA5MS3IbmqFXt0
        nhQ4qUPeDLPjcNM16NRgP6QHDELv4DU0pnZz7j775a3RedwvCGgFTkJ1cOsZLSnp
        gMobszzbsvKH4qne/o4JnueIL9eQiQeLCt7gddYuH2Nvme/oP/k6eYlEk1Ff7hSG
        9mZKI5RfOQKBgC5Wnakg9Dm/ASYUcz6euJnT99MrK+krBou4pqoVSWfDLbhitR2n
        W66sU/rinx0qB3+5234dvVOVZM7Vu5kDcohUY1a/JkVNBjm4kq5RhKmvNQbNJ2v3
        n3zX6uPmGicDNGof76R4v1JLqs/fjIH+DO0BG8HvjNr6n/gjI9XpKXoBAoGBAMLX
        mJ1LPMbReTIhnqG8JbtQzKIUcqBRrW4lrBWeIUnkbp85ygQEfoNXj8fqm8N8uinK
        UHInAYwpOKYVkbr6Ls9+Ci2/i1svHrtACKX7O0RNUrIj34X/zGwX7TrCcBjWik5/
        oX2guUCB4pdNs7bSkWm0l0eF0rh94MuhwTU2rbUhAoGARfqcWaI2sBNPUpC9FrDN
        5GFwr8UW322bgMifsB7vzkJ2F9RcDnpYABN35Zm/pkwfj7tPWGMkjTIY/xWdGdq0
        /Rj6WJ34kvLt8cdxpCxZt7dsiWQTfES6SEqP4hfyQIBvVYoJGWjUb34D28R60fyQ
        KrZ7+h4IhWtRBMDOA8bU9EE=
        -----END PRIVATE KEY-----
        """

    public static let rsa1024 = """
        -----BEGIN PRIVATE KEY-----
        MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBAJfenj5xCnmgmY/J
        QmWs85WLgM1PSq2cc4OVZJGw0cBb9Brhz6jQOi9Ept6+62TnH6lWCk2qpu0j48EA
        suAd9KBuOo1vt2jvved1fAb+QgccwqFGGWOiApWLWTpT3C6WezC6wdM+hMWs1PA+
        0qYpjAyakufm/dHahuZ4yhdHY1z/AgMBAAECgYAlsOljI9jusK4L4m4pH9BgV/wC
        eGBXUBHXIVeRVOnprKibl1lbUzptisNDWuy+4SGZfDIYbnb5OcQHnW3Hc4fHe1SF
        jmmY+AO4bcJzF4RS9s+zZvDvQfAryEiZQZgtHhdicJOcPxYlxvIkWIZeaJSH/Qr1
        tdBapTy4gHF9LQ5m8QJBAMW86O9m2T9a66sboFVhH6PaWBGWqnQIFFZuDIrqUmgF
        NKM52DqpXzap9/9CeGj0zmKijCjycOg83lpHkKzS/ycCQQDEnez7WLVP5M9p8ZUz
        jRWyUF3gYPGTWUaKA+GOb1alGJBDMPXrmLcDkjcNrI7JN4X3C+fzpswXJRh8SO0G
        01ppAkBujM8uCTIsWYiogSmCkmo+ETRroPBrLpkwORaKE7c+sKpdF1nscgTpat1b
        uK3ZAATi4D28Js85B87IanpYJR7BAkAaUd24Y86ZrFKLpxhG91rxLMr0T2XnSKsl
        rJFUJNlfbmNZa0NwT1godTlDblcK3pDjWkepmSl267NUZ9q68C4JAkBj6xR4eDS7
        QTpHDUCfQt2lGBI8P+oUTDYZWMbhefT3sJIYjFJjboP/HdNyA6O+fs5gmLaA9pSg
        kUxZjpXeuuO/
        -----END PRIVATE KEY-----
        """

    public static let ed25519 = """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIKAZMqbWR0D6zgLkmombYcyOZYcRKaD1IvBmENkj4mfk
        -----END PRIVATE KEY-----
        """
}

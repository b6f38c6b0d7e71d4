import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Sandbox

/// Signatures on ``text``, made with OpenSSL and keys that were then thrown away.
enum SignedSample {
    static let longKey = """
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAw6AAvIJPe1BHtkgwhGUyb0zKZt5VCYgYzNJkNRJHo+Aa\
        +1Q85vX+BGojzaXSzrWhU3p0JPbw51XzJWhrp0S+km17SDTZ4UvIDXqBJoQCtgRGmhCh5T4ats6pT4rgxVSTpSW3\
        NZze7MfTZcq9orDJ+nJ8mjObcue+RHYZic08Y3GzfnVPwjFwCI2lo4sHgJYxEbuCloOGF/yOk+T18M0JjAc5t/M3\
        MRFTRM9rkdFqog1TkNdhxfa21Ej6Goif1mkI8MbR92oai9eUmChLURKZF9Ca6bmDGn0hy+uyJuWZp3azif/JennZ\
        EbJOeyBGIUEyAh0L8JMAdKBm8do/0bL+qQIDAQAB
        """
    static let shortKey = """
        MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAJ/9XLKHpLGu+vOFqo4thv9a/G4HEGFWZT2kNTdBH3NxMTkkyAfVBjh0\
        8JPITJ0lkbzJbbbgoCGt3tRPSI94VAjVihijkfI4XU2n1HaLqRH/MDywR5yD6UDIx7N/qvpGIwIDAQAB
        """
    static let edwardsKey = """
        ToREd+y0fErKK9ttexkwHv3Z/1tcs9Lwv0Wa4jZ/qYQ=
        """

    static let signatures = [
        "plain": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; h=from:to:\
        subject; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=byMfQWP/zHJq2O2EbtqJN8aaNadn\
        QlCr6ncPV4HeFGjc6de0vXSegiZ5Q/YbAgxRTRmXxldkgvmfHko1VIhj2knzQNwuukqgggWl706+THqsaM7GMXsn\
        GG3gbvSJA31mv7+3jeR4Z78qhFcZvcv9kKIy0CKp5CaIUTtj5RTFoPCQxoP7YxnfCuGkt5ksT+0pHfu5soYi9oav\
        H7ltC1UZbkX3GUCHenglHbYIyOk4jnbgjQNSUisoNcTkUkeJ4/YjcNOQG/iVxLBtT/ejZ5eD6GCzMIpV7dXny9p+\
        gnFRaLkcfys/PJ2aNFKjnxNRLHl4mKndOHjO//WKjP8Y3ESu1g==
        """,
        "simple": """
        v=1; a=rsa-sha256; c=simple/simple; d=signer.example; s=long; t=1700000000; h=from:to:su\
        bject; bh=00M5fQSy2NBik9FjqUsCKjFyRsL1c/dEK6WOuka7Nos=; b=ZM/Zy3EvfbQ4qFvV0mLC/s9TMpqDtJ\
        OdKAGsj1nhx3O+6DmgQqNnJXgk8dH28juvTA1GRlWJg4hAtOTogO8aThHJbyfTPT40tIZj7Mt0JAYgoG3Zenufql\
        m3mLM5o6+Z4XRT8qaArkIQa8dKkWIjwL5bl/AKIg9+EBnBOHXvU0nCwvvayk/cyYHz1h6R0F8a6lMhR1CpcYQd0u\
        Eoz4Q0upj9dLXTgOtgZ1rEDjQLZVLnSvwbTUw6pDZvzWanYr09YTlUVs/TiIwi7i+S1WQEiRHS/vLLJ59hijquFb\
        YzoUBLntbc3zJJr67L7r2B74TJUTiTCptM0Y4+VzlvTyBwLg==
        """,
        "edwards": """
        v=1; a=ed25519-sha256; c=relaxed/relaxed; d=signer.example; s=edwards; t=1700000000; h=f\
        rom:to:subject; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=pj94wpci/CvJfdLVXwJfz\
        w9+JQJ/YwdqI4TiykZEsPD2FxE24pzEsxUrQgjjzFDdEIonZWMAiLYKF8MhvcWoCg==
        """,
        "short": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=short; t=1700000000; h=from:to\
        :subject; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=ZU4v3dGt4E4+OeDi3ZcDidh7O+q\
        wv5K74v1Ic6WUnEF8WgUuSgRFrz04eIgS8gryLo2p2BzStrw7xlUZ41k1sgDBqOCZXpzdtdhoakFiiekb9geGLEy\
        X7ka0g8n8xUCz
        """,
        "old": """
        v=1; a=rsa-sha1; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; h=from:to:su\
        bject; bh=4j6f6TnJcHiH5LyAcRPn77bIc+w=; b=ZWs61GLKwfOsOGAVYFaW1DLKG0c1IoZ0JCi4vgWCieJEd7\
        FSQLIDuFZbuWwjmwkeFgj+9XsXCU06ZLM3o77la31DOEfssLjgYl7Js9ttEns3UU6III9kyvC+dtVyzxbsi4PyyB\
        1NS0LZ9WJFeUUjY+rxt+2bXnjl5tXeIDU8IYbqiCHaz900+EKgOnunjr6jp4poFSU37mtJIhNj8KnrH9rctyD1ii\
        bjvtud0rLSrrelgxZQa/XL+VVcBg9ZZP/VzxcEYX1lIyEOVurHTpowTKaP/8/vP5QepCJZ8sB3lFJhxvGam3wCkn\
        e/p2uhsCdMA7KLQ1zof3tiYVqN/DPcTQ==
        """,
        "partial": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; h=from:to:\
        subject; l=11; bh=Ey8/M851ZUkql5pYmai2ukD7gWyrHYaZE1hk3GyBR7o=; b=CLAToAqOjXymp6GYZn0Sqz\
        yKIJ0oDDMNhbSbZ92ZiUkLF3g/iUpIq3UqIJccUjKIyijE5/8uz12QG5rJQeLVYjEHTAO/ByPaZeg6wsuNodUGrM\
        AI54sG7QNFGICYxc9rZ6NbbvjFGyWM/KUcj20atfcr3CcUM2sbRm6fmbRja1q6FG9vnQxpfHA04uDxxhtvtN7wxN\
        LjGQAihLTT0EmGprYaccBgTmMq97kLomphujLHIpN6Zz+NJZQ0Msk0AmyQriMGs3eimBzfp+nDcrX9u3s9lyy7bk\
        DYCnvVwawZz7wWlrbJQ+rRIWNBo8h53ZWq8YKT+3tca+EBx+LrhB/iPA==
        """,
        "whole": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; h=from:to:\
        subject; l=23; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=iLa1LvS6uD+7YdZbjBk8SL\
        5XIvzjlAgUTo0sKhw+ZlzwOrMWVZYsAuPMsRX5uywMB0ZrR9oKadYefCG0+WO1uwN/wfg4eZOSVXMpsHnk6CbUQH\
        K7i4w7jKhTr5z3yPlRkjSiKC+hfgOYkrLfBc7LCP/Y0EtzbZJsIjJnSxozUlzYSrhKFTjuzd/oZk1hOmkob8+5hK\
        IiTdZfQai0xx+S5xeyPuJmwlGLmOylibQVBI7vn7jo9T6gxQ8lDXD5HeYNpKbvtvmD0tTVJxSS7xS93gg+opJeq+\
        a/DG123rfffRW0CO8nScqaDbzI68NUq7821MjQviKTkYFBTi1gT0B/oA==
        """,
        "beyond": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; h=from:to:\
        subject; l=500; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=iroEFNt/d3C96JoNhRlDT\
        Mex2WD02KhroKuTNDlGoLSD3HhTbiBnQvytSK0qM5dRHUjgXSY976jOojAOXwMhvaBmZZO/YWlXikeqE95Z0KIwX\
        83ceqBdTD0RiTdMgZH+kjpcxAzgyCZEmWerISLXPoIW6mV7xS/nEp8V5+OA90EnlztRlR4sFX0Hxwno+WPNJYDgr\
        BaO/Kfw19oEbnYN3bu3kzhAQyTl+CDuXmor83zHW4mbjTwBzFF8PXylMezkfQxOVlx+Tn+oarhRJ/TkEF78usNKO\
        oNlSTqhhXEcMfNay07YCwye0KdxvPKXz+qYZssrF6oxLap6B+HqgsZaQQ==
        """,
        "expired": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; x=17000001\
        00; h=from:to:subject; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=F8MI7gajX422S7\
        1vSCkMvjIXIJ/NXG8i625e5Eb68NOgWGxGpV1IcLrFmslXKI8WbL5E1hliPf/Nm0s8huAaPoSIkBVBSDzyTN24of\
        VNbNKNrmumRh90UC3YzzU4GXRbXRUNANyLfqm+RO7p9aBNcYOSvUBnAvZFB06lbozdi+RJoJmHNep0Zci1pOdzsV\
        UT/cWah58w5KKAu5kP6fB55+yKq2vT9ehAnKAd8i0JaQLb8A/DROZ5/rSWkuBnY32Dksw1tHLPOJjfxxrjYmjc1K\
        PmMyGiGW1rnQuW9bcBb5mdskoN5eHhWc0eP/LZFsBHspW1R9jsA081KYOUCFU2mw==
        """,
        "noFrom": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; h=to:subje\
        ct; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=itiO5cLL8dCiwu30Alzz1BU7kfWQP31Du\
        WD9JsdrxaJjtiDaTVQf37AeALf4DmT3GlQEmM8koD8axm+sMLKRE89oKZAnRqYBzABqSmLdj3dDxjN6cGawOHVHy\
        LRjvEfXBflkn45G/4GS+XK4QbCviuEqDt/vINfkgOSjrT8dJh6Zo9Q2o/p/nsKYMG5sBiFh86xznaSoF8Jzut5jY\
        xEmhZwMrn4N5hwCD7DEHk34o6vg/F9p7XIJsjDUi0YJpyRLi4YVzEub/iZdEYUlp4ATKjUnyIUZphNmadPbwKdK8\
        EOxsZAJcfESfYBV/60hoF4NHnzb4mn3sBtdfpbI0s5xMg==
        """,
        "subdomain": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; i=ann@sub.\
        signer.example; h=from:to:subject; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=vG\
        gzHtJ34DCcm4hj1zJ0hj5uYF2DV8nj+PGzaOJm53kxWQmhsy6p7YWlUu8U+y3x81oprz66fx08iNAuXEhNqDeXSo\
        vtLjIu70cTuU1BJrCjFQfUMOyDwlnHd8JfTE1i/GC2lM/FKLsd2fULK9j8y9ulU4iUMu+wex7R0ySCx0wthvwp0O\
        Mbe2AJooFazQTystqVTXK7+jk9XxS869PIy4y+ME8RWsj5iN2Wa5dLtimZs2cLeIHFEG+yTMkn3BW/tkMsV6+OTH\
        HFijHGZrfCHsX+4IWj6C9oBacPwzS1rj35erbUdAfxYMJPQeoDvcziXSEjLOKSegtw25oFXsFRww==
        """,
        "stranger": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; i=ann@othe\
        r.example; h=from:to:subject; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=nM/oE6s\
        SonSGt20wttC4PXODhq3sxNI5u0vqqGvjps0IqQJrW++pwhcGbmGwnV/2D7koOikaPeAEuTZMkISh9dfgFounAzO\
        9KVBE0FFmIa2OA90faM9Ok5EDg8lV6iOdeHBTLCJM9qLAPW0izcluzr9WSut4Y17lV8BDN4yLkqb6c0dRhP/7dmz\
        C1uTtVH8QlUH1v1we64z/7istzwgbLLxWGTQYLoELHGeLJKZVLLpG2sEx1hCEc5knRaNRHgnWC7pWnobWWbbdtfc\
        lXEr1cKaTBrnZ6dB6GCt/OcZ56haXsuGcESlXHbyA5zTVnjZeGPiz8tiLjjTXuM8tzoBKFg==
        """,
        "oversigned": """
        v=1; a=rsa-sha256; c=relaxed/relaxed; d=signer.example; s=long; t=1700000000; h=from:fro\
        m:to:subject; bh=ACbRPXHhZ8hEZdMw8KqUYf4OxdgT/HLDHUZcopsms+M=; b=Iy8j6pixkpkqayF4dhQP12q\
        T50IfOGZWJ6GcX8JDq6SUuqhSHDFEF2DltU6sAXFnoHeiPbATE8366vGUW0AOvSstakB0RLrOjY+ZiKGsASVsrN8\
        TbTAUJhmbHT0RAn9gRcGVt/FK9bXhPxHcpt8z8NpmQmezKBKmbscpBd/ImxfhGI1VeQPkpC9ZTm8/HjTjQ9X4jfV\
        LEJf04vzUxrh/IJgjEsSpRsyQ9CzQIhAdrsc6y57AmPj7shaOkkVV/1gZiDl+9kfouMs3yEqA/5WFymIcESH/7Xi\
        56V8cAnA4lT9w2PudnGaUtCchWSvc4DdluwWUF6lIFvfSV8qP2brCrA==
        """,
    ]
}

extension SignedSample {
    static let header = "From: Ann <ann@signer.example>\r\nTo: bob@here.example\r\nSubject: Fixed  words\r\n"
    static let body = "One line.\r\nTwo  lines. \r\n\r\n\r\n"

    /// The text with the signatures of these names above it.
    static func message(_ names: [String], header: String = header, body: String = body) throws -> Message {
        let fields = try names.map { "DKIM-Signature: \(try #require(signatures[$0]))\r\n" }.joined()
        return try Message(parsing: Bytes(Array((fields + header + "\r\n" + body).utf8)))
    }

    /// The keys as DNS has them.
    static let keys: [String: LookUpAnswer] = [
        "long._domainkey.signer.example": text("v=DKIM1; k=rsa; p=\(longKey)"),
        "short._domainkey.signer.example": text("p=\(shortKey)"),
        "edwards._domainkey.signer.example": text("v=DKIM1; k=ed25519; p=\(edwardsKey)"),
    ]

    static func text(_ records: String...) -> LookUpAnswer { .records(records.map { Array($0.utf8) }) }

    /// The same as a name server in memory.
    static let zone: MemoryZone = {
        var zone = MemoryZone()
        for (name, answer) in keys {
            if case .records(let records) = answer { for record in records { zone.add(name, .txt, .text(record)) } }
        }
        return zone
    }()

    /// What the zone says, as the pool asks.
    @Sendable static func resolve(_ question: DNSQuestion) async throws(StageFailure) -> DNSAnswer {
        guard case .dns(let answer) = try await zone.answer(.dns(question)) else { throw StageFailure("no answer") }
        return answer
    }
}

import MailTypes
import Pipeline

/// The example of RFC 8463 Appendix A.3: one message with two signatures that are valid, one of each algorithm.
///
/// A worker verifies it before its sandbox is closed. Whatever the libraries load or open at their first use they have
/// loaded and opened then; and one that cannot verify this has no business with mail.
enum SelfTest {
    static let keys: [String: LookUpAnswer] = [
        "brisbane._domainkey.football.example.com":
            .records([Array("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".utf8)]),
        "test._domainkey.football.example.com":
            .records([
                Array(
                    """
                    v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qh\
                    dR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hst\
                    T5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
                    """.utf8)
            ]),
    ]

    private static let text = """
        DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
         d=football.example.com; i=@football.example.com;
         q=dns/txt; s=brisbane; t=1528637909; h=from : to :
         subject : date : message-id : from : subject : date;
         bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
         b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
         Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
        DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
         d=football.example.com; i=@football.example.com;
         q=dns/txt; s=test; t=1528637909; h=from : to : subject :
         date : message-id : from : subject : date;
         bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
         b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
         DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
         dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
        From: Joe SixPack <joe@football.example.com>
        To: Suzie Q <suzie@shopping.example.net>
        Subject: Is dinner ready?
        Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
        Message-ID: <20030712040037.46341.5F8J@football.example.com>

        Hi.

        We lost the game.  Are you hungry yet?

        Joe.

        """

    static var octets: [UInt8] { text.utf8.flatMap { $0 == .lf ? [.cr, .lf] : [$0] } }

    static func run(_ library: DKIMLibrary) throws(JobFailure) {
        guard let message = try? Message(parsing: Bytes(octets)) else {
            throw JobFailure(reason: "the message of the self-test cannot be read")
        }
        let verification = try SignatureVerification(library, message, most: 2)
        let reports = verification.finish(with: keys)
        guard reports.count == 2, reports.allSatisfy({ $0.result == .pass }) else {
            let reasons = reports.compactMap(\.reason).joined(separator: "; ")
            throw JobFailure(reason: "libopendkim does not verify the example of RFC 8463: \(reasons)")
        }
    }
}

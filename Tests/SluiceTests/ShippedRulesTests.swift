import Configuration
import Content
import MailTypes
import Sandbox
import Scoring
import Testing

@testable import Sluice

/// The rules that the program carries: what each is for, and what it must leave alone.
@Suite struct ShippedRulesTests {
    private static let matcher = Task { try LocalPatterns(try await ShippedPatterns.image.value) }

    private static func hits(
        _ message: String, _ results: [AuthenticationResults.Entry] = []
    ) async throws -> [RuleHit] {
        let octets = message.utf8.flatMap { $0 == .lf ? [.cr, .lf] : [$0] }
        let parsed = try Message(parsing: Bytes(octets))
        var evidence = Evidence(parsed, content: MessageContent(of: parsed))
        evidence.authentication.entries = results
        let rules = ShippedPatterns.rules
        return rules.evaluate(evidence, hits: try await matcher.value.match(rules.texts(of: evidence)))
    }

    /// A rule, a text that it is for, and one that looks like it.
    static let texts: [(rule: String, holds: String, holdsNot: String)] = [
        (
            "ACCOUNT_SUSPENDED", "Your account has been temporarily suspended.",
            "If you do not want this newsletter, your e-mail address will be deleted from our list."
        ),
        ("ACCOUNT_VERIFY", "Please verify your account details now.", "We validate the data and update the SD card."),
        (
            "UNUSUAL_SIGN_IN", "We noticed an unusual sign-in to your account. Someone tried to log in.",
            "Has anyone tried the new device driver? Someone tried and failed."
        ),
        (
            "CLICK_TO_FIX", "Click the link below to restore what was lost.",
            "Use the RH ISOs to upgrade, and keep the old kernel."
        ),
        ("MAILBOX_FULL", "Your mailbox is almost full.", "The disk of my old laptop has no room for more photos."),
        ("PASSWORD_EXPIRES", "The password for anna will expire today.", "Passwords ought to be long."),
        ("PAYMENT_PROBLEM", "Your payment was declined.", "We need the logs in order to debug the problem."),
        (
            "BLACKMAIL_WORDS", "I have infected your computer. I recorded you through your webcam.",
            "I have installed the driver on a clean box and get the same output as you."
        ),
        (
            "SURPRISE_LETTER", "This letter may come to you as a surprise, for we have never met.",
            "I have never seen that error before; it came as a shock."
        ),
        (
            "ADVANCE_FEE_FORM", "Full name:\nHome address:\nOccupation:\nMobile number:",
            "In this age: sex, gender and occupation of the reader do not matter ....."
        ),
        (
            "UNFILLED_TEMPLATE", "Dear [first name], a gift waits.",
            "The makefile has ${TOPDIR} and ${ENABLE_STATIC_LIBS}, and format() takes {name}."
        ),
        ("EMAIL_LISTS", "We sell 10 million fresh email addresses.", "A city of ten million people."),
        (
            "ADULT_SITE", "You must be over 18 to enter our adult site.",
            "You can hook up the new device, and instant access to the bus must be over quickly."
        ),
        ("TOBACCO", "Buy 4 cartons of cigarettes from us.", "Smoking is forbidden on the platform."),
        (
            "TRADING_SECRETS", "Day trading profits await you. Day trading secrets of a millionaire.",
            "The trading of horses was an income."
        ),
        ("ADULT_OTHER_LANGUAGE", "Private Hausfrauen und Sexkontakte.", "Die Hausfrau kontaktierte den Bäcker."),
        ("ADVERTISING_OTHER_LANGUAGE", "未承諾広告※ お得な情報", "広告についての会議"),
        (
            "WEIGHT_LOSS", "Lose up to 20 pounds in a week! Our weight loss program burns fat.",
            "She lost her keys and twenty pounds in the pub."
        ),
        ("LAW_CLAIM", "Under Bill s.1618 TITLE III this cannot be considered spam.", "The bill was paid in section 3."),
        (
            "GIFT_CARDS_WANTED", "I need some Apple gift cards; send a picture of the codes.",
            "Thank you for the card and the gift."
        ),
        (
            "REFUND_OTHER_LANGUAGE", "Votre remboursement est en attente, remplissez le formulaire.",
            "Le remboursement du billet a eu lieu hier."
        ),
        ("CRYPTO_WALLET", "Please validate your wallet today.", "I found your wallet in the train."),
    ]

    @Test(arguments: texts)
    func `a rule holds for what it is for, and not for what looks like it`(
        rule: String, holds: String, holdsNot: String
    ) async throws {
        func names(_ body: String) async throws -> [String] {
            try await Self.hits("From: a@out.test\nSubject: x\nContent-Type: text/plain; charset=utf-8\n\n\(body)\n")
                .map(\.rule.name)
        }
        #expect(try await names(holds).contains(rule), "\(holds)")
        #expect(try await !names(holdsNot).contains(rule), "\(holdsNot)")
    }

    @Test func `elements of office programs are nothing unknown`() async throws {
        func names(_ element: String) async throws -> [String] {
            let html = String(repeating: "<p>word<\(element)></\(element)></p>", count: 12)
            return try await Self.hits("From: a@out.test\nSubject: x\nContent-Type: text/html\n\n\(html)\n").map(
                \.rule.name)
        }
        #expect(try await !names("o:p").contains("HTML_UNKNOWN_TAGS"))
        #expect(try await !names("my-element").contains("HTML_UNKNOWN_TAGS"))
        #expect(try await names("xqzwv").contains("HTML_UNKNOWN_TAGS"))
    }

    static let goodMail = [
        """
        From: Bert <bert@firm.example>
        To: Anna <anna@acme.test>
        Subject: Re: Tuesday
        Message-ID: <1@firm.example>
        In-Reply-To: <2@acme.test>
        Date: Mon, 16 Nov 2026 10:00:00 +0100

        > Can we meet on Tuesday?

        Tuesday suits me. The account of the bank is closed, I shall tell you more then.

        Bert
        """,
        """
        From: Shop <orders@shop.example>
        To: anna@acme.test
        Subject: Your order 4711 has been sent
        Message-ID: <3@shop.example>
        Date: Mon, 16 Nov 2026 10:00:00 +0100
        List-Unsubscribe: <https://shop.example/u?4711>
        Content-Type: text/html; charset=utf-8

        <p>Hello Anna,</p><p>your parcel is on its way.
        <a href="https://track.shop.example/4711">Track your parcel</a>.</p>
        <p>To unsubscribe from this list click <a href="https://shop.example/u?4711">here</a>.</p>
        """,
    ]

    @Test(arguments: goodMail) func `ordinary mail has few points`(message: String) async throws {
        let hits = try await Self.hits(message)
        #expect(hits.reduce(0) { $0 + $1.points } < 4, "\(hits.map { "\($0.rule.name) \($0.points)" })")
    }

    /// A notice of one's own account, from whom it says, with links to nobody else.
    @Test func `who is proved and links to himself is no phisher`() async throws {
        let message = """
            From: Example <noreply@service.example>
            To: anna@acme.test
            Subject: New sign-in to your account
            Message-ID: <5@service.example>

            We noticed an unusual sign-in to your account. If you did not do this, please review your account
            activity now at https://service.example/sessions and verify your email address.
            """
        func points(_ result: AuthenticationResults.Result) async throws -> Double {
            try await Self.hits(message, [AuthenticationResults.Entry(method: "dmarc", result: result)])
                .reduce(0) { $0 + $1.points }
        }
        let (proved, not) = (try await points(.pass), try await points(.fail))
        #expect(proved < 4)
        #expect(not >= proved + 2)
    }

    static let spam = [
        """
        From: "Mail Support" <xk39q@free-host.example>
        To: undisclosed-recipients:;
        Reply-To: someone.else@gmail.com
        Subject: Your mailbox will be suspended, verify your account
        Content-Type: text/html

        <p>Dear user,</p><p>Your mailbox is almost full and your account will be suspended within 24 hours.
        Failure to verify your account leads to loss of your mails.
        <a href="http://192.0.2.7/login?email=anna@acme.test">Click here to verify your account</a></p>
        """,
        """
        From: "Dr. James Obi" <james.obi@freemail.example>
        Reply-To: drjamesobi77@gmail.com
        Subject: Business proposal, your fund release
        To: undisclosed-recipients:;

        Dear friend,

        I am Dr. James Obi, auditor of the Central Bank of Nigeria. This letter may come to you as a surprise, for we
        have never met. My late client died without next of kin and left the sum of $15.5 million US dollars, which I
        want to transfer into your account. This transaction is strictly confidential and risk-free.

        Full name:
        Home address:
        Telephone number:
        Occupation:
        """,
    ]

    @Test func `a subject that is marked as unasked advertising tells`() async throws {
        func holds(_ subject: String) async throws -> Bool {
            try await Self.hits("From: a@out.test\nSubject: \(subject)\n\nx\n")
                .contains { $0.rule.name == "SUBJECT_UNASKED" }
        }
        // ISO-2022-JP, as the mail of then has it.
        #expect(try await holds("=?ISO-2022-JP?B?GyRCTCQ+NUJ6OS05cCIoGyhC?="))
        #expect(try await holds("=?utf-8?B?5pyq5om/6Ku+5bqD5ZGK4oC7?= x"))
        #expect(try await !holds("=?utf-8?B?5bqD5ZGK44Gr44Gk44GE44Gm44Gu5Lya6K2w?="))
    }

    @Test(arguments: spam) func `letters of fraud are junk by rules alone`(message: String) async throws {
        let hits = try await Self.hits(message)
        #expect(hits.reduce(0) { $0 + $1.points } >= 6, "\(hits.map { "\($0.rule.name) \($0.points)" })")
    }

    @Test func `each rule with points says what it means`() {
        let rules = ShippedPatterns.rules.rules.filter { $0.points != 0 }
        #expect(rules.count >= 200)
        for rule in rules { #expect(rule.description.count > 10, "\(rule.name)") }
    }
}

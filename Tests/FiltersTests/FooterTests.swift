import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Whose mail gets whose footer.
@Suite struct FooterTests {
    static let global = SetFooter(Footer(text: "Footer of everybody"), audit: 2)
    static let own = SetFooter(Footer(text: "Footer of the office"), of: "sample", audit: 3)

    static func policy(_ change: (inout FooterStage.Configuration) -> Void = { _ in }) -> FooterStage.Configuration {
        var policy = FooterStage.Configuration()
        policy.footer = Footer(text: "Footer of the file")
        change(&policy)
        return policy
    }

    static func services(_ footers: [SetFooter] = []) -> MemoryServices {
        let services = MemoryServices()
        services.directory.footers = footers
        return services
    }

    static let user = Session.sample(language: .submission, user: "bob@here.example")
    static let message = Message.sample(["From": "Bob <bob@here.example>"])

    static func external(_ address: EmailAddress = "eve@far.example") -> Recipient {
        let route = Route.exchanger(domain: address.domain)
        return Recipient(EnvelopeRecipient(address), destinations: [Destination(address: address, route: route)])
    }

    /// What is put below a message, line by line.
    static func footer(
        _ policy: FooterStage.Configuration = policy(), _ footers: [SetFooter] = [], session: Session = user,
        to recipient: Recipient = external(), of message: Message = message
    ) async throws -> [String] {
        let stage = FooterStage(policy)
        var transaction = Transaction.sample(session: session, recipients: [recipient], services: services(footers))
        for case .policy(let name) in try await stage.recipient(recipient, in: transaction).edits {
            transaction.policy = name
        }
        let finding = try await stage.message(message, in: transaction)
        #expect(finding.effects.isSubset(of: FooterStage.effects))
        var body = message.body
        for case .spliceBody(let splices) in finding.edits { body = body.spliced(splices) }
        let lines = String(decoding: body.array, as: UTF8.self).components(separatedBy: "\r\n")
        return lines.filter { $0.hasPrefix("Footer") }
    }

    @Test(arguments: [
        (FooterStage.Configuration.Mode.disabled, [String]()), (.global, ["Footer of everybody"]),
        (.postOffice, ["Footer of the office"]),
        (.postOfficeThenGlobal, ["Footer of the office", "Footer of everybody"]),
    ])
    func `the mode says whose footers are used`(
        _ mode: FooterStage.Configuration.Mode, _ expected: [String]
    ) async throws {
        #expect(try await Self.footer(Self.policy { $0.mode = mode }, [Self.own, Self.global]) == expected)
    }

    @Test func `what the directory has for everybody goes before the file`() async throws {
        #expect(try await Self.footer() == ["Footer of the file"])
        #expect(try await Self.footer(Self.policy(), [Self.global]) == ["Footer of everybody"])
        #expect(try await Self.footer(Self.policy(), [Self.own]) == ["Footer of the office", "Footer of the file"])
        #expect(try await Self.footer(Self.policy { $0.footer = Footer() }, []) == [])
    }

    @Test func `only what leaves the server's own domains gets one`() async throws {
        func host(_ domain: String) -> Recipient {
            let address = EmailAddress(localPart: "a", domain: domain)
            let route = Route.host(RelayHost(name: "inner.example"))
            return Recipient(EnvelopeRecipient(address), destinations: [Destination(address: address, route: route)])
        }
        var alias = Recipient.local("bob@here.example")
        alias.destinations += Self.external().destinations
        for (recipient, isExternal) in [
            (Self.external(), true), (.local("bob@here.example"), false), (host("here.example"), false),
            (host("far.example"), true), (alias, true), (.said("eve@far.example"), false),
        ] {
            #expect(try await Self.footer(to: recipient).isEmpty != isExternal, "\(recipient)")
            #expect(try await !Self.footer(Self.policy { $0.recipients = .all }, to: recipient).isEmpty)
        }
    }

    @Test func `only own users' mail gets one`() async throws {
        let relay = Session.sample(client: "192.0.2.7")
        #expect(try await Self.footer(session: relay).isEmpty)
        #expect(try await Self.footer(session: .sample(language: .internal)).isEmpty)
        let policy = Self.policy { $0.networks = ["192.0.2.0/24"] }
        #expect(try await !Self.footer(policy, session: relay).isEmpty)
        #expect(try await Self.footer(policy, session: .sample(client: "198.51.100.1")).isEmpty)
        // Whose post office it is, is by the login, else by the author.
        let forged = Message.sample(["From": "eve@far.example"])
        #expect(
            try await Self.footer(Self.policy { $0.mode = .postOffice }, [Self.own], of: forged) == [
                "Footer of the office"
            ])
        let byAuthor = Self.policy { ($0.mode, $0.networks) = (.postOffice, ["192.0.2.0/24"]) }
        #expect(try await Self.footer(byAuthor, [Self.own], session: relay, of: forged).isEmpty)
        #expect(try await Self.footer(byAuthor, [Self.own], session: relay) == ["Footer of the office"])
    }

    @Test func `the trace says which footers were put there, or why none was`() async throws {
        let stage = FooterStage(Self.policy())
        var transaction = Transaction.sample(session: Self.user, services: Self.services([Self.own]))
        transaction.policy = "external"
        let finding = try await stage.message(Self.message, in: transaction)
        #expect(finding.note == "footer of sample (audit 3) and of everybody (file)" && finding.decidedBy == ["mode"])
        let signed = Message.sample(["Content-Type": "application/pkcs7-mime"])
        transaction = Transaction.sample(session: Self.user, services: Self.services([Self.own]))
        transaction.policy = "external"
        let other = try await stage.message(signed, in: transaction)
        #expect(other.edits.isEmpty)
        #expect(other.note == "no footer: the message is signed or encrypted (application/pkcs7-mime)")
    }

    @Test func `without the directory the stage says that it cannot decide`() async throws {
        let services = Self.services()
        services.fail(with: StageFailure("directory: gone"))
        var transaction = Transaction.sample(session: Self.user, services: services)
        transaction.policy = "external"
        await #expect(throws: StageFailure.self) {
            try await FooterStage(Self.policy()).message(Self.message, in: transaction)
        }
    }

    @Test func `a large message is edited as a small one`() async throws {
        let body = Array(String(repeating: "A line of text.\r\n", count: 20_000).utf8)
        let large = Message.sample(["From": "bob@here.example"], body: Bytes(body))
        #expect(try await Self.footer(of: large) == ["Footer of the file"])
    }

    // MARK: Values

    @Test(arguments: [
        (#"{"text": "-- \n====="}"#, "has no word in it"),
        (#"{"html": "<p>Hello"}"#, nil),
        (#"{"html": "<div>Hello"}"#, "leaves an element open"),
        (#"{"html": "Hello</div>"}"#, "has an end tag where its element is not the open one"),
        (#"{"html": "Hello<!-- "}"#, "ends inside of a tag or comment"),
        (#"{"html": "<p style=\"display:none\">Hello</p>"}"#, "shows no word to a reader"),
        (
            #"{"html": "<html><body>Hello</body></html>"}"#,
            "has <html>: only what stands inside of <body> belongs here, styles as attributes"
        ),
        (#"{"text": "Hello", "html": "<b>Hello</b>"}"#, nil),
    ])
    func `what cannot be a footer is told`(_ json: String, _ reason: String?) throws {
        do {
            _ = try decode(FooterStage.Configuration.self, json)
            #expect(reason == nil)
        } catch let DecodingError.dataCorrupted(context) {
            #expect(context.debugDescription == reason)
        }
    }

    @Test func `each form is made of the other`() throws {
        let text = try FooterBlock(Footer(text: "A & B <c>\nGrüße"))
        #expect(String(decoding: text.html, as: UTF8.self) == "A &amp; B &lt;c&gt;<br>\r\nGr&#252;&#223;e")
        let html = try FooterBlock(Footer(html: "<p>A &amp; <i>B</i></p><p>Grüße</p>"))
        #expect(html.lines.filter { !$0.isEmpty } == ["A & B", "Grüße"])
        #expect(html.textWords == html.htmlWords)
    }

    @Test func `a footer that is never used is told`() {
        #expect(FooterStage(Self.policy()).remarks.isEmpty)
        #expect(FooterStage(Self.policy { $0.mode = .global }).remarks.isEmpty)
        #expect(FooterStage(Self.policy { $0.mode = .postOffice }).remarks.count == 1)
        #expect(FooterStage(Self.policy { $0.mode = .disabled }).remarks.count == 1)
    }

    @Test func `words are compared, and not how they are set`() {
        func count(_ text: String, _ footer: String) -> Int { FooterWords(text).count(of: FooterWords(footer)) }
        #expect(count("> Acme\n> Ltd.", "Acme Ltd") == 1 && count("*ACME* ltd acme-Ltd", "Acme Ltd") == 2)
        #expect(count("Acme Ltdx", "Acme Ltd") == 0 && count("xAcme Ltd", "Acme Ltd") == 0)
        #expect(count("Ac\u{AD}me\u{A0}Ltd", "Acme Ltd") == 1 && count("株式\n> 会社", "株式会社") == 1)
        #expect(count("a a a", "a") == 3 && count("a a a", "a a") == 1 && count("", "a") == 0)
        #expect(FooterWords("-- \n***").isEmpty)
    }
}

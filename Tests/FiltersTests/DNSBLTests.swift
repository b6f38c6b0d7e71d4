import Content
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct DNSBLTests {
    typealias List = DNSBL.Configuration.List

    let world = MemoryServices()

    static func policy(_ lists: [String: List], _ change: (inout DNSBL.Configuration) -> Void = { _ in })
        -> DNSBL.Configuration
    {
        var policy = DNSBL.Configuration()
        policy.lists = lists
        for name in lists.keys { policy.lists[name]?.symbol = "DNSBL_\(name.uppercased())" }
        change(&policy)
        return policy
    }

    static func list(_ kind: List.Kind = .ip, _ change: (inout List) -> Void = { _ in }) -> List {
        var list = List(zone: kind == .ip ? "ip.lists.example" : "dom.lists.example", kind: kind, points: 2)
        change(&list)
        return list
    }

    func has(_ name: String, _ answers: IPAddress...) {
        world.set(name, .a, .records(answers.map { .address($0) }, isSecure: false))
    }

    var questions: [ListingQuestion] {
        world.asked.compactMap { if case .listings(let question) = $0 { question } else { nil } }
    }

    func find(
        _ policy: DNSBL.Configuration, message: Message = .sample(["From": "a@out.example.org"]),
        client: IPAddress = "192.0.2.7", sender: EmailAddress? = "alice@out.example.org",
        hello: String = "mx.example.net"
    ) async throws -> Finding {
        var session = Session.sample(client: client)
        session.hello = hello
        let transaction = Transaction.sample(session: session, sender: sender, services: world)
        return try await DNSBL(policy).message(message, in: transaction)
    }

    // MARK: Names

    @Test(
        arguments: [
            ("192.0.2.99", "99.2.0.192"), ("127.0.0.2", "2.0.0.127"),
            (
                "2001:db8:1:2:3:4:567:89ab",
                "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
            ),
        ] as [(IPAddress, String)])
    func `an address is asked about in the form of RFC 5782`(_ address: IPAddress, _ name: String) {
        #expect(address.listName() == name)
    }

    @Test func `a list of IPv6 addresses alone has its test points mapped`() {
        let list = Self.list { $0.families = [.ipv6] }
        #expect(
            list.blocklist.listed == ["2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"])
        #expect(Self.list().blocklist.listed == ["2.0.0.127"] && Self.list().blocklist.unlisted == ["1.0.0.127"])
        #expect(Self.list(.domain).blocklist.listed == ["test"] && Self.list(.domain).blocklist.unlisted == ["invalid"])
    }

    /// What a message names, and what the list is asked.
    @Test(
        arguments: [
            (List.Subject.sender, List.Names.registered, ["example.org"]), (.sender, .host, ["out.example.org"]),
            (.helo, .registered, ["example.net"]), (.helo, .host, ["mx.example.net"]),
            (.from, .registered, ["example.co.uk"]), (.replyTo, .host, ["drop.example.com"]),
            (.uri, .registered, ["shop.co.uk", "example.com", "xn--bcher-kva.info"]),
            (.uri, .host, ["a.b.shop.co.uk", "example.com", "xn--bcher-kva.info"]),
        ] as [(List.Subject, List.Names, [String])])
    func `domains are asked about as they were registered, or whole`(
        _ subject: List.Subject, _ names: List.Names, _ expected: [String]
    ) async throws {
        let policy = Self.policy([
            "a": Self.list(.domain) {
                $0.check = [subject]
                $0.names = names
            }
        ])
        let message = Message.sample(
            ["From": "Alice <alice@www.example.co.uk>", "Reply-To": "<x@drop.example.com>"],
            body: """
                https://a.b.shop.co.uk/x http://A.B.shop.co.uk/y http://www.example.com. \
                http://b\u{fc}cher.info http://192.0.2.1/ http://here.test http://localhost/\r\n
                """)
        _ = try await find(policy, message: message)
        #expect(questions.map(\.names) == [expected])
    }

    @Test func `what is inside of a network, or nobody's, is never asked about`() async throws {
        let policy = Self.policy(["a": Self.list(), "b": Self.list(.domain) { $0.check = [.sender, .helo] }])
        for client: IPAddress in [
            "127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "::1", "fe80::1",
            "fd00::1",
        ] {
            for name in ["localhost", "[192.0.2.1]", "mail.corp.internal", "x.test", "192.0.2.1", "-", "a..b"] {
                _ = try await find(
                    policy, client: client, sender: EmailAddress(localPart: "a", domain: name), hello: name)
            }
        }
        #expect(questions == [])
    }

    @Test func `exempt domains are not asked about, nor those below them`() async throws {
        let policy = Self.policy(["a": Self.list(.domain) { $0.check = [.sender, .helo] }]) {
            $0.exempt = ["Example.org"]
        }
        _ = try await find(policy)
        #expect(questions.map(\.names) == [["example.net"]])
    }

    @Test func `of too many names both ends are asked about, what is only fetched last`() async throws {
        let policy = Self.policy(["a": Self.list(.domain) { $0.check = [.uri] }]) { $0.maxNames = 4 }
        let links = (1...50).map { "https://n\($0).net/ " }.joined()
        _ = try await find(policy, message: .sample(body: Bytes(Array("\(links)\r\n".utf8))))
        #expect(questions.map(\.names) == [["n1.net", "n2.net", "n49.net", "n50.net"]])
        #expect(policy.maxNames.value == 4)
    }

    // MARK: Answers

    static let weights: [List.Weight] = [
        .init(answer: AnswerPattern("127.0.0.2"), points: 4, means: "spam source"),
        .init(answer: AnswerPattern("127.0.0.10-11"), points: 3), .init(bits: 64, points: 1.5, means: "abuse"),
        .init(bits: 128, points: 1, means: "cracked"), .init(answer: AnswerPattern("127.0.*.3"), points: -5),
    ]

    @Test(
        arguments: [
            (["127.0.0.2"], 4), (["127.0.0.10"], 3), (["127.0.0.11", "127.0.0.2"], 4), (["127.0.0.12"], 2),
            (["127.0.0.64"], 1.5), (["127.0.0.192"], 1.5), (["127.0.0.128"], 1), (["127.0.7.3"], -5),
            (["127.0.0.2", "127.0.7.3"], -5),
        ] as [([IPAddress], Double)])
    func `an answer is worth what its weight says, and of several the heaviest counts`(
        _ answers: [IPAddress], _ points: Double
    ) {
        let subject = ListSubject(role: "client", text: "192.0.2.7", name: "7.2.0.192")
        let list = Self.list { $0.weights = Self.weights }
        #expect(list.hit(on: subject, answers)?.points == points)
    }

    @Test(arguments: ["127.0.0", "127.0.0.256", "127.0.0.7-4", "127.0.0.1-2-3", "", "127.0.0.x", "::1", "127.0.0.-1"])
    func `what is no answer is no pattern`(_ text: String) { #expect(AnswerPattern(text) == nil) }

    @Test func `each list is one symbol that says what was found`() async throws {
        has("7.2.0.192.ip.lists.example", "127.0.0.2")
        has("example.org.dom.lists.example", "127.0.0.9")
        has("example.net.dom.lists.example", "127.0.0.2")
        let policy = Self.policy([
            "ip": Self.list {
                $0.weights = Self.weights
                $0.describe = "The client is known for spam"
            }, "dom": Self.list(.domain) { $0.weights = Self.weights },
            "clean": Self.list { $0.zone = "clean.lists.example" },
        ])
        let finding = try await find(policy)
        #expect(finding.verdict == .continue && finding.decidedBy == ["lists"])
        let symbols = finding.edits.compactMap { if case .score(let symbol) = $0 { symbol } else { nil } }
        #expect(
            symbols == [
                Symbol(
                    "DNSBL_DOM", points: 4,
                    description: "Listed at dom.lists.example: HELO example.net (127.0.0.2: spam source), "
                        + "sender example.org (127.0.0.9)"),
                Symbol(
                    "DNSBL_IP", points: 4,
                    description: "The client is known for spam: client 192.0.2.7 (127.0.0.2: spam source)"),
            ])
        #expect(finding.note?.contains("ip.lists.example: client 192.0.2.7") == true)
    }

    @Test func `links to addresses are asked of lists of addresses`() async throws {
        has("9.2.0.192.ip.lists.example", "127.0.0.2")
        let policy = Self.policy(["a": Self.list { $0.check = [.client, .uri] }])
        let message = Message.sample(
            body: "http://192.0.2.9/ http://0300.0.2.9/ http://[2001:db8::1]/ http://10.0.0.1/\r\n")
        #expect(try await find(policy, message: message).points == ["DNSBL_A": 2])
        #expect(questions.first?.names.count == 3 && questions.first?.names.first == "7.2.0.192")
    }

    @Test func `nothing is said where nothing is asked, and little where nothing is found`() async throws {
        #expect(try await find(Self.policy([:])) == .none)
        #expect(try await find(Self.policy(["a": Self.list()])) == Finding(note: "not on the list asked"))
        #expect(DNSBL(Self.policy([:])).blocklists == [])
    }

    // MARK: Lists in trouble

    @Test func `R160: a list that is passed over costs nobody anything, and others count`() async throws {
        has("7.2.0.192.ip.lists.example", "127.0.0.2")
        has("7.2.0.192.other.lists.example", "127.0.0.2")
        world.passOver("ip.lists.example", because: "it lists everything")
        let policy = Self.policy([
            "a": Self.list { $0.refuse = true }, "b": Self.list { $0.zone = "other.lists.example" },
        ])
        let finding = try await find(policy)
        #expect(finding.points == ["DNSBL_B": 2])
        #expect(finding.note?.hasPrefix("ip.lists.example: passed over: it lists everything; other") == true)
        let transaction = Transaction.sample(services: world)
        let atRecipient = try await DNSBL(policy).recipient(.said("bob@here.example"), in: transaction)
        #expect(atRecipient.verdict == .continue)
    }

    @Test func `R160: a world without answers costs nobody anything`() async throws {
        world.fail(with: StageFailure("no answer in time", timedOut: true))
        let finding = try await find(Self.policy(["a": Self.list()]))
        #expect(finding.verdict == .continue && finding.edits.isEmpty)
        #expect(finding.note == "ip.lists.example: passed over: no answer in time")
    }

    // MARK: At RCPT

    @Test func `a list that may refuse does so at RCPT, in its own words, but not for the postmaster`() async throws {
        has("7.2.0.192.ip.lists.example", "127.0.0.2")
        world.set(
            "7.2.0.192.ip.lists.example", .txt, .records([.text(Array("See\r\nhttps://x\u{7f}".utf8))], isSecure: false)
        )
        let stage = DNSBL(Self.policy(["a": Self.list { $0.refuse = true }]))
        let transaction = Transaction.sample(services: world)
        let refused = try await stage.recipient(.said("bob@here.example"), in: transaction)
        let lines = ["192.0.2.7 is listed at ip.lists.example", "ip.lists.example says: See  https://x "]
        #expect(refused.verdict == .reject(Reply(550, .deliveryNotAuthorized, lines: lines)))
        for spared: EmailAddress in ["Postmaster@here.example", "abuse@here.example"] {
            #expect(try await stage.recipient(.said(spared), in: transaction).verdict == .continue)
        }
    }

    /// What keeps a listed client from being refused.
    @Test(arguments: [0, 1, 2])
    func `nobody is refused by points below zero, by other lists, or by what was not asked`(_ place: Int) async throws {
        has("7.2.0.192.ip.lists.example", "127.0.0.2")
        let list = [
            Self.list { $0.points = -1 }, Self.list(), Self.list { $0.check = [.uri] },
        ][place]
        var refusing = list
        refusing.refuse = place != 1
        let stage = DNSBL(Self.policy(["a": refusing]))
        #expect(stage.currentEffects.contains(.rejects) == refusing.refuse)
        let finding = try await stage.recipient(.said("bob@here.example"), in: .sample(services: world))
        #expect(finding.verdict == .continue && finding.edits == [])
    }

    // MARK: Servers in front

    @Test(
        arguments: [
            (["from x (y [192.0.2.9]) by relay"], "192.0.2.9"),
            (["from a ([10.0.0.5]) by b", "from x ([IPv6:2001:db8::7]) by a"], "2001:db8::7"),
            (["from a ([10.0.0.5]) by b", "from 1 ([127.0.0.1]) by a", "from x ([192.0.2.9]) by a"], "192.0.2.9"),
            (["from [192.0.2.66] (unknown [192.0.2.9]) by a", "from z ([192.0.2.1]) by x"], "192.0.2.9"),
            (["from by ([192.0.2.9]) by a ([192.0.2.1])"], "192.0.2.9"), (["by a with local; (x [192.0.2.9"], nil),
            (["(qmail 7 invoked by uid 0)", "from z ([192.0.2.1]) by x"], nil), ([], nil),
        ] as [([String], IPAddress?)])
    func `behind servers of our own, the client is whom they had the mail from`(
        _ received: [String], _ origin: IPAddress?
    ) {
        let fields = received.map { HeaderField(name: "Received", value: $0) }
        let message = Message(header: Header(fields: fields), body: .empty)
        let relays: [Network] = ["10.0.0.0/24"]
        #expect(RelayPath.origin(of: "10.0.0.5", message, relays: relays) == origin)
        #expect(RelayPath.origin(of: "192.0.2.200", message, relays: relays) == "192.0.2.200")
        #expect(RelayPath.origin(of: "10.0.0.5", message, relays: []) == "10.0.0.5")
    }

    @Test func `a relay's client is asked about in its place`() async throws {
        has("9.2.0.192.ip.lists.example", "127.0.0.2")
        let policy = Self.policy(["a": Self.list()]) { $0.relays = ["192.0.2.7"] }
        let message = Message.sample(["Received": "from x (y [192.0.2.9]) by relay.example"])
        #expect(try await find(policy, message: message).points == ["DNSBL_A": 2])
        #expect(questions.map(\.names) == [["9.2.0.192"]])
    }

    // MARK: The file

    @Test func `only lists in use are asked, and each must be there`() throws {
        let lists = #""lists": {"my-list": {"zone": "A.example", "points": 1}, "other": {"zone": "b.example"}}"#
        let policy = try decode(DNSBL.Configuration.self, "{\"use\": [\"my-list\"], \(lists)}")
        #expect(DNSBL(policy).blocklists.map(\.zone) == ["a.example"])
        #expect(policy.lists["my-list"]?.symbol == "DNSBL_MY_LIST")
        #expect(throws: DecodingError.self) {
            try decode(DNSBL.Configuration.self, "{\"use\": [\"x\"], \(lists)}")
        }
    }

    @Test func `a list that is worth nothing is remarked upon`() {
        #expect(DNSBL(Self.policy(["a": Self.list { $0.points = 0 }])).remarks.count == 1)
        #expect(DNSBL(Self.policy(["a": Self.list()])).remarks == [])
    }
}

import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Adapters
@testable import Filters

/// Tricks with keys, seals and policies; those with records of SPF and within signatures have files of their own.
@Suite struct SenderThreatTests {
    typealias World = SignatureWorld

    // MARK: Replay

    @Test func `R65: what we sign is good for a week, and after that no more`() async throws {
        let finding = try await DKIMSignTests.sign()
        let tags = try #require(try DKIMSignTests.tags(finding).first)
        let signed = try #require(try tags.number("t"))
        #expect(try tags.number("x") == signed + 7 * 86_400)
    }

    // MARK: Key records

    @Test func `R66: a key in 255 strings is read as one text, and refused for its length`() async throws {
        let text = Array("v=DKIM1; p=".utf8) + [UInt8](repeating: UInt8(ascii: "A"), count: 255 * 255 - 11)
        let octets = stride(from: 0, to: text.count, by: 255).flatMap { [255] + text[$0..<$0 + 255] }
        let record = try #require(RecordParser.record(octets, .txt))
        #expect(record == .text(text))
        let zone = Self.zone { $0.add("s1._domainkey.far.example", .txt, record) }
        let message = try await World.passOn(.sample(), by: "far.example", in: World.zone())
        let entry = try #require(World.entry(try await World.verify(message, in: zone)))
        #expect(entry.result == .fail)
        #expect(entry.reason?.contains("longer than") == true && (entry.reason ?? "").utf8.count < 300)
    }

    @Test(
        arguments: [
            "v=DKIM1; p=AAAA; p=BBBB", "v=DKIM1; p=!!!!", "v=DKIM1; k=rsa; p=AAAA", "v=DKIM1; p=", "p", "", ";;;;",
            "k=ed25519; p=AAAA", "v=DKIM1; h=sha1; p=AAAA",
        ])
    func `R66: what is no key makes a chain fail, and never pass`(_ record: String) async throws {
        let zone = Self.zone { $0.add("s1._domainkey.far.example", text: record) }
        let message = try await World.passOn(.sample(), by: "far.example", in: World.zone())
        #expect(World.entry(try await World.verify(message, in: zone))?.result == .fail)
    }

    @Test func `R66: aliases without end are no answer, and those that end are followed`() async throws {
        let message = try await World.passOn(.sample(), by: "far.example", in: World.zone())
        let loop = Self.zone {
            $0.alias("s1._domainkey.far.example", to: "b.far.example")
            $0.alias("b.far.example", to: "s1._domainkey.far.example")
        }
        #expect(World.entry(try await World.verify(message, in: loop))?.result == .temperror)
        let record = try World.record(SampleKeys.rsa2048)
        let honest = Self.zone {
            $0.alias("s1._domainkey.far.example", to: "keys.far.example")
            $0.add("keys.far.example", text: record)
        }
        #expect(World.entry(try await World.verify(message, in: honest))?.result == .pass)
    }

    private static func zone(_ fill: (inout MemoryZone) -> Void) -> MemoryZone {
        var zone = MemoryZone()
        fill(&zone)
        return zone
    }

    // MARK: Policies that cannot be had

    @Test(arguments: ["spf=pass smtp.mailfrom=a@silent.example", "dkim=pass header.d=silent.example", "spf=none"])
    func `R71: where DNS does not answer for the policy there is no pass`(_ found: String) async throws {
        var zone = MemoryZone()
        zone.silence("_dmarc.silent.example")
        for from in ["a@silent.example", "a@mail.silent.example"] {
            zone.silence("_dmarc.mail.silent.example")
            var transaction = Transaction.sample(services: zone)
            transaction.authentication.entries = [try DMARCTests.entry(found)]
            let finding = try await DMARC(.init()).message(.sample(["From": from]), in: transaction)
            #expect(finding.entries(of: "dmarc").map { $0.prefix(10) } == ["temperror "])
            #expect(finding.verdict == .continue)
            var policy = DMARC.Configuration()
            policy.temperror = .tempfail
            guard case .tempfail = try await DMARC(policy).message(.sample(["From": from]), in: transaction).verdict
            else {
                Issue.record("not put off")
                return
            }
        }
    }

    @Test func `R74: a domain of a hundred labels costs five questions`() async throws {
        let domain = (0..<100).map { "\($0 % 10)" }.joined(separator: ".") + ".deep.example"
        let world = CountedZone(MemoryZone())
        let transaction = Transaction.sample(services: world)
        let finding = try await DMARC(.init()).message(.sample(["From": "a@\(domain)"]), in: transaction)
        #expect(finding.entries(of: "dmarc") == ["none header.from=\(domain)"])
        #expect(world.questions.count <= 5)
        #expect(world.questions.map(\.name).prefix(2) == ["_dmarc.\(domain)", "_dmarc.deep.example"])
    }

    @Test(arguments: ["example", "co.uk", "hosting.example"])
    func `R74: a public suffix speaks for nobody below it`(_ suffix: String) async throws {
        var zone = MemoryZone()
        zone.add("_dmarc.\(suffix)", text: "v=DMARC1; p=none")
        var transaction = Transaction.sample(services: zone)
        transaction.authentication.entries = [try DMARCTests.entry("dkim=pass header.d=\(suffix)")]
        let finding = try await DMARC(.init()).message(.sample(["From": "a@bank.\(suffix)"]), in: transaction)
        #expect(finding.entries(of: "dmarc") == ["none header.from=bank.\(suffix)"])
    }

    // MARK: Seals

    /// The message with the fields of that name changed; `nil` takes one out.
    static func changed(_ message: Message, _ name: String, _ change: (String) -> String?) -> Message {
        var fields: [HeaderField] = []
        for field in message.header.fields {
            if !field.isNamed(name) {
                fields.append(field)
            } else if let value = change(field.value) {
                fields.append(HeaderField(name: name, value: value))
            }
        }
        return Message(header: Header(fields: fields), body: message.body)
    }

    /// What is done to a sound chain of two sets, and what the trace says of it.
    static let forgeries: [(String, @Sendable (Message) -> Message, String)] = [
        ("i=51", { changed($0, "ARC-Seal") { $0.replacing("i=2", with: "i=51") } }, "more than 50"),
        ("i=0", { changed($0, "ARC-Seal") { $0.replacing("i=2", with: "i=0") } }, "no instance"),
        ("i=02147483648", { changed($0, "ARC-Seal") { $0.replacing("i=2", with: "i=02147483648") } }, "no instance"),
        ("a gap", { message in gapped(message) }, "not whole"),
        ("two seals", { message in doubled(message, "ARC-Seal") }, "two of one instance"),
        ("two results", { message in doubled(message, "ARC-Authentication-Results") }, "two of one instance"),
        ("no results", { changed($0, "ARC-Authentication-Results") { $0.contains("i=2") ? $0 : nil } }, "not whole"),
        ("pass at 1", { changed($0, "ARC-Seal") { $0.replacing("cv=none", with: "cv=pass") } }, "set 1 says cv=pass"),
        ("none at 2", { changed($0, "ARC-Seal") { $0.replacing("cv=pass", with: "cv=none") } }, "set 2 says cv=none"),
        (
            "an older set", { changed($0, "ARC-Authentication-Results") { $0.replacing("i=1;", with: "i=1; x;") } },
            "seal"
        ),
    ]

    private static func gapped(_ message: Message) -> Message {
        ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"].reduce(message) { message, name in
            changed(message, name) { $0.contains("i=1;") ? nil : $0 }
        }
    }

    private static func doubled(_ message: Message, _ name: String) -> Message {
        var copy = message
        if let field = message.header.fields.first(where: { $0.isNamed(name) }) { copy.header.prepend(field) }
        return copy
    }

    @Test(arguments: forgeries.indices)
    func `R75: a chain that is forged anywhere fails, and trusts nobody`(_ place: Int) async throws {
        let (name, change, words) = Self.forgeries[place]
        let zone = try World.zone()
        var policy = ARC.Configuration()
        policy.trusted = ["far.example", "lists.example"]
        let sound = try await ARCTests.chain(["far.example", "lists.example"], dmarc: ARCTests.seenPass)
        #expect(World.entry(try await World.verify(sound, policy, in: zone))?.result == .pass)
        let entry = try #require(World.entry(try await World.verify(change(sound), policy, in: zone)))
        #expect(entry.result == .fail, "\(name)")
        #expect(entry.reason?.contains(words) == true, "\(name): \(entry.reason ?? "")")
        #expect(!entry.properties.contains { $0.name.hasPrefix("policy.") })
    }

    @Test func `R75: sets of a stranger below a trusted seal do not make him trusted`() async throws {
        let zone = try World.zone()
        var policy = ARC.Configuration()
        policy.trusted = ["lists.example"]
        // What far.example says it has seen counts for nothing; lists.example itself has seen a failure.
        let first = try await World.passOn(.sample(), by: "far.example", dmarc: ARCTests.seenPass, in: zone)
        let message = try await World.passOn(
            first, by: "lists.example", dmarc: "dmarc=fail header.from=out.example", in: zone)
        let entry = try #require(World.entry(try await World.verify(message, policy, in: zone)))
        #expect(entry.properties.last == .init("policy.sealed-dmarc", "fail"))
    }

    @Test func `R75: a chain whose keys do not come costs one question`() async throws {
        let message = try await ARCTests.chain(["far.example", "lists.example", "here.example"])
        let world = CountedZone(
            Self.zone { zone in
                for domain in World.domains { zone.silence("s1._domainkey.\(domain)") }
            })
        let stage = try ARC(.init()).equipped(with: World.tools)
        let finding = try await stage.message(message, in: .sample(services: world))
        #expect(World.entry(finding)?.result == .temperror)
        #expect(world.questions.count == 1)
    }

    // MARK: Reports

    @Test(arguments: ["</domain>", "a&b", "]]>", "<!ENTITY x SYSTEM \"file:///etc/passwd\">", "\u{0}\u{1B}\r\n", "\"'"])
    func `R76: what strangers call themselves stays in its element of a report`(_ text: String) throws {
        var report = DMARCReport(domain: "out.example", record: try DMARCRecord(Array("v=DMARC1; p=none".utf8)))
        let entries = [
            AuthenticationResults.Entry(
                method: "dkim", result: .pass, properties: [.init("header.d", text), .init("header.s", text)]),
            AuthenticationResults.Entry(method: "spf", result: .pass, properties: [.init("smtp.mailfrom", text)]),
        ]
        let row = DMARCReport.Row(
            source: "192.0.2.7", disposition: .none, isSPFAligned: false, isDKIMAligned: false, excuse: nil,
            headerFrom: text, envelopeFrom: text, results: entries)
        let isNew = report.add(row, isReport: false, mayGrow: true)
        #expect(isNew)
        let cover = DMARCReport.Cover(
            organization: text, email: text, begin: Date(timeIntervalSince1970: 0), end: Date(timeIntervalSince1970: 9))
        let lines = report.xml(cover).split(separator: "\n", omittingEmptySubsequences: false)
        // Only our own elements, each on a line of its own, and no character that XML does not have.
        let plain = DMARCReport(domain: "out.example", record: report.record).xml(cover).split(separator: "\n")
        #expect(lines.count > plain.count)
        for line in lines.dropFirst() where !line.isEmpty {
            let content = line.drop { $0 == " " }
            #expect(content.wholeMatch(of: #/<\/?[a-z_]+>|<([a-z_]+)>[^<>\x00-\x1F]*<\/\1>/#) != nil, "\(line)")
            #expect(!content.contains("&") || content.contains(#/&(lt|gt|amp);/#))
        }
    }

    @Test(arguments: [
        "x@victim.test:y@evil.test", "x@victim.test: y@evil.test;", "x@victim.test(,) <y@evil.test>",
        "y@evil.test(\r\n x@victim.test", "<@victim.test:y@evil.test>", "x@victim.test <y@evil.test>",
        "y@evil.test \"x",
    ])
    func `R72: what two readers read in two ways names no author`(_ from: String) {
        let field = HeaderField(name: "From", value: from)
        #expect(Authors.addresses(in: field) == nil)
    }

    @Test(arguments: [
        "y@evil.test <y@evil.test>", "\"x@victim.test\" <y@evil.test>", "y@evil.test (x@victim.test)",
        "y @ evil.test", "Y <y@EVIL.test>", "Sales @ Evil <y@evil.test>", "y@(at)evil.test",
        "\"a\\\"@b.c\" <y@evil.test>",
    ])
    func `what only looks odd names its author`(_ from: String) {
        #expect(
            Authors.addresses(in: HeaderField(name: "From", value: from))?.map(\.domain.asciiLowercased) == [
                "evil.test"
            ])
    }
}

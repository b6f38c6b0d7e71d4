import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What the stage makes of results; that these are right, the third-party suites show.
@Suite struct SPFTests {
    /// Domains named after what a check of 192.0.2.7 comes to.
    static let zone: MemoryZone = {
        var zone = MemoryZone()
        zone.add("pass.example", text: "v=spf1 ip4:192.0.2.0/24 -all")
        zone.add("fail.example", text: "v=spf1 -all")
        zone.add("softfail.example", text: "v=spf1 ~all")
        zone.add("neutral.example", text: "v=spf1 ?all")
        zone.add("permerror.example", text: "v=spf1 ip4:nonsense -all")
        zone.add("explained.example", text: "v=spf1 -all exp=why.explained.example")
        zone.add("why.explained.example", text: "%{i} is not one of our servers")
        zone.add("\(long).example", text: "v=spf1 -all exp=long.example")
        zone.add("long.example", text: String(repeating: "%{i} may not ", count: 40))
        zone.add("none.example")
        zone.silence("temperror.example")
        zone.add("xn--bcher-kva.example", text: "v=spf1 ip4:192.0.2.0/24 -all")
        zone.add("local.example", text: "v=spf1 exists:%{l}.local.example include:%{s}.local.example ?exists:%{d} -all")
        zone.add("jörg.local.example", .a, .address("192.0.2.7"))
        zone.add("local.example", .a, .address("192.0.2.7"))
        return zone
    }()

    /// As much of a domain as goes before `.example`.
    static let long = Array(repeating: String(repeating: "x", count: 61), count: 3).joined(separator: ".")

    static func find(
        _ sender: EmailAddress?, hello: String = "none.example", policy: SPF.Configuration = .init()
    ) async throws -> Finding {
        var session = Session.sample()
        session.hello = hello
        return try await SPF(policy).sender(.sample(session: session, sender: sender, services: zone))
    }

    @Test func `a long explanation takes nothing from the transaction's id`() async throws {
        var policy = SPF.Configuration()
        policy.fail = .reject
        let sender = EmailAddress(localPart: "a", domain: "\(Self.long).example")
        guard case .reject(let reply) = try await Self.find(sender, policy: policy).verdict else {
            Issue.record("not refused")
            return
        }
        let id = TransactionID(milliseconds: 1, random: 1)
        let line = try #require(reply.marked(with: id).lines.last)
        #expect(line.hasPrefix("\(Self.long).example explains: 192.0.2.7 may not") && line.hasSuffix("... [\(id)]"))
        #expect("550-5.7.23 \(line)\r\n".utf8.count <= 512)
    }

    @Test(
        arguments: [
            ("pass", [:]), ("fail", ["SPF_FAIL": 3.0]), ("softfail", ["SPF_SOFTFAIL": 1.0]), ("neutral", [:]),
            ("none", [:]), ("permerror", ["SPF_PERMERROR": 1.0]), ("temperror", [:]),
        ] as [(String, [String: Double])])
    func `by default a result costs points, and nobody is refused`(_ result: String, _ points: [String: Double])
        async throws
    {
        let finding = try await Self.find(EmailAddress(localPart: "alice", domain: "\(result).example"))
        #expect(finding.verdict == .continue)
        #expect(finding.entries(of: "spf") == ["\(result) smtp.mailfrom=alice@\(result).example"])
        #expect(finding.points == points)
    }

    @Test(
        arguments: [
            ("fail", 550, "5.7.23"), ("softfail", 550, "5.7.23"), ("neutral", 550, "5.7.23"), ("none", 550, "5.7.23"),
            ("permerror", 550, "5.7.24"), ("temperror", 550, "5.7.24"),
        ])
    func `each result can refuse or put off, and the reply says why`(_ result: String, _ code: Int, _ status: String)
        async throws
    {
        let sender = EmailAddress(localPart: "alice", domain: "\(result).example")
        let refused = try await Self.find(sender, policy: .every(.reject))
        guard case .reject(let reply) = refused.verdict else {
            Issue.record("\(refused.verdict)")
            return
        }
        #expect(reply.code == code && reply.status?.description == status)
        #expect(reply.text.contains("\(result).example"))
        #expect(refused.decidedBy == [result])
        #expect(refused.entries(of: "spf").count == 1, "what was found is found, whatever became of it")
        guard case .tempfail(let later) = try await Self.find(sender, policy: .every(.tempfail)).verdict else {
            Issue.record("not put off")
            return
        }
        #expect(later.code == 451 && later.status?.description == "4" + status.dropFirst())
        #expect(try await Self.find(sender, policy: .every(.ignore)).verdict == .continue)
    }

    @Test func `the owner's explanation is told as the owner's`() async throws {
        let finding = try await Self.find("a@explained.example", policy: .every(.reject))
        guard case .reject(let reply) = finding.verdict else {
            Issue.record("\(finding.verdict)")
            return
        }
        #expect(reply.lines.last == "explained.example explains: 192.0.2.7 is not one of our servers")
    }

    @Test func `without a sender the hello name is all there is`() async throws {
        let finding = try await Self.find(nil, hello: "fail.example")
        #expect(finding.entries(of: "spf") == ["fail smtp.helo=fail.example"])
        #expect(finding.points == ["SPF_HELO_FAIL": 3.0])
    }

    @Test(arguments: [("fail", 2), ("softfail", 1), ("pass", 1), ("none", 1), ("temperror", 1)])
    func `beside a sender only a fail of the hello name is told`(_ result: String, _ count: Int) async throws {
        let finding = try await Self.find("a@pass.example", hello: "\(result).example")
        #expect(finding.entries(of: "spf").count == count)
        #expect(finding.entries(of: "spf").first == "pass smtp.mailfrom=a@pass.example")
        var policy = SPF.Configuration()
        policy.hello = false
        #expect(
            try await Self.find("a@pass.example", hello: "\(result).example", policy: policy).entries(of: "spf").count
                == 1)
    }

    @Test func `domains in U-labels are checked as DNS has them`() async throws {
        let sender = EmailAddress(localPart: "jörg", domain: "bücher.example")
        let finding = try await Self.find(sender, hello: "bücher.example")
        #expect(finding.entries(of: "spf") == ["pass smtp.mailfrom=jörg@xn--bcher-kva.example"])
        let hello = try await Self.find(nil, hello: "bücher.example")
        #expect(hello.entries(of: "spf") == ["pass smtp.helo=xn--bcher-kva.example"])
        // Without such a form it is no domain. RFC 7208 §4.3.
        let none = try await Self.find(EmailAddress(localPart: "a", domain: "straße.example"))
        #expect(none.entries(of: "spf") == ["none smtp.mailfrom=a@straße.example"])
        #expect(none.note?.hasSuffix("none: no domain name") == true, "\(none)")
        let literal = try await Self.find(nil, hello: "[192.0.2.1]")
        #expect(literal.note?.hasSuffix("none: no domain name") == true, "\(literal)")
    }

    @Test func `what asks for a local part that is no name matches nobody`() async throws {
        // RFC 8616 §4. The name is there, for whoever asks for it.
        let finding = try await Self.find(EmailAddress(localPart: "jörg", domain: "local.example"))
        #expect(finding.entries(of: "spf") == ["neutral smtp.mailfrom=jörg@local.example"])
    }

    @Test(arguments: [(10, "permerror"), (12, "fail")])
    func `the limits can be set`(_ most: Int, _ result: String) async throws {
        var policy = SPF.Configuration()
        policy.maxLookups = BoundedInt(most)
        policy.maxVoidLookups = 12
        let record = "v=spf1 " + (0..<11).map { "a:\($0).many.example " }.joined() + "-all"
        var zone = MemoryZone()
        zone.add("many.example", text: record)
        let transaction = Transaction.sample(sender: "a@many.example", services: zone)
        #expect(try await SPF(policy).sender(transaction).entries(of: "spf").first?.hasPrefix("\(result) ") == true)
    }
}

extension SPF.Configuration {
    /// The same for all results but a pass.
    static func every(_ action: Action) -> Self {
        var policy = Self()
        policy.fail = action
        policy.softfail = action
        policy.neutral = action
        policy.none = action
        policy.permerror = action
        policy.temperror = action
        return policy
    }
}

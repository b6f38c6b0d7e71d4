import Foundation
import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

@Suite struct ARCSealTests {
    typealias World = SignatureWorld

    static let forwarded = Recipient(
        EnvelopeRecipient("info@here.example"),
        destinations: [Destination(address: "eve@far.example", route: .exchanger(domain: "far.example"))])

    static func policy(_ change: (inout ARCSealing.Configuration) -> Void = { _ in }) -> ARCSealing.Configuration {
        var policy = ARCSealing.Configuration()
        policy.domain = "here.example"
        policy.selector = "s1"
        change(&policy)
        return policy
    }

    static func seal(
        _ message: Message = .sample(), found: AuthenticationResults.Result? = AuthenticationResults.Result.none,
        for recipient: Recipient = forwarded,
        by policy: ARCSealing.Configuration = policy()
    ) async throws -> Finding {
        var transaction = Transaction.sample(recipients: [recipient], services: try World.zone())
        transaction.authentication.entries = [
            .init(method: "spf", result: .pass, properties: [.init("smtp.mailfrom", "alice@out.example")])
        ]
        if let found { transaction.authentication.entries.append(.init(method: "arc", result: found)) }
        return try await ARCSealing(policy).equipped(with: World.tools).message(message, in: transaction)
    }

    @Test func `what leaves is sealed, with all that was found`() async throws {
        let finding = try await Self.seal()
        let names = finding.edits.map { edit in
            if case .prependField(let name, _) = edit { name } else { "" }
        }
        #expect(names == ["ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"])
        #expect(
            finding.prepended("ARC-Authentication-Results")
                == ["i=1; mx.here.example; spf=pass smtp.mailfrom=alice@out.example; arc=none"])
        let verified = try await World.verify(World.apply(finding, to: .sample()), in: World.zone())
        #expect(World.entry(verified)?.result == .pass, "\(verified.note ?? "")")
        #expect(finding.prepended("ARC-Seal")[0].contains("cv=none"))
    }

    @Test func `what stays here, begins here or cannot be judged is not sealed`() async throws {
        #expect(try await Self.seal(for: .local("bob@here.example")).edits == [])
        #expect(try await Self.seal(found: nil).edits == [])
        #expect(try await Self.seal(found: .temperror).edits == [])
        #expect(try await Self.seal(by: ARCSealing.Configuration()) == .none)
        #expect(
            try await !Self.seal(for: .local("bob@here.example"), by: Self.policy { $0.recipients = .all }).edits
                .isEmpty)
    }

    @Test func `a broken chain is sealed once as such, and then no more`() async throws {
        let zone = try World.zone()
        var message = try await World.passOn(.sample(), by: "far.example", in: zone)
        message.body = "Changed.\r\n"
        let finding = try await Self.seal(message, found: .fail)
        let value = try #require(finding.prepended("ARC-Seal").first)
        #expect(value.contains("i=2") && value.contains("cv=fail"))
        let ended = World.apply(finding, to: message)
        #expect(World.entry(try await World.verify(ended, in: zone))?.result == .fail)
        #expect(try await Self.seal(ended, found: .fail).edits == [])
        // Nor where the chain has lost a field since.
        var torn = ended
        torn.header = Header(fields: ended.header.fields.filter { !$0.isNamed("ARC-Authentication-Results") })
        #expect(try await Self.seal(torn, found: .fail).edits == [])
    }

    @Test func `fields that make no chain are left behind`() async throws {
        let message = Message.sample(["ARC-Seal": "i=7; nonsense=1"])
        #expect(try await Self.seal(message, found: .fail).prepended("ARC-Seal")[0].contains("i=8; "))
        let full = Message.sample(["ARC-Seal": "i=50; nonsense=1"])
        #expect(try await Self.seal(full, found: .fail).edits == [])
        #expect(try await Self.seal(message).edits == [], "cv=none does not fit")
    }

    @Test(
        arguments: [
            ("far.example", "nokey", "cannot be used"), ("here.example", "weak", "1024 bits"),
            ("here.example", "", "belong together"),
            ("", "s1", "belong together"), ("here.example", "../s1", "no selector"), ("a/b", "s1", "no domain"),
            ("here.example", "junk", "no private key"),
        ])
    func `a key that cannot be used is said so beforehand`(_ domain: String, _ selector: String, _ reason: String) {
        let policy = Self.policy {
            $0.domain = domain
            $0.selector = selector
        }
        do {
            _ = try ARCSealing(policy).equipped(with: World.tools)
            Issue.record("taken")
        } catch { #expect("\(error)".contains(reason), "\(error)") }
    }

    @Test(arguments: [(["To"], "lacks From"), (["From", "Received"], "Received"), (["From", "a b"], "a b")])
    func `what cannot be signed is not to be signed`(_ headers: [String], _ reason: String) {
        do {
            _ = try ARCSealing(Self.policy { $0.headers = headers }).equipped(with: World.tools)
            Issue.record("taken")
        } catch { #expect("\(error)".contains(reason), "\(error)") }
    }
}

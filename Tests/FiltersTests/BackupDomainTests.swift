import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// Relay domains whose server is asked who exists there: backups of other servers, mostly.
@Suite struct BackupDomainTests {
    static let address: EmailAddress = "carl@back.example"
    static let noUser = CalloutReport.refused(Reply(550, .badDestinationMailbox, "no such user"))
    let world: MemoryServices

    init() {
        var directory = SampleDirectory()
        directory.relayDomains = [RelayDomain(name: "back.example", host: nil, asksServer: true)]
        world = MemoryServices(directory: directory)
    }

    private func finding(
        on address: EmailAddress = BackupDomainTests.address, from sender: EmailAddress? = "alice@out.example",
        _ adjust: (inout RelayDomains.Configuration) -> Void = { _ in }
    ) async throws -> Finding {
        var policy = RelayDomains.Configuration()
        adjust(&policy)
        return try await RelayDomains(policy).recipient(.said(address), in: .sample(sender: sender, services: world))
    }

    /// Where it goes, or the reply.
    private func way(
        of address: EmailAddress = BackupDomainTests.address, from sender: EmailAddress? = "alice@out.example",
        _ adjust: (inout RelayDomains.Configuration) -> Void = { _ in }
    ) async throws -> String {
        let finding = try await finding(on: address, from: sender, adjust)
        switch finding.verdict {
        case .reject(let reply), .tempfail(let reply): return "\(reply)"
        default: break
        }
        guard case .resolve(_, let destinations)? = finding.edits.first else { return "nowhere" }
        return destinations.map { "\($0.address) \($0.route)" }.joined(separator: ", ")
    }

    private static let relayed = "carl@back.example \(Route.exchanger(domain: "back.example"))"
    private static let refused = "550 5.1.1 No such user there"
    private var callouts: [CalloutQuestion] {
        world.asked.compactMap { if case .callout(let question) = $0 { question } else { nil } }
    }

    @Test func `a backup domain goes to its own exchangers, and the best of them is asked once`() async throws {
        for _ in 0..<3 { #expect(try await way() == Self.relayed) }
        #expect(callouts == [CalloutQuestion(host: nil, address: Self.address)])
        world.callout = Self.noUser
        for _ in 0..<3 { #expect(try await way(of: "dora@back.example") == Self.refused) }
        #expect(callouts.count == 2)
        #expect(try await way(of: "u%x@back.example").hasPrefix("550 5.7.1"))
    }

    @Test func `while its server is down those are taken that are known, and no others`() async throws {
        _ = try await way()
        world.time.advance(by: "25h")
        world.callout = .unreachable("no route to host")
        #expect(try await way() == Self.relayed)
        #expect(try await way(of: "dora@back.example").hasPrefix("451 4.4.1"))
        #expect(callouts.count == 2, "who could not be asked is left in peace")
        world.time.advance(by: "61s")
        #expect(try await way(of: "dora@back.example").hasPrefix("451 4.4.1"))
        #expect(callouts.count == 3)
        let accepted = try await way(of: "dora@back.example") { $0.serverDown = .accept }
        #expect(accepted.hasPrefix("dora@back.example exchanger") || accepted.contains("back.example"))
        #expect(!accepted.hasPrefix("451"))
        // Weeks later nothing is believed any more.
        world.time.advance(by: "37d")
        #expect(try await way().hasPrefix("451 4.4.1"))
    }

    @Test func `what was said last counts`() async throws {
        _ = try await way()
        world.time.advance(by: "25h")
        world.callout = Self.noUser
        #expect(try await way() == Self.refused)
        // Its refusal outlives what was known before, also while nobody can be asked.
        world.time.advance(by: "2h")
        world.callout = .unreachable("down")
        #expect(try await way().hasPrefix("451 4.4.1"))
        world.time.advance(by: "2m")
        world.callout = .accepted
        #expect(try await way() == Self.relayed)
        world.time.advance(by: "25h")
        world.callout = .unreachable("down")
        #expect(try await way() == Self.relayed)
    }

    @Test func `a refusal that is not about the address teaches nothing`() async throws {
        _ = try await way()
        world.time.advance(by: "25h")
        world.callout = .refused(Reply(554, .deliveryNotAuthorized, "you are blocked"))
        #expect(try await way() == Self.relayed)
        #expect(try await way(of: "dora@back.example").hasPrefix("451 4.4.1"))
        #expect(callouts.count == 3, "it answers, so it is asked again")
    }

    @Test func `for a report nobody is asked, but what is known counts`() async throws {
        #expect(try await way(from: nil) == Self.relayed)
        #expect(callouts.isEmpty)
        world.callout = Self.noUser
        _ = try await way()
        #expect(try await way(from: nil) == Self.refused)
    }

    @Test func `a server that is named is asked likewise, where that is wanted`() async throws {
        let host = RelayHost(name: "next.example")
        world.directory.relayDomains = [RelayDomain(name: "back.example", host: host)]
        world.callout = Self.noUser
        #expect(try await way() == "carl@back.example \(Route.host(host))")
        #expect(callouts.isEmpty)
        world.directory.relayDomains[0].asksServer = true
        #expect(try await way() == Self.refused)
        #expect(callouts.map(\.host) == [host])
    }

    @Test func `a smarthost would hand it back, and does not get it`() async throws {
        world.directory.smarthosts[""] = RelayHost(name: "smart.example")
        let mail = Recipient(
            EnvelopeRecipient("info@here.example"),
            destinations: ["back.example", "far.example"].map { domain in
                Destination(
                    address: EmailAddress(localPart: "x", domain: domain), route: .exchanger(domain: domain))
            })
        let finding = try await Smarthost(Smarthost.Configuration()).message(
            .sample(), in: .sample(recipients: [mail], services: world))
        guard case .resolve(_, let destinations)? = finding.edits.first else {
            Issue.record("nothing was routed")
            return
        }
        #expect(
            destinations.map(\.route) == [
                .exchanger(domain: "back.example"), .host(RelayHost(name: "smart.example")),
            ])
    }
}

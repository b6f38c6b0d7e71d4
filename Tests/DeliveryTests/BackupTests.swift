import MailTypes
import Pipeline
import Queue
import Testing

@testable import Delivery

/// This server as a backup exchanger of somebody's domain.
@Suite struct BackupTests {
    private static func finder(
        _ exchangers: [(Int, String)], _ addresses: [String: IPAddress], isBackup: Bool = true, isHosted: Bool = false
    ) -> HostFinder {
        var options = DeliveryOptions()
        options.ownAddresses = ["192.0.2.1"]
        var hooks = DeliveryHooks(
            resolve: { [exchangers, addresses] question in
                if question.type == .mx {
                    guard question.name == "back.test", !exchangers.isEmpty else { return .noName }
                    return .records(
                        exchangers.map { .exchanger(preference: $0.0, host: $0.1) }, isSecure: false)
                }
                guard question.type == .a, let address = addresses[question.name] else { return .noData }
                return .records([.address(address)], isSecure: false)
            }, routes: { _ in [] })
        hooks.isBackup = { _ in isBackup }
        hooks.isHosted = { _ in isHosted }
        return HostFinder(hostname: "mx.here.test", options: options, hooks: hooks)
    }

    private static let addresses: [String: IPAddress] = [
        "a.test": "198.51.100.1", "b.test": "198.51.100.2", "c.test": "198.51.100.3", "alias.test": "192.0.2.1",
        "mx.here.test": "192.0.2.1",
    ]

    private func names(_ finder: HostFinder) async throws(RoutingFailure) -> [String] {
        try await finder.targets(of: .exchanger(domain: "back.test")).map(\.name)
    }

    @Test func `only better exchangers get its mail, however this server is found among them`() async throws {
        for own in ["mx.here.test", "alias.test"] {
            let finder = Self.finder([(20, own), (10, "a.test"), (30, "c.test")], Self.addresses)
            #expect(try await names(finder) == ["a.test"])
            // RFC 5321 §5.1: those of its own preference neither, in whichever order chance puts them.
            for _ in 0..<20 {
                let equal = Self.finder([(20, own), (20, "b.test"), (10, "a.test")], Self.addresses)
                #expect(try await names(equal) == ["a.test"])
            }
        }
    }

    @Test func `a domain that is hosted here as well goes where its entry says`() async throws {
        let finder = Self.finder([(10, "a.test"), (20, "mx.here.test")], Self.addresses, isHosted: true)
        #expect(try await names(finder) == ["a.test"])
        let usual = Self.finder([(10, "a.test")], Self.addresses, isBackup: false, isHosted: true)
        await #expect(throws: RoutingFailure.hosted("back.test")) { try await names(usual) }
    }

    @Test func `what is wrong with the exchangers lets mail wait, and sends none back`() async throws {
        let lost = { (reason: String) in RoutingFailure.backupLost("back.test", reason: reason) }
        let cases: [([(Int, String)], RoutingFailure)] = [
            ([(10, "mx.here.test"), (20, "a.test")], .backupIsBest("back.test")),
            ([(10, "alias.test"), (10, "a.test")], .backupIsBest("back.test")),
            ([], lost("the domain does not exist")), ([(0, "")], lost("the domain accepts no mail")),
            ([(10, "nowhere.test"), (20, "mx.here.test")], lost("no mail exchanger has a usable address")),
        ]
        for (exchangers, expected) in cases {
            await #expect(throws: expected) { try await names(Self.finder(exchangers, Self.addresses)) }
            #expect(DeliveryFailurePolicy.reply(on: expected).isTemporary)
        }
        // Of others' domains it is final.
        await #expect(throws: RoutingFailure.loop("back.test")) {
            try await names(Self.finder([(10, "mx.here.test")], Self.addresses, isBackup: false))
        }
    }

    @Test func `what DNS says is told before it matters`() async throws {
        func standing(_ exchangers: [(Int, String)]) async -> BackupReview.Standing {
            let finder = Self.finder(exchangers, Self.addresses)
            return await BackupReview(
                hostname: "mx.here.test", options: finder.options, resolve: finder.hooks.resolve
            ).standing(of: "back.test")
        }
        #expect(await standing([(10, "a.test"), (15, "b.test"), (20, "alias.test")]) == .behind(["a.test", "b.test"]))
        #expect(await standing([(10, "a.test")]) == .unlisted(["a.test"]))
        guard case .wrong(let reason) = await standing([(10, "mx.here.test")]) else {
            Issue.record("nothing is wrong")
            return
        }
        #expect(reason.contains("best exchanger"))
    }

    @Test func `its mail is kept as long as its entry says`() {
        let message = ReportTests.message(to: ["bob@back.test", "bob@there.test"])
        let attempts = [0, 1].map { ReportTests.attempt($0, .deferred(Reply(451, "later")), age: "31h", warned: true) }
        let plan = SettlementPlan(
            message, attempts, schedule: RetrySchedule(), now: ReportTests.now,
            giveUpAfter: { $0 == "back.test" ? "10d" : nil })
        #expect(plan.outcomes.map { MemoryQueue.word($0.result) } == ["deferred", "failed"])
    }
}

import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What the stage makes of reports; that these are right, the tests of the sandbox show.
@Suite struct DKIMVerifyTests {
    static func report(_ fault: SignatureReport.Fault? = nil, _ change: (inout SignatureReport) -> Void = { _ in })
        -> SignatureReport
    {
        var report = SignatureReport()
        report.domain = "signer.example"
        report.selector = "s"
        report.algorithm = "rsa-sha256"
        report.identity = "@signer.example"
        report.signature = "abcdefgh"
        report.keyBits = 2048
        report.fault = fault
        report.reason = fault.map { "because of \($0.rawValue)" }
        change(&report)
        return report
    }

    static func find(
        _ reports: [SignatureReport], policy: DKIMVerify.Configuration = .init()
    ) async throws -> Finding {
        let world = MemoryServices()
        world.signatures = reports
        return try await DKIMVerify(policy).message(.sample(), in: .sample(services: world))
    }

    static func results(_ finding: Finding) -> [AuthenticationResults.Result] {
        finding.edits.compactMap { if case .authentication(let entry) = $0 { entry.result } else { nil } }
    }

    @Test func `each signature has its entry, with everything that tells it apart`() async throws {
        let finding = try await Self.find([Self.report(), Self.report(.body) { $0.domain = "other.example" }])
        let field = finding.edits.compactMap { edit -> AuthenticationResults.Entry? in
            if case .authentication(let entry) = edit { entry } else { nil }
        }
        var results = AuthenticationResults()
        results.entries = field
        #expect(
            results.value(authservID: "mx.here.example")
                == "mx.here.example; dkim=pass header.d=signer.example header.i=@signer.example header.s=s "
                + "header.a=rsa-sha256 header.b=abcdefgh; dkim=fail reason=\"because of body\" header.d=other.example "
                + "header.i=@signer.example header.s=s header.a=rsa-sha256 header.b=abcdefgh")
        #expect(finding.verdict == .continue)
        #expect(finding.symbols == [])
        #expect(finding.decidedBy == ["pass"])
    }

    @Test func `no signature is a result of its own`() async throws {
        let finding = try await Self.find([])
        #expect(Self.results(finding) == [.none])
        #expect(finding.symbols == [])
        #expect(finding.note == "no signature")
        var policy = DKIMVerify.Configuration()
        policy.none = .score
        #expect(try await Self.find([], policy: policy).symbols == ["DKIM_NONE"])
    }

    @Test(
        arguments: [
            ([.body], "DKIM_FAIL"), ([.signature, .noKey], "DKIM_FAIL"), ([.noKey], "DKIM_PERMERROR"),
            ([.unreachableKey, .body], nil), ([.unreachableKey, .surplus], nil), ([.surplus, .syntax], "DKIM_POLICY"),
            ([.expired], "DKIM_PERMERROR"),
            ([.body, nil], nil),
        ] as [([SignatureReport.Fault?], String?)])
    func `the best result is the message's`(_ faults: [SignatureReport.Fault?], _ symbol: String?) async throws {
        let finding = try await Self.find(faults.map { Self.report($0) })
        #expect(finding.symbols == [symbol].compactMap(\.self))
        #expect(Self.results(finding).count == faults.count)
    }

    // MARK: Replays

    private static func replays(_ limit: RateLimit, points: Double = 3) -> DKIMVerify.Configuration {
        var policy = DKIMVerify.Configuration()
        policy.replays = limit
        policy.replayPoints = points
        return policy
    }

    private static func find(
        _ reports: [SignatureReport], _ policy: DKIMVerify.Configuration, in world: MemoryServices
    ) async throws -> Finding {
        world.signatures = reports
        return try await DKIMVerify(policy).message(.sample(), in: .sample(services: world))
    }

    @Test func `R65: a signature that comes too often costs points, until it has rested`() async throws {
        let world = MemoryServices()
        let policy = Self.replays("3/1h")
        for _ in 0..<3 { #expect(try await Self.find([Self.report()], policy, in: world).symbols == []) }
        let words = "one signature of signer.example has come 4 times, 3/1h are allowed"
        let finding = try await Self.find([Self.report()], policy, in: world)
        #expect(finding.edits.last == .score(Symbol("DKIM_REPLAY", points: 3, description: words)))
        #expect(finding.decidedBy.suffix(2) == ["replays", "replay_points"] && finding.note?.hasSuffix(words) == true)
        #expect(Self.results(finding) == [.pass], "it is valid all the same")
        world.time.advance(by: "2h")
        #expect(try await Self.find([Self.report()], policy, in: world).symbols == [])
    }

    @Test func `by default nothing is counted, and nothing that is not valid ever`() async throws {
        let world = MemoryServices()
        for _ in 0..<5 { #expect(try await Self.find([Self.report()], .init(), in: world).decidedBy == ["pass"]) }
        #expect(world.asked.allSatisfy { if case .signatures = $0 { true } else { false } })
        let policy = Self.replays("1/1h")
        for _ in 0..<5 {
            let finding = try await Self.find(
                [Self.report(.body), Self.report { $0.keyBits = 512 }], policy, in: world)
            #expect(finding.symbols == ["DKIM_FAIL"])
        }
        #expect(world.asked.allSatisfy { if case .signatures = $0 { true } else { false } })
    }

    @Test func `each message has its own count, and each signer`() async throws {
        let world = MemoryServices()
        let policy = Self.replays("1/1h")
        for number in 0..<5 {
            let reports = [
                Self.report { $0.signature = "message\(number)" }, Self.report { $0.domain = "\(number).example" },
                Self.report { $0.selector = "s\(number)" },
            ]
            #expect(try await Self.find(reports, policy, in: world).symbols == [])
        }
    }

    @Test func `nothing that is put beside a signature hides it`() async throws {
        let world = MemoryServices()
        let policy = Self.replays("1/1h")
        _ = try await Self.find([Self.report()], policy, in: world)
        // One whose beginning is the same makes the others longer; a fresh one on top; the same one twice is one.
        let longer = Self.report { $0.signature = "abcdefghij" }
        let fresh = Self.report { ($0.domain, $0.signature) = ("evil.example", "fresh000") }
        let finding = try await Self.find([fresh, longer, longer], policy, in: world)
        #expect(finding.symbols == ["DKIM_REPLAY"] && finding.note?.contains("has come 2 times") == true)
    }

    @Test func `a memory that fails takes nothing from what the signatures prove`() async throws {
        var policy = Self.replays("0/1h", points: 0)
        let world = MemoryServices()
        #expect(try await Self.find([Self.report()], policy, in: world).decidedBy == ["pass", "replays"])
        policy.replayPoints = 1
        let forgetful = Forgetful(signatures: [Self.report()])
        let finding = try await DKIMVerify(policy).message(.sample(), in: .sample(services: forgetful))
        #expect(Self.results(finding) == [.pass] && finding.symbols == [])
    }

    private struct Forgetful: ServiceSource {
        let signatures: [SignatureReport]
        func answer(_ question: Question) async throws(StageFailure) -> Answer {
            switch question {
            case .signatures: return .signatures(signatures)
            case .time: return .time(ManualTime().now)
            default: throw StageFailure("the store is full")
            }
        }
    }

    @Test func `more slow signatures than are looked at are put off, where DNS is to be waited for`() async throws {
        var policy = DKIMVerify.Configuration()
        policy.temperror = .tempfail
        let slow = Array(repeating: Self.report(.unreachableKey), count: 10)
        let finding = try await Self.find(slow + [Self.report(.surplus)], policy: policy)
        guard case .tempfail(let reply) = finding.verdict else {
            Issue.record("not put off")
            return
        }
        #expect(reply.code == 451 && finding.decidedBy == ["temperror"])
    }

    /// A valid signature that may not suffice: what is odd about it, and what it comes to.
    static let insufficient: [(String, @Sendable (inout SignatureReport) -> Void, AuthenticationResults.Result)] = [
        ("nothing", { _ in }, .pass),
        ("1024 bits", { $0.keyBits = 1024 }, .pass),
        ("1023 bits", { $0.keyBits = 1023 }, .permerror),
        ("512 bits", { $0.keyBits = 512 }, .permerror),
        ("rsa-sha1", { $0.algorithm = "rsa-sha1" }, .permerror),
        (
            "an Ed25519 key",
            {
                $0.algorithm = "ed25519-sha256"
                $0.keyBits = 256
            }, .pass
        ),
        ("a body in part", { $0.bodyLength = .init(signed: 10, whole: 11) }, .policy),
        ("a body with l= in whole", { $0.bodyLength = .init(signed: 11, whole: 11) }, .pass),
        ("another From", { $0.uncoveredFroms = 1 }, .policy),
        ("a test key", { $0.isTest = true }, .pass),
    ]

    @Test(arguments: insufficient.indices)
    func `a valid signature suffices, or the policy says why not`(_ place: Int) async throws {
        let (name, change, result) = Self.insufficient[place]
        let finding = try await Self.find([Self.report(nil, change)])
        #expect(Self.results(finding) == [result], "\(name)")
    }

    @Test func `options decide what suffices`() async throws {
        var policy = DKIMVerify.Configuration()
        policy.minRSABits = 2048
        let short = Self.report { $0.keyBits = 1024 }
        #expect(Self.results(try await Self.find([short], policy: policy)) == [.policy])
        policy = DKIMVerify.Configuration()
        policy.partialBody = .pass
        policy.unsignedFrom = .pass
        let odd = Self.report {
            $0.bodyLength = .init(signed: 1, whole: 9)
            $0.uncoveredFroms = 2
        }
        #expect(Self.results(try await Self.find([odd], policy: policy)) == [.pass])
    }

    @Test func `a key that is tested does no harm, and with ignore no good`() async throws {
        let broken = Self.report(.body) { $0.isTest = true }
        let valid = Self.report { $0.isTest = true }
        #expect(Self.results(try await Self.find([broken])) == [.neutral])
        #expect(try await Self.find([broken]).symbols == [])
        var policy = DKIMVerify.Configuration()
        policy.testKeys = .ignore
        #expect(Self.results(try await Self.find([broken, valid], policy: policy)) == [.neutral, .neutral])
    }

    @Test(
        arguments: [
            (nil, "5.7.20"), (.body, "5.7.20"), (.noKey, "5.7.20"), (.unreachableKey, "5.7.20"), (.surplus, "5.7.21"),
        ] as [(SignatureReport.Fault?, String)])
    func `each result can refuse or put off, and the reply says why`(
        _ fault: SignatureReport.Fault?, _ status: String
    ) async throws {
        var policy = DKIMVerify.Configuration()
        (policy.fail, policy.permerror, policy.temperror) = (.reject, .reject, .reject)
        (policy.policy, policy.none) = (.reject, .reject)
        let reports = fault.map { [Self.report($0)] } ?? []
        guard case .reject(let reply) = try await Self.find(reports, policy: policy).verdict else {
            Issue.record("not refused")
            return
        }
        #expect(reply.code == 550 && reply.status?.description == status)
        (policy.fail, policy.permerror, policy.temperror) = (.tempfail, .tempfail, .tempfail)
        (policy.policy, policy.none) = (.tempfail, .tempfail)
        guard case .tempfail(let later) = try await Self.find(reports, policy: policy).verdict else {
            Issue.record("not put off")
            return
        }
        #expect(later.code == 451)
    }

    @Test func `a worker that fails leaves it to on_failure`() async throws {
        let world = MemoryServices()
        world.fail(with: StageFailure("the worker has ended"))
        await #expect(throws: StageFailure.self) {
            try await DKIMVerify(.init()).message(.sample(), in: .sample(services: world))
        }
    }
}

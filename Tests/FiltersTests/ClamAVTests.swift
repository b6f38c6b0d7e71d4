import MailTypes
import Pipeline
import SluiceTesting
import Testing

@testable import Filters

/// What the stage makes of what scanners find; that these find it, the tests of the sandbox show.
@Suite struct ClamAVTests {
    static func find(
        _ names: [String], in message: Message = .sample(), _ change: (inout ClamAV.Configuration) -> Void = { _ in }
    ) async throws -> Finding {
        let world = MemoryServices()
        world.scan = ScanReport(names, by: "libclamav 1.4.6")
        var policy = ClamAV.Configuration()
        change(&policy)
        return try await ClamAV(policy).message(message, in: .sample(services: world))
    }

    static func symbols(_ finding: Finding) -> [String: Double] {
        finding.edits.reduce(into: [:]) { symbols, edit in
            if case .score(let symbol) = edit { symbols[symbol.name] = symbol.points }
        }
    }

    @Test func `a virus is refused with its name`() async throws {
        let finding = try await Self.find(["Eicar-Test-Signature"])
        #expect(
            finding.verdict
                == .reject(Reply(554, .deliveryNotAuthorized, "The message is not taken: Eicar-Test-Signature")))
        #expect(finding.decidedBy == ["found"])
        #expect(finding.note == "found Eicar-Test-Signature by libclamav 1.4.6")
    }

    @Test func `what carries nothing passes as it is`() async throws {
        let finding = try await Self.find([])
        #expect(finding.verdict == .continue && finding.edits == [])
        #expect(finding.note == "nothing found by libclamav 1.4.6")
    }

    /// A name as the library writes it, its kind's symbol, and its points.
    static let guesses = [
        ("Heuristics.Encrypted.Zip", "CLAMAV_ENCRYPTED", 1.0),
        ("Heuristics.OLE2.ContainsMacros.VBA", "CLAMAV_MACROS", 2.0),
        ("Heuristics.Phishing.Email.SpoofedDomain", "CLAMAV_PHISHING", 3.0),
        ("Heuristics.Broken.Executable", "CLAMAV_BROKEN", 1.0), ("PUA.Win.Tool.Nmap", "CLAMAV_UNWANTED", 1.0),
        ("Heuristics.Structured.SSN", "CLAMAV_HEURISTICS", 1.0),
    ]

    @Test(arguments: guesses)
    func `a guess costs points and nothing else`(_ name: String, _ symbol: String, _ points: Double) async throws {
        let finding = try await Self.find([name])
        #expect(finding.verdict == .continue)
        #expect(Self.symbols(finding) == [symbol: points])
        #expect(finding.edits.count == 1)
    }

    @Test(arguments: guesses)
    func `each kind of guess can be switched off, or cost everything`(_ name: String, _ symbol: String, _: Double)
        async throws
    {
        func all(_ action: ClamAV.Configuration.Action) -> (inout ClamAV.Configuration) -> Void {
            { policy in
                (policy.encrypted, policy.macros, policy.phishing) = (action, action, action)
                (policy.broken, policy.unwanted, policy.heuristics) = (action, action, action)
            }
        }
        let ignored = try await Self.find([name], all(.ignore))
        #expect(ignored.verdict == .continue && ignored.edits == [])
        guard case .reject = try await Self.find([name], all(.reject)).verdict else {
            Issue.record("\(name) is not refused")
            return
        }
        let tagged = try await Self.find([name], all(.tag))
        #expect(Self.symbols(tagged).keys.sorted() == [symbol])
        #expect(tagged.edits.contains(.prependField(name: "X-Virus-Status", value: name)))
    }

    @Test func `R48: what could not be scanned as a whole is held, not called clean`() async throws {
        let finding = try await Self.find(["Heuristics.Limits.Exceeded.MaxRecursion"])
        #expect(
            finding.verdict
                == .quarantine(
                    reason: "Not all of the message could be scanned: Heuristics.Limits.Exceeded.MaxRecursion"))
    }

    @Test func `of several the worst decides, and all are told`() async throws {
        let finding = try await Self.find([
            "Heuristics.Limits.Exceeded.MaxFiles", "Some.Virus", "Heuristics.Encrypted.Zip",
            "Heuristics.Encrypted.7Zip",
        ])
        #expect(finding.verdict == .reject(Reply(554, .deliveryNotAuthorized, "The message is not taken: Some.Virus")))
        #expect(finding.decidedBy == ["found", "limits", "encrypted", "encrypted_points"])
        #expect(Self.symbols(finding) == ["CLAMAV_ENCRYPTED": 1])
    }

    @Test func `a stranger's word that it was scanned is taken out`() async throws {
        let message = try Message(
            parsing: Bytes(Array("X-Virus-Status: Clean\r\nFrom: a@b.example\r\nx-virus-status: No\r\n\r\n".utf8)))
        let finding = try await Self.find([], in: message)
        #expect(finding.edits == [.removeFields(at: [0, 2])])
    }

    @Test func `without a scanner it cannot decide`() async throws {
        let world = MemoryServices()
        world.scan = nil
        await #expect(throws: StageFailure("there is no scanner here")) {
            try await ClamAV(.init()).message(.sample(), in: .sample(services: world))
        }
    }

    @Test func `a replay needs no scanner`() async throws {
        let report = ScanReport(["Some.Virus"], by: "libclamav 1.4.6")
        let facts = [Fact(.scan(MessageHandle(.sample()), by: .libclamav), .scan(report))]
        let transaction = Transaction.sample(services: RecordedSource(facts))
        let finding = try await ClamAV(.init()).message(.sample(), in: transaction)
        #expect(finding.note == "found Some.Virus by libclamav 1.4.6")
    }
}

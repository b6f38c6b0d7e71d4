import MailTypes
public import Pipeline

/// Whether a client may send for the domain of the sender, and of its own name. RFC 7208.
///
/// What it finds is among the transaction's authentication results, and in conditions such as `spf.pass`. Only a sender
/// gives a pass: a client's own name says nothing of the mail.
public struct SPF: SenderStage {
    public static let name: StageName = "spf"
    public static let effects: Effects = [.rejects, .tempfails, .scores, .authenticates]
    public static let methods: Set = ["spf"]

    public struct Configuration: Decodable, Sendable {
        /// What a result costs.
        public typealias Action = ResultAction

        /// Who evaluates records.
        public enum Engine: String, Decodable, Sendable, CaseIterable {
            case own
            /// In a worker. It misses much of RFC 7208, and has been hurt by records before: CVE-2021-20314,
            /// CVE-2023-42118.
            case libspf2
        }

        public var engine = Engine.own
        /// The owner says that this client may not.
        public var fail = Action.score
        /// The owner says that it probably may not.
        public var softfail = Action.score
        /// The owner says nothing of this client.
        public var neutral = Action.ignore
        /// There is no record.
        public var none = Action.ignore
        /// The record is broken, or asks too much.
        public var permerror = Action.score
        /// DNS did not answer.
        public var temperror = Action.ignore
        /// The points of each result whose action is `score`.
        public var failPoints = 3.0
        public var softfailPoints = 1.0
        public var neutralPoints = 0.2
        public var nonePoints = 0.2
        public var permerrorPoints = 1.0
        public var temperrorPoints = 0.5
        /// The points of a pass, below zero to speak for the message.
        public var passPoints = 0.0
        /// Whether the HELO name is checked beside a sender's domain; a `fail` of it counts as one. Where there is no
        /// sender, the HELO name is all there is, and always checked. RFC 7208 §2.3, §2.4.
        public var hello = true
        /// Terms of one check that ask DNS. RFC 7208 §4.6.4.
        public var maxLookups: BoundedInt<LookupBounds> = 10
        /// Answers of one check with nothing in them.
        public var maxVoidLookups: BoundedInt<LookupBounds> = 2

        public init() {}
    }

    public enum LookupBounds: Bounds { public static let range = 1...100 }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public var needsWorkers: Bool { policy.engine == .libspf2 }

    public var remarks: [String] {
        guard policy.engine == .libspf2 else { return [] }
        return ["`engine`: libspf2 finds other results than RFC 7208 wants for records that are wrong in some way"]
    }

    public func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        var checks: [SPFCheck] = []
        if var sender = transaction.sender {
            sender = EmailAddress(
                localPart: sender.localPart, domain: try await Self.inALabels(sender.domain, transaction.services))
            checks.append(SPFCheck(of: .mailFrom(sender), in: transaction))
        }
        if checks.isEmpty || policy.hello {
            let hello = try await Self.inALabels(transaction.session.hello ?? "", transaction.services)
            checks.append(SPFCheck(of: .hello(hello), in: transaction))
        }
        var findings: [Finding] = []
        for check in checks {
            var outcome = try await outcome(of: check.identity, transaction.services)
            // The directory is the owner's own word, as a record in DNS is; while it cannot say, DNS has said all.
            if !check.isHello, outcome.result != .pass,
                let split = try? await transaction.services.splitDomain(check.identity.domain),
                split.isPartner(check.identity.client)
            {
                let authority = "it is a partner of the split domain \(split.name)"
                outcome = SPFOutcome(result: .pass, reason: authority, authority: authority)
            }
            // Beside a sender, only a fail of the hello name is worth a word.
            if check.isHello, checks.count > 1, outcome.result != .fail { continue }
            findings.append(policy.finding(on: outcome, of: check))
        }
        return findings.reduce(.none) { $0.joined(with: $1) }
    }

    /// A domain as DNS has it; one that has no such form stays, and is no domain to check. RFC 8616 §4.
    private static func inALabels(_ domain: String, _ services: Services) async throws(StageFailure) -> String {
        guard domain.utf8.contains(where: { $0 >= 0x80 }) else { return domain }
        return try await services.asciiDomain(domain) ?? domain
    }

    private func outcome(of identity: SPFIdentity, _ services: Services) async throws(StageFailure) -> SPFOutcome {
        switch policy.engine {
        case .own:
            var evaluation = SPFEvaluation(identity, services: services, limits: policy.limits)
            return await evaluation.outcome()
        case .libspf2:
            guard identity.isCheckable else { return .noName }
            return SPFOutcome(try await services.senderPolicy(SenderPolicyQuestion(identity, policy.limits)))
        }
    }
}

extension SenderPolicyQuestion {
    init(_ identity: SPFIdentity, _ limits: SPFLimits) {
        self.init(
            client: identity.client, hello: identity.hello, sender: (identity.localPart, identity.domain),
            receiver: identity.receiver, maxLookups: limits.lookups, maxVoidLookups: limits.voidLookups)
    }
}

extension SPFOutcome {
    /// What is to be known of a pass.
    var caveat: String? { permitsAnybody ? Self.anybody : authority }

    static let anybody = "its record permits anybody"

    /// What libspf2 says, and that it says so.
    init(_ report: SenderPolicyReport) {
        self.init(
            result: report.result, reason: "libspf2: \(report.reason ?? "no reason")", explanation: report.explanation)
    }
}

/// One of the two identities, as the results name it. RFC 8601 §2.7.2.
struct SPFCheck {
    enum Subject {
        case mailFrom(EmailAddress)
        case hello(String)
    }

    let identity: SPFIdentity
    let property: AuthenticationResults.Property
    let isHello: Bool

    init(of subject: Subject, in transaction: Transaction) {
        let session = transaction.session
        let hello = session.hello ?? ""
        switch subject {
        case .mailFrom(let sender):
            identity = SPFIdentity(
                client: session.client, hello: hello,
                localPart: sender.localPart.isEmpty ? "postmaster" : sender.localPart, domain: sender.domain,
                receiver: transaction.hostname)
            property = AuthenticationResults.Property("smtp.mailfrom", sender.description)
            isHello = false
        case .hello(let name):
            identity = SPFIdentity(
                client: session.client, hello: hello, localPart: "postmaster", domain: name,
                receiver: transaction.hostname)
            property = AuthenticationResults.Property("smtp.helo", name)
            isHello = true
        }
    }
}

// The whole policy, apart from DNS.
extension SPF.Configuration {
    var limits: SPFLimits { SPFLimits(lookups: maxLookups.value, voidLookups: maxVoidLookups.value) }

    func finding(on outcome: SPFOutcome, of check: SPFCheck) -> Finding {
        let entry = AuthenticationResults.Entry(
            method: "spf", result: outcome.result, reason: outcome.result == .pass ? outcome.caveat : outcome.reason,
            properties: [check.property])
        let reason = outcome.reason.map { ": \($0)" } ?? ""
        let note = "\(check.isHello ? "helo" : "sender") \(check.identity.domain) \(outcome.result.rawValue)\(reason)"
        let symbol = "SPF_\(check.isHello ? "HELO_" : "")\(outcome.result.rawValue.uppercased())"
        return Finding(edits: [.authentication(entry)], note: note)
            .with(consequence(of: outcome.result), as: symbol) { reply($0, outcome, check) }
    }

    private func consequence(of result: AuthenticationResults.Result) -> Consequence? {
        switch result {
        case .fail: Consequence("fail", fail, failPoints)
        case .softfail: Consequence("softfail", softfail, softfailPoints)
        case .neutral: Consequence("neutral", neutral, neutralPoints)
        case .none: Consequence("none", none, nonePoints)
        case .permerror: Consequence("permerror", permerror, permerrorPoints)
        case .temperror: Consequence("temperror", temperror, temperrorPoints)
        case .pass: Consequence("pass", .score, passPoints)
        case .policy: nil
        }
    }

    /// RFC 7208 §8.4, §8.6, §8.7; the codes of RFC 7372 §3.2.
    private func reply(_ code: Int, _ outcome: SPFOutcome, _ check: SPFCheck) -> Reply {
        let domain = check.identity.domain
        switch outcome.result {
        case .permerror, .temperror:
            return Reply(code, .spfError, "The SPF record of \(domain) could not be evaluated: \(outcome.reason ?? "")")
        case .fail, .softfail:
            let text = "\(check.identity.client) may not send mail of \(domain), says its SPF record"
            guard let explanation = outcome.explanation?.prefix(Self.longestExplanation), !explanation.isEmpty else {
                return Reply(code, .spfFailed, text)
            }
            // Their words, so that nobody takes them for ours. RFC 7208 §6.2.
            return Reply(code, .spfFailed, lines: [text, "\(domain) explains: \(explanation)"])
        default:
            return Reply(
                code, .spfFailed, "\(domain) does not say in SPF that \(check.identity.client) may send its mail")
        }
    }

    /// Characters of a stranger's explanation that a client is told.
    private static let longestExplanation = 300
}

extension Finding {
    /// Two findings of one stage as one; the first refusal counts.
    fileprivate func joined(with other: Finding) -> Finding {
        var joined = self
        if verdict == .continue { joined.verdict = other.verdict }
        joined.edits += other.edits
        joined.decidedBy += other.decidedBy.filter { !decidedBy.contains($0) }
        joined.note = [note, other.note].compactMap { $0 }.joined(separator: "; ")
        return joined
    }
}

extension SPF.Configuration {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case engine, fail, softfail, neutral, none, permerror, temperror, hello
        case failPoints = "fail_points"
        case softfailPoints = "softfail_points"
        case neutralPoints = "neutral_points"
        case nonePoints = "none_points"
        case permerrorPoints = "permerror_points"
        case temperrorPoints = "temperror_points"
        case passPoints = "pass_points"
        case maxLookups = "max_lookups"
        case maxVoidLookups = "max_void_lookups"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        engine = table.value(.engine, default: engine)
        fail = table.value(.fail, default: fail)
        softfail = table.value(.softfail, default: softfail)
        neutral = table.value(.neutral, default: neutral)
        none = table.value(.none, default: none)
        permerror = table.value(.permerror, default: permerror)
        temperror = table.value(.temperror, default: temperror)
        failPoints = table.value(.failPoints, default: failPoints)
        softfailPoints = table.value(.softfailPoints, default: softfailPoints)
        neutralPoints = table.value(.neutralPoints, default: neutralPoints)
        nonePoints = table.value(.nonePoints, default: nonePoints)
        permerrorPoints = table.value(.permerrorPoints, default: permerrorPoints)
        temperrorPoints = table.value(.temperrorPoints, default: temperrorPoints)
        passPoints = table.value(.passPoints, default: passPoints)
        hello = table.value(.hello, default: hello)
        maxLookups = table.value(.maxLookups, default: maxLookups)
        maxVoidLookups = table.value(.maxVoidLookups, default: maxVoidLookups)
    }
}

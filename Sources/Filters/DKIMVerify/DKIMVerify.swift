public import MailTypes
public import Pipeline

/// Which signatures on a message are valid, and what that is worth. RFC 6376 §6, RFC 8301, RFC 8463.
///
/// Each signature has its own result in the Authentication-Results field; the best of them is the message's, for points
/// and conditions such as `dkim.pass`. Who signed is not compared with who wrote: that is DMARC's.
public struct DKIMVerify: MessageStage {
    public static let name: StageName = "dkim-verify"
    public static let effects: Effects = [.rejects, .tempfails, .scores, .authenticates]
    public static let methods: Set = ["dkim"]

    public struct Configuration: Decodable, Sendable {
        /// What a result costs.
        public typealias Action = ResultAction

        /// Whether a signature that is valid as such counts.
        public enum Tolerance: String, Decodable, Sendable, CaseIterable {
            case pass, policy
        }

        /// What `t=y` in a key means.
        public enum TestKeys: String, Decodable, Sendable, CaseIterable {
            /// A valid signature counts; any other is as if it were not there.
            case forgive
            /// Neither counts, as RFC 6376 §3.6.1 has it.
            case ignore
        }

        /// No signature is valid, and at least one is wrong.
        public var fail = Action.score
        /// … cannot be read, has no key, or has expired.
        public var permerror = Action.score
        /// DNS did not answer.
        public var temperror = Action.ignore
        /// … is valid and does not suffice here.
        public var policy = Action.score
        /// All signatures are of keys that are being tested.
        public var neutral = Action.ignore
        /// There is no signature.
        public var none = Action.ignore
        /// The points of each result whose action is `score`.
        public var failPoints = 0.5
        public var permerrorPoints = 0.5
        public var temperrorPoints = 0.2
        public var policyPoints = 0.5
        public var neutralPoints = 0.0
        public var nonePoints = 0.2
        /// The points of a pass, below zero to speak for the message.
        public var passPoints = 0.0
        /// Signatures that are looked at: those of the author's domain first, then from the top.
        public var maxSignatures: BoundedInt<SignatureBounds> = 10
        /// The shortest RSA key that counts; below 1024 none does. RFC 8301 §3.2.
        public var minRSABits: BoundedInt<KeyBounds> = 1024
        /// `l=` leaves octets of the body unsigned, which anybody may have added. RFC 6376 §8.2.
        public var partialBody = Tolerance.policy
        /// There are more From fields than `h=` names. RFC 6376 §8.15.
        public var unsignedFrom = Tolerance.policy
        public var testKeys = TestKeys.forgive
        /// How often one signature may come within a time before each further message with it costs points.
        public var replays = RateLimit.none
        public var replayPoints = 3.0

        public init() {}
    }

    /// A worker looks at thirty.
    public enum SignatureBounds: Bounds { public static let range = 1...30 }
    public enum KeyBounds: Bounds { public static let range = 1024...16_384 }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public var needsWorkers: Bool { true }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let reports = try await transaction.services.signatures(on: message, most: policy.maxSignatures.value)
        return await policy.finding(on: reports).with(replays(of: reports, transaction.services), policy)
    }
}

// The whole policy, apart from cryptography.
extension DKIMVerify.Configuration {
    /// A signature's result with this policy, and why it is not a pass.
    struct Judgement: Equatable {
        var result: AuthenticationResults.Result
        var reason: String?
    }

    func judgement(of report: SignatureReport) -> Judgement {
        let judged =
            report.result == .pass ? sufficiency(of: report) : Judgement(result: report.result, reason: report.reason)
        guard report.isTest, judged.result != .pass || testKeys == .ignore else { return judged }
        return Judgement(
            result: .neutral,
            reason: ["the key is being tested", judged.reason].compactMap(\.self).joined(separator: "; "))
    }

    /// Whether a valid signature suffices.
    private func sufficiency(of report: SignatureReport) -> Judgement {
        let isRSA = report.algorithm.asciiLowercased.hasPrefix("rsa")
        if report.algorithm.asciiLowercased == "rsa-sha1" {
            return Judgement(result: .permerror, reason: "rsa-sha1 proves nothing any more")
        }
        if isRSA, report.keyBits < Self.leastRSABits {
            return Judgement(result: .permerror, reason: "a key of \(report.keyBits) bits proves nothing")
        }
        if isRSA, report.keyBits < minRSABits.value {
            return Judgement(
                result: .policy, reason: "the key has \(report.keyBits) bits, \(minRSABits.value) are wanted")
        }
        if report.uncoveredFroms > 0, unsignedFrom == .policy {
            return Judgement(result: .policy, reason: "a From field is not signed")
        }
        if let length = report.bodyLength, length.signed < length.whole, partialBody == .policy {
            let rest = length.whole - length.signed
            return Judgement(result: .policy, reason: "\(rest) octets of the body are not signed")
        }
        return Judgement(result: .pass)
    }

    /// RFC 8301 §3.2.
    private static let leastRSABits = 1024

    /// The better a result, the earlier it stands: the first that there is, is the message's. What DNS did not tell may
    /// be a pass another time, and so is worth more than what never will.
    private static let order: [AuthenticationResults.Result] = [
        .pass, .temperror, .policy, .neutral, .fail, .permerror,
    ]

    func finding(on reports: [SignatureReport]) -> Finding {
        let judged = reports.map { ($0, judgement(of: $0)) }
        let result = Self.order.first { result in judged.contains { $0.1.result == result } } ?? .none
        var edits = judged.map { Edit.authentication(Self.entry($0, $1)) }
        if edits.isEmpty { edits.append(.authentication(.init(method: "dkim", result: .none))) }
        let note =
            judged.isEmpty ? "no signature" : judged.map { Self.words($0, $1) }.joined(separator: "; ")
        let reason = judged.first { $0.1.result == result }?.1.reason
        return Finding(edits: edits, note: note)
            .with(consequence(of: result), as: "DKIM_\(result.rawValue.uppercased())") {
                Self.reply($0, result, reason)
            }
    }

    /// One signature of the Authentication-Results field. RFC 8601 §2.7.1, RFC 6008 §4.
    private static func entry(_ report: SignatureReport, _ judgement: Judgement) -> AuthenticationResults.Entry {
        let properties = [
            ("header.d", report.domain), ("header.i", report.identity), ("header.s", report.selector),
            ("header.a", report.algorithm), ("header.b", report.signature),
        ]
        return AuthenticationResults.Entry(
            method: "dkim", result: judgement.result, reason: judgement.reason,
            properties: properties.filter { !$0.1.isEmpty && $0.1 != "@" }.map { .init($0.0, $0.1) })
    }

    private static func words(_ report: SignatureReport, _ judgement: Judgement) -> String {
        let who = report.domain.isEmpty ? "a signature" : "\(report.domain) (\(report.selector))"
        return "\(who) \(judgement.result.rawValue)" + (judgement.reason.map { ": \($0)" } ?? "")
    }

    // MARK: Consequences

    private func consequence(of result: AuthenticationResults.Result) -> Consequence? {
        switch result {
        case .fail: Consequence("fail", fail, failPoints)
        case .permerror: Consequence("permerror", permerror, permerrorPoints)
        case .temperror: Consequence("temperror", temperror, temperrorPoints)
        case .policy: Consequence("policy", policy, policyPoints)
        case .neutral: Consequence("neutral", neutral, neutralPoints)
        case .none: Consequence("none", none, nonePoints)
        case .pass: Consequence("pass", .score, passPoints)
        case .softfail: nil
        }
    }

    /// RFC 7372 §3.1.
    private static func reply(_ code: Int, _ result: AuthenticationResults.Result, _ reason: String?) -> Reply {
        switch result {
        case .none: Reply(code, .dkimMissing, "The message has no DKIM signature")
        case .policy: Reply(code, .dkimUnacceptable, "No DKIM signature on the message suffices: \(reason ?? "")")
        default: Reply(code, .dkimMissing, "No DKIM signature on the message is valid: \(reason ?? "")")
        }
    }
}

public import MailTypes
public import Pipeline

/// Whether a chain of seals holds, and whether its sealers are trusted. RFC 8617 §5.2, §7.
///
/// What it finds stands in the Authentication-Results field, in the conditions `arc.pass` and so on, and is what the
/// stage `arc-seal` passes on. Where all sealers from some place on are trusted, the first of them speaks for
/// what DMARC found there: `policy.trusted-sealer` and `policy.sealed-dmarc`.
public struct ARC: MessageStage, EquippedStage {
    public static let name: StageName = "arc"
    public static let effects: Effects = [.rejects, .tempfails, .scores, .authenticates]
    public static let methods: Set = ["arc"]

    /// The properties by which the stage `dmarc` learns of a trusted sealer, and of what it has found.
    static let trustedSealer = "policy.trusted-sealer"
    /// The property with the sealers of a chain, the oldest first.
    static let chain = "arc.chain"
    static let sealedDMARC = "policy.sealed-dmarc"

    public struct Configuration: Decodable, Sendable {
        /// What a broken chain costs.
        public enum Action: String, Decodable, Sendable, CaseIterable {
            case reject, score, ignore
        }

        /// What it means that a key could not be had.
        public enum Trouble: String, Decodable, Sendable, CaseIterable {
            case tempfail, ignore
        }

        /// A broken chain is worth as much as none: this is for those who see more in it. RFC 8617 §5.2.2.
        public var fail = Action.ignore
        /// The points where the action is `score`.
        public var failPoints = 1.0
        /// DNS did not answer for a key.
        public var temperror = Trouble.ignore
        /// Domains whose seals are believed.
        public var trusted: [DomainText] = []
        /// Longer chains fail.
        public var maxSets: BoundedInt<SetBounds> = 50
        /// Signatures by smaller RSA keys do not hold.
        public var minKeyBits: BoundedInt<KeyBitsBounds> = 1024

        public init() {}
    }

    public enum SetBounds: Bounds { public static let range = 1...ARCChain.mostSets }

    let policy: Configuration
    private let trusted: Set<String>
    private var tools: StageTools?

    public init(_ configuration: Configuration) {
        policy = configuration
        trusted = Set(configuration.trusted.map(\.text.asciiLowercased))
    }

    public func equipped(with tools: StageTools) throws -> ARC {
        var stage = self
        stage.tools = tools
        return stage
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard message.header.fields.contains(where: { ARCField($0) != nil }) else {
            return policy.finding(on: ARCOutcome(result: .none), nil)
        }
        guard let tools else { throw StageFailure.withoutTools }
        let verifier = SignatureVerifier(
            message, tools.cryptography, transaction.services, leastBits: policy.minKeyBits.value)
        var validation = ARCValidation(message, verifier, mostSets: policy.maxSets.value)
        let outcome = try await validation.outcome()
        let author = try await authorNames(of: message.header, outcome, in: transaction)
        let verdict = ARCTrust.verdict(of: outcome, trusted: trusted, author: author)
        return policy.finding(on: outcome, verdict)
    }
}

extension ARC {
    /// The one author's domain in both spellings, of which a sealer has written down one; none where nobody asks.
    private func authorNames(
        of header: Header, _ outcome: ARCOutcome, in transaction: Transaction
    ) async throws(StageFailure) -> [String] {
        guard outcome.result == .pass, !trusted.isEmpty, let domain = Authors.onlyDomain(of: header) else { return [] }
        let ascii = try await transaction.services.asciiDomain(domain)
        return [domain.asciiLowercased] + [ascii].compactMap(\.self)
    }
}

extension StageFailure {
    static let withoutTools = StageFailure("the stage was not given a library for signatures")
}

extension Authors {
    /// The domain of the From field, if there is one field with one author. RFC 7489 §6.6.1.
    static func onlyDomain(of header: Header) -> String? { only(of: header)?.domain }

    /// The author, if there is one From field with one.
    public static func only(of header: Header) -> EmailAddress? {
        let fields = header.fields(named: "From")
        guard fields.count == 1, let found = addresses(in: fields[0]), found.count == 1 else { return nil }
        return found.first
    }
}

// The whole policy.
extension ARC.Configuration {
    func finding(on outcome: ARCOutcome, _ verdict: ARCTrust.Verdict?) -> Finding {
        let finding = Finding(
            edits: [.authentication(entry(outcome, verdict))], decidedBy: verdict == nil ? [] : ["trusted"],
            note: note(outcome, verdict))
        switch outcome.result {
        case .fail: return adding(fail, to: finding, outcome)
        case .temperror where temperror == .tempfail:
            var finding = finding
            finding.decidedBy.append("temperror")
            let text = "A key of the ARC chain could not be had; please try again later"
            finding.verdict = .tempfail(Reply(451, .arcFailed, text))
            return finding
        default: return finding
        }
    }

    private func adding(_ action: Action, to finding: Finding, _ outcome: ARCOutcome) -> Finding {
        var finding = finding
        finding.decidedBy.append("fail")
        switch action {
        case .reject:
            finding.verdict = .reject(Reply(550, .arcFailed, "The ARC chain is broken: \(outcome.reason ?? "")"))
        case .score:
            let symbol = Symbol("ARC_FAIL", points: failPoints, description: finding.note ?? "")
            finding.edits.append(.score(symbol))
            finding.decidedBy.append("fail_points")
        case .ignore: break
        }
        return finding
    }

    /// RFC 8601 §2.7, RFC 8617 §10.2; `arc.chain` has the sealers, the oldest first.
    private func entry(_ outcome: ARCOutcome, _ verdict: ARCTrust.Verdict?) -> AuthenticationResults.Entry {
        var entry = AuthenticationResults.Entry(method: "arc", result: outcome.result, reason: outcome.reason)
        if let oldest = outcome.oldestPass { entry.properties.append(.init("header.oldest-pass", "\(oldest)")) }
        if !outcome.sets.isEmpty {
            entry.properties.append(.init(ARC.chain, outcome.sets.map(\.sealer).joined(separator: ":")))
        }
        if let verdict {
            entry.properties.append(.init(ARC.trustedSealer, verdict.sealer))
            entry.properties.append(.init(ARC.sealedDMARC, verdict.result.rawValue))
        }
        return entry
    }

    private func note(_ outcome: ARCOutcome, _ verdict: ARCTrust.Verdict?) -> String {
        let reason = outcome.reason.map { ": \($0)" } ?? ""
        let sealers = outcome.sets.map { "\($0.instance) \($0.sealer)" }.joined(separator: ", ")
        let chain = sealers.isEmpty ? "" : " (\(sealers))"
        let trust = verdict.map { "; \($0.sealer) is trusted, and has found dmarc=\($0.result.rawValue)" } ?? ""
        return "chain \(outcome.result.rawValue)\(reason)\(chain)\(trust)"
    }
}

extension ARC.Configuration {
    enum CodingKeys: String, CodingKey {
        case fail, temperror, trusted
        case failPoints = "fail_points"
        case maxSets = "max_sets"
        case minKeyBits = "min_key_bits"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        fail = table.value(.fail, default: fail)
        failPoints = table.value(.failPoints, default: failPoints)
        temperror = table.value(.temperror, default: temperror)
        trusted = table.value(.trusted, default: trusted)
        maxSets = table.value(.maxSets, default: maxSets)
        minKeyBits = table.value(.minKeyBits, default: minKeyBits)
    }
}

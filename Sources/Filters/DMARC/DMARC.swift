public import MailTypes
public import Pipeline

/// Whether a message is proven to be of the domain that its From field names, and what its owner wishes if it is not.
/// RFC 7489.
///
/// It asks DNS for the policy alone; the proofs are what the stages `spf` and `dkim` have found before it.
public struct DMARC: MessageStage {
    public static let name: StageName = "dmarc"
    public static let effects: Effects = [.rejects, .tempfails, .quarantines, .scores, .authenticates, .disposes]
    public static let methods: Set = ["dmarc"]
    public static let judgesBy: Set = ["spf", "dkim", "arc"]
    public static let needs = [
        Need(
            "spf", from: SPF.name,
            otherwise: "mail without a valid signature fails though its domain lets the client send it"),
        Need(
            "dkim", from: DKIMVerify.name,
            otherwise: "mail that only a signature proves fails, as what was forwarded does"),
    ]

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        switch DMARCAuthors(message.header) {
        case .unusable(let reason): return policy.finding(onUnusableFrom: reason, in: transaction)
        case .domains(let domains):
            let evaluation = DMARCEvaluation(
                identifiers: DMARCIdentifier.all(in: transaction.authentication, sender: transaction.sender),
                sample: transaction.id.sample, services: transaction.services)
            var outcomes: [DMARCOutcome] = []
            for domain in domains {
                outcomes.append(await Self.trusting(evaluation.outcome(for: domain), transaction))
            }
            return finding(on: outcomes, transaction)
        }
    }

    /// What a partner of a split domain sends in its name is no forgery: the directory is the owner's own word. While
    /// it cannot say, DNS has said all.
    private static func trusting(_ outcome: DMARCOutcome, _ transaction: Transaction) async -> DMARCOutcome {
        guard outcome.result == .fail, let split = try? await transaction.services.splitDomain(outcome.domain),
            split.isPartner(transaction.session.client)
        else { return outcome }
        var trusted = outcome
        trusted.result = .pass
        trusted.wish = nil
        trusted.reason = "the client is a partner of the split domain \(split.name)"
        return trusted
    }

    /// With several domains the worst outcome counts, or one's own domain beside another's would be a pass for both.
    /// RFC 7489 §6.6.1.
    private func finding(on outcomes: [DMARCOutcome], _ transaction: Transaction) -> Finding {
        guard let worst = outcomes.max(by: { policy.isMilder($0, than: $1) }) else { return .none }
        // Slow domains beside another's are not to be a way to keep that from being judged.
        if outcomes.count > 1, let open = outcomes.first(where: { $0.result == .temperror }) {
            return policy.finding(onOpen: open, of: outcomes.count)
        }
        if outcomes.count == 1, worst.result == .fail, let sealer = sealer(in: transaction) {
            return policy.finding(on: worst, sealedBy: sealer)
        }
        return policy.finding(on: worst, in: transaction)
    }

    /// The sealer that the stage `arc` trusts, and that has seen DMARC pass for the one author's domain. RFC 8617 §7.2.
    private func sealer(in transaction: Transaction) -> String? {
        guard policy.trustedSealer == .override,
            let chain = transaction.authentication.entries.last(where: { $0.method == "arc" }), chain.result == .pass,
            chain[ARC.sealedDMARC] == AuthenticationResults.Result.pass.rawValue
        else { return nil }
        return chain[ARC.trustedSealer]
    }
}

// The whole policy, apart from DNS.
extension DMARC.Configuration {
    /// What an outcome comes to: an action, and the option that said so.
    struct Consequence {
        var key: String
        var action: Action
        var points: Double
        var symbol: String
        var pointsKey: String { "\(key)_points" }
    }

    func isMilder(_ left: DMARCOutcome, than right: DMARCOutcome) -> Bool {
        // Whatever an action is worth, nothing is milder than a pass.
        if left.result == .pass || right.result == .pass { return left.result == .pass && right.result != .pass }
        let (mild, strict) = (consequence(of: left).action.rank, consequence(of: right).action.rank)
        return mild == strict ? Self.badness(left.result) < Self.badness(right.result) : mild < strict
    }

    private static func badness(_ result: AuthenticationResults.Result) -> Int {
        switch result {
        case .pass: 0
        case .none, .neutral, .policy, .softfail: 1
        case .temperror: 2
        case .permerror: 3
        case .fail: 4
        }
    }

    func finding(on outcome: DMARCOutcome, in transaction: Transaction) -> Finding {
        var entry = AuthenticationResults.Entry(
            method: "dmarc", result: outcome.result, reason: outcome.reason,
            properties: [.init("header.from", outcome.domain)])
        if let wish = outcome.wish { entry.properties.append(.init("policy.dmarc", wish.rawValue)) }
        let wish = outcome.wish.map { " (\($0.rawValue))" } ?? ""
        let reason = outcome.reason.map { ": \($0)" } ?? ""
        let note = "from \(outcome.domain) \(outcome.result.rawValue)\(wish)\(reason)"
        let consequence = consequence(of: outcome)
        return finding(consequence, entry, note, refusal: refusal(of: outcome, by: consequence), transaction)
    }

    func finding(onUnusableFrom reason: String, in transaction: Transaction) -> Finding {
        let entry = AuthenticationResults.Entry(method: "dmarc", result: .permerror, reason: reason)
        let consequence = Consequence(key: "bad_from", action: badFrom, points: badFromPoints, symbol: "BAD_FROM")
        let code = consequence.action == .tempfail ? 451 : 550
        let reply = Reply(code, .deliveryNotAuthorized, "It must be plain whose mail this is, and \(reason)")
        return finding(consequence, entry, reason, refusal: reply, transaction)
    }

    /// Several domains, of which one cannot be judged now.
    func finding(onOpen outcome: DMARCOutcome, of count: Int) -> Finding {
        let reason = "one of \(count) domains in the From field cannot be judged now: \(outcome.reason ?? "")"
        let entry = AuthenticationResults.Entry(
            method: "dmarc", result: .temperror, reason: reason, properties: [.init("header.from", outcome.domain)])
        var finding = Finding(edits: [.authentication(entry)], decidedBy: ["temperror"], note: reason)
        let text = "The From field names several domains, and DNS does not answer for \(outcome.domain)"
        finding.verdict = .tempfail(Reply(451, .deliveryNotAuthorized, text))
        return finding
    }

    /// A failure that a trusted sealer makes up for. It stays a failure: nothing else is to take it for a pass.
    func finding(on outcome: DMARCOutcome, sealedBy sealer: String) -> Finding {
        let entry = AuthenticationResults.Entry(
            method: "dmarc", result: outcome.result, reason: "overridden: the trusted sealer \(sealer) saw it pass",
            properties: [.init("header.from", outcome.domain), .init("policy.dmarc", "none")])
        let note = "from \(outcome.domain) \(outcome.result.rawValue), overridden: arc=pass, and \(sealer) saw it pass"
        return Finding(edits: [.authentication(entry)], decidedBy: ["trusted_sealer"], note: note)
    }

    private func finding(
        _ consequence: Consequence, _ entry: AuthenticationResults.Entry, _ note: String, refusal: Reply,
        _ transaction: Transaction
    ) -> Finding {
        var finding = Finding(edits: [.authentication(entry)], decidedBy: [consequence.key], note: note)
        switch consequence.action {
        case .reject: finding.verdict = .reject(refusal)
        case .tempfail: finding.verdict = .tempfail(refusal)
        case .quarantine: finding.verdict = .quarantine(reason: "DMARC: \(note)")
        case .junk:
            for recipient in transaction.recipients where recipient.disposition == .deliver {
                finding.edits.append(.disposition(recipient.address, .junk))
            }
        case .score where consequence.points != 0:
            let symbol = Symbol("DMARC_\(consequence.symbol)", points: consequence.points, description: note)
            finding.edits.append(.score(symbol))
            finding.decidedBy.append(consequence.pointsKey)
        case .score, .ignore: break
        }
        return finding
    }

    private func consequence(of outcome: DMARCOutcome) -> Consequence {
        let usual = usualConsequence(of: outcome)
        guard outcome.isUnknown else { return usual }
        let unknown = Consequence(
            key: "unknown_domain", action: unknownDomain, points: unknownDomainPoints, symbol: "UNKNOWN_DOMAIN")
        if usual.action.rank != unknown.action.rank { return usual.action.rank > unknown.action.rank ? usual : unknown }
        return usual.points >= unknown.points ? usual : unknown
    }

    private func usualConsequence(of outcome: DMARCOutcome) -> Consequence {
        switch (outcome.result, outcome.wish) {
        case (.fail, .reject):
            Consequence(key: "reject", action: reject, points: rejectPoints, symbol: "REJECT")
        case (.fail, .quarantine):
            Consequence(key: "quarantine", action: quarantine, points: quarantinePoints, symbol: "QUARANTINE")
        case (.fail, _): Consequence(key: "none", action: none, points: nonePoints, symbol: "NONE")
        case (.permerror, _):
            Consequence(key: "permerror", action: permerror, points: permerrorPoints, symbol: "PERMERROR")
        case (.temperror, _):
            Consequence(key: "temperror", action: temperror, points: temperrorPoints, symbol: "TEMPERROR")
        case (.pass, _): Consequence(key: "pass", action: .score, points: passPoints, symbol: "PASS")
        case (.none, _), (.neutral, _), (.policy, _), (.softfail, _):
            Consequence(key: "no_record", action: noRecord, points: noRecordPoints, symbol: "NO_RECORD")
        }
    }

    /// The reason in the reply. RFC 7489 §10.3; the codes of RFC 7372 §3.
    private func refusal(of outcome: DMARCOutcome, by consequence: Consequence) -> Reply {
        let code = consequence.action == .tempfail ? 451 : 550
        let domain = outcome.domain
        let reason = (outcome.reason ?? "").prefix(Self.longestReason)
        if consequence.key == "unknown_domain" {
            return Reply(code, .badSenderSystem, "\(domain) in the From field does not exist")
        }
        switch outcome.result {
        case .fail:
            let wish = outcome.wish.map { ", whose DMARC policy is \($0.rawValue)" } ?? ""
            return Reply(code, .severalChecksFailed, "Nothing proves that this is mail of \(domain)\(wish): \(reason)")
        case .permerror, .temperror:
            return Reply(
                code, .deliveryNotAuthorized, "The DMARC record of \(domain) could not be evaluated: \(reason)")
        default:
            return Reply(code, .deliveryNotAuthorized, "\(domain) has no DMARC record")
        }
    }

    /// Characters of a reason that a client is told.
    private static let longestReason = 200
}

extension DMARC.Configuration.Action {
    /// The strictest has the highest.
    fileprivate var rank: Int {
        switch self {
        case .ignore: 0
        case .score: 1
        case .junk: 2
        case .quarantine: 3
        case .tempfail: 4
        case .reject: 5
        }
    }
}

import MailTypes

/// Something in a chain that is allowed but cannot be meant.
public struct Lint: Sendable, Hashable {
    /// The file in `filters.d` that should change.
    public var file: String
    /// The other file that it does not go together with.
    public var other: String?
    public var message: String
}

extension Chain {
    /// All that the declared effects tell about this chain before a single message has come.
    public var lints: [Lint] {
        editsBehindSignature + editsBeforeVerification + scoresBehindThresholds + unjudgedScores + neverReached
            + contradictions
            + unknownResults
            + judgedTooEarly + unmetNeeds + misplaced + unroutable + unprovenSenders + unendingLoops
            + impossibleQuarantines + remarks
    }

    private var active: [Link] { links.filter { !$0.words.isObserved } }

    private var editsBehindSignature: [Lint] {
        pairs { first, second in
            guard first.effects.contains(.signs) else { return nil }
            if second.effects.contains(.editsBody) {
                return "\(second.name) changes the body behind \(first.name), which breaks every signature it made"
            }
            if second.effects.contains(.editsHeader), !second.effects.contains(.signs) {
                return "\(second.name) changes the header behind \(first.name), which may break its signatures"
            }
            return nil
        }
    }

    /// Methods that look at whether a message is as it was when it came.
    private static let verifications: Set = ["dkim", "arc"]

    private var editsBeforeVerification: [Lint] {
        pairs { first, second in
            let isEditing = first.effects.contains(.editsHeader) || first.effects.contains(.editsBody)
            guard isEditing, !first.effects.contains(.signs), !second.methods.isDisjoint(with: Self.verifications)
            else { return nil }
            return "\(first.name) changes the message before \(second.name) has verified it, and breaks what was sound"
        }
    }

    private var scoresBehindThresholds: [Lint] {
        pairs { first, second in
            guard first.effects.contains(.readsScore) else { return nil }
            if second.effects.contains(.exempts) {
                return "\(first.name) judges the score before \(second.name) has set it aside"
            }
            // What is found before the message is there has been counted, whatever its number.
            guard second.effects.contains(.scores), second.phases.contains(.message) else { return nil }
            return "\(first.name) judges the score before \(second.name) has added to it"
        }
    }

    /// Stages that do nothing but score, and nobody who looks at the score. Others may score and mean it as a remark.
    private var unjudgedScores: [Lint] {
        guard !active.contains(where: { $0.effects.contains(.readsScore) }) else { return [] }
        let scorers = active.filter { $0.effects.subtracting([.distinguishesRecipients, .authenticates]) == .scores }
        guard let last = scorers.last else { return [] }
        let shadow = links.first { $0.words.isObserved && $0.effects.contains(.readsScore) }
        let names = scorers.map(\.name.text).joined(separator: ", ")
        let found = shadow.map { "\($0.name) judges the score in shadow only" } ?? "no stage judges the score"
        let advice =
            shadow == nil ? "put the stage thresholds behind it" : "let it be applied, or these be in shadow too"
        let message = "nothing follows from what \(names) \(scorers.count == 1 ? "finds" : "find"): \(found); \(advice)"
        return [Lint(file: last.file, other: shadow?.file, message: message)]
    }

    private var neverReached: [Lint] {
        pairs { first, second in
            guard
                first.effects.contains(.acceptsAlways), first.words.only.isEmpty, first.words.unless.isEmpty,
                !second.base.phases.isDisjoint(with: first.base.phases)
            else { return nil }
            return "\(second.name) is never asked: \(first.name) accepts everything before it"
        }
    }

    private var contradictions: [Lint] {
        links.compactMap { link in
            guard !link.words.only.isEmpty, link.words.only.allSatisfy(link.words.unless.contains) else { return nil }
            let words = link.words.only.map { "\"\($0)\"" }.joined(separator: ", ")
            return Lint(file: link.file, message: "\(link.name) never runs: \(words) stands in both only and unless")
        }
    }

    /// `only = ["spf.pass"]` where no stage before has said anything of SPF.
    private var unknownResults: [Lint] {
        links.flatMap { link in
            (link.words.only + link.words.unless).compactMap { condition -> Lint? in
                guard case .result(let method, _) = condition else { return nil }
                let finders = active.filter { $0.methods.contains(method) }
                guard !finders.contains(where: { $0.isAsked(before: link) }) else { return nil }
                let message =
                    "\"\(condition)\" never holds here: no stage before \(link.name) finds \(method) results"
                return Lint(file: link.file, other: finders.first { $0.file != link.file }?.file, message: message)
            }
        }
    }

    /// DMARC before SPF or DKIM: what it goes by has not been found yet.
    private var judgedTooEarly: [Lint] {
        active.flatMap { judge -> [Lint] in
            let finders = active.filter { $0.file != judge.file && !$0.methods.isDisjoint(with: judge.judgesBy) }
            return finders.filter { !$0.isAsked(before: judge) }.map { late in
                let methods = late.methods.intersection(judge.judgesBy).sorted().joined(separator: ", ")
                let message = "\(judge.name) goes by results of \(methods) before \(late.name) has found them"
                return Lint(file: judge.file, other: late.file, message: message)
            }
        }
    }

    /// DMARC without SPF or without DKIM: half of what proves a message, or all of it, has nobody who looks for it.
    private var unmetNeeds: [Lint] {
        active.flatMap { judge -> [Lint] in
            let needs = type(of: judge.base.stage).needs
            let unmet = needs.filter { need in !active.contains { $0.methods.contains(need.method) } }
            guard unmet.count > 1, unmet.count == needs.count else { return unmet.map { lint(on: $0, of: judge) } }
            let methods = unmet.map(\.method).joined(separator: " and ")
            let finders = unmet.map(\.finder.text).joined(separator: " and ")
            let message =
                "\(judge.name) goes by results of \(methods), and no stage finds any: nothing ever passes it; "
                + "put the stages \(finders) before it"
            return [Lint(file: judge.file, message: message)]
        }
    }

    private func lint(on need: Need, of judge: Link) -> Lint {
        let shadow = links.first { $0.words.isObserved && $0.methods.contains(need.method) }
        let found = shadow.map { "\($0.name) finds them in shadow only" } ?? "no stage finds any"
        let advice =
            shadow == nil ? "put the stage \(need.finder) before it" : "let both be in shadow, or neither of them"
        let message = "\(judge.name) goes by results of \(need.method), and \(found): \(need.otherwise); \(advice)"
        return Lint(file: judge.file, other: shadow?.file, message: message)
    }

    /// What the stages say of their place behind one another, with the values that one domain has in both.
    private var misplaced: [Lint] {
        pairs { first, second in
            let scopes = [nil] + Set(first.domains.keys).union(second.domains.keys).sorted().map(Optional.some)
            return scopes.lazy.compactMap { scope in
                second.variant(for: scope).stage.remark(behind: first.variant(for: scope).stage)
            }.first
        }
    }

    private var unroutable: [Lint] {
        let routers = active.filter { link in
            link.effects.contains(.routes) && !link.effects.contains(.claims) && link.base.phases.contains(.recipient)
        }
        guard routers.allSatisfy({ $0.effects.contains(.relays) }) else { return [] }
        let refused = routers.isEmpty ? "every recipient" : "every recipient in this server's own domains"
        let message =
            "no stage says where mail goes, so \(refused) is refused; the stage \"recipients\" is missing"
        return [Lint(file: links.last?.file ?? "filters.d", message: message)]
    }

    private var unprovenSenders: [Lint] {
        guard let server = active.first(where: { $0.effects.contains(.servesUsers) }),
            !active.contains(where: { $0.effects.contains(.provesSenders) })
        else { return [] }
        let message =
            "nobody asks under which names users send, so each can write in everybody's; the stage \"senders\" is "
            + "missing, or asks about half of a message"
        return [Lint(file: server.file, message: message)]
    }

    private var unendingLoops: [Lint] {
        guard !active.contains(where: { $0.effects.contains(.endsLoops) && $0.base.phases.contains(.message) }) else {
            return []
        }
        let message =
            "no stage counts the servers that a message has passed, so one that goes round is never stopped; "
            + "the stage \"received\" is missing"
        return [Lint(file: links.last?.file ?? "filters.d", message: message)]
    }

    private var impossibleQuarantines: [Lint] {
        links.compactMap { link in
            guard
                link.words.onFailure == .quarantine, !link.base.phases.contains(.recipient),
                !link.base.phases.contains(.message)
            else { return nil }
            let message =
                "on_failure = \"quarantine\" has nothing to hold: \(link.name) is asked before there is a message"
            return Lint(file: link.file, message: message)
        }
    }

    /// What the stages say of their own values.
    private var remarks: [Lint] {
        links.flatMap { link in
            let said = ([link.base] + link.domains.values).map(\.stage).flatMap { stage in
                stage.remarks + [stage.remark(under: link.words)].compactMap(\.self)
            }
            return Set(said).sorted().map { Lint(file: link.file, message: $0) }
        }
    }

    private func pairs(_ judge: (Link, Link) -> String?) -> [Lint] {
        let active = active
        return active.indices.flatMap { first in
            active[(first + 1)...].compactMap { second in
                judge(active[first], second).map { Lint(file: second.file, other: active[first].file, message: $0) }
            }
        }
    }
}

extension Link {
    /// What this stage, with its values, may do.
    public var effects: Effects {
        ([base] + domains.values).reduce([]) { $0.union($1.stage.currentEffects) }
    }

    fileprivate var methods: Set<String> { type(of: base.stage).methods }

    fileprivate func variant(for scope: String?) -> StageVariant { scope.map { variant(for: $0) } ?? base }

    fileprivate var judgesBy: Set<String> { type(of: base.stage).judgesBy }

    /// Whether there is a moment at which this stage has been asked and the other one is asked.
    fileprivate func isAsked(before other: Link) -> Bool {
        phases.contains { phase in
            other.phases.contains { phase < $0 || (phase == $0 && number < other.number) }
        }
    }
}

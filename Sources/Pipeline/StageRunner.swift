import MailTypes

/// Asks one stage, and turns whatever happens into a step of the trace and a finding to apply.
struct StageRunner: Sendable {
    /// Whom a stage is asked about, beside the transaction.
    enum Subject: Sendable {
        case client
        case recipient(Recipient)
        case message(Message, for: [String])
    }

    let link: Link
    let phase: Phase
    let subject: Subject
    let variant: StageVariant

    /// The step, and what the chain is to apply: `nil` where nothing is.
    func run(in transaction: consuming Transaction) async -> (TraceStep, Finding?) {
        var step = TraceStep(phase: phase, stage: link.name, file: link.file, scope: variant.scope)
        step.recipients = names
        step.isApplied = !link.words.isObserved
        if let obstacle = link.obstacle(in: transaction) {
            step.skipped = obstacle
            return (step, nil)
        }
        let start = ContinuousClock.now
        let firstFact = transaction.services.factCount
        transaction.services = transaction.services.until(start + link.words.timeout.duration)
        transaction.ownOptions = link.ownOptions(of: variant)

        var applied: Finding?
        do throws(StageFailure) {
            let finding = try await ask(transaction)
            try check(finding)
            step.finding = finding
            step.decidedBy = origins(of: finding)
            applied = finding
        } catch {
            step.failure = error
            step.onFailure = link.words.isObserved ? nil : effectivePolicy
            applied = consequence(of: error)
        }
        step.microseconds = Int((ContinuousClock.now - start) / .microseconds(1))
        step.facts = firstFact..<transaction.services.factCount
        return (step, link.words.isObserved ? nil : applied)
    }

    private var names: [String] {
        switch subject {
        case .client: []
        case .recipient(let recipient): [recipient.address.description]
        case .message(_, let names): names
        }
    }

    private func ask(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        switch (phase, subject) {
        case (.connect, _): try await variant.connect?.connect(transaction) ?? Finding.none
        case (.hello, _): try await variant.hello?.hello(transaction) ?? Finding.none
        case (.sender, _): try await variant.sender?.sender(transaction) ?? Finding.none
        case (.recipient, .recipient(let recipient)):
            try await variant.recipient?.recipient(recipient, in: transaction) ?? Finding.none
        case (.message, .message(let message, _)):
            try await variant.message?.message(message, in: transaction) ?? Finding.none
        case (.recipient, _), (.message, _): Finding.none
        }
    }

    /// A finding outside the declared effects is a bug of the stage; it must not slip into mail.
    private func check(_ finding: Finding) throws(StageFailure) {
        let excess = finding.effects.subtracting(type(of: variant.stage).effects)
        guard excess.isEmpty else {
            throw StageFailure("\(link.name) found something outside its declared effects (bits \(excess.rawValue))")
        }
    }

    /// There is nothing to hold before there is a recipient.
    private var effectivePolicy: FailurePolicy {
        link.words.onFailure == .quarantine && phase < .recipient ? .tempfail : link.words.onFailure
    }

    private func consequence(of failure: StageFailure) -> Finding? {
        switch effectivePolicy {
        case .continue:
            guard phase == .message else { return nil }
            let note = failure.timedOut ? "no answer in time" : "could not decide"
            return Finding(edits: [.prependField(name: "X-Sluice-Unchecked", value: "\(link.name) (\(note))")])
        case .quarantine:
            return Finding(.quarantine(reason: "\(link.name) could not decide: \(failure.reason)"))
        case .tempfail:
            return Finding(.tempfail(Reply(451, .systemOther, "Cannot judge this just now; please try again later")))
        }
    }

    private func origins(of finding: Finding) -> [String: ValueOrigin] {
        var origins: [String: ValueOrigin] = [:]
        for key in finding.decidedBy { origins[key] = finding.origins?[key] ?? variant.values[key] }
        return origins
    }
}

extension Finding {
    /// What this finding really contains, in the terms of ``Effects``.
    public var effects: Effects {
        var effects: Effects =
            switch verdict {
            case .continue: []
            case .accept: .accepts
            case .reject: .rejects
            case .tempfail: .tempfails
            case .quarantine: .quarantines
            case .discard: .discards
            }
        for edit in edits {
            switch edit {
            case .score: effects.insert(.scores)
            case .authentication: effects.insert(.authenticates)
            case .prependField: effects.insert(.prependsFields)
            case .appendField, .removeFields, .insertField: effects.insert(.editsHeader)
            case .replaceBody, .spliceBody: effects.insert(.editsBody)
            case .resolve: effects.insert(.routes)
            case .disposition: effects.insert(.disposes)
            case .addRecipient, .removeRecipient, .changeSender: effects.insert(.changesEnvelope)
            case .policy: effects.insert(.distinguishesRecipients)
            case .exempt, .standing: effects.insert(.exempts)
            case .block: effects.insert(.blocks)
            case .unclaimed: effects.insert(.rejects)
            }
        }
        return effects
    }
}

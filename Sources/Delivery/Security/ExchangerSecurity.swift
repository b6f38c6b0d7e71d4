import MailTypes
import Pipeline
import Protocols

/// How mail is protected on its way.
enum SecurityNeed: Int, Sendable, Hashable, Comparable {
    /// Its sender says: not at all, if need be. RFC 8689 §4.3.
    case none
    case usual
    /// Its sender wants TLS that is proven, or no delivery. RFC 8689 §4.2.
    case proven

    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Decides how TLS is made with the exchangers of one domain: by the admin's policy, and by what the domain publishes.
struct ExchangerSecurity: Sendable {
    let domain: String
    let policy: TLSPolicy
    let need: SecurityNeed
    /// DNSSEC vouches for the names of the exchangers, or there is no MX record and the domain is its own.
    let isNameAuthentic: Bool
    let sts: MTASTSFinding
    let port: Int
    let hooks: DeliveryHooks

    /// A host's own decision; `isSecure`: whether DNSSEC vouches for its addresses.
    func decision(for host: String, isSecure: Bool) async -> TLSDecision {
        var decision = await published(for: host, isSecure: isSecure)
        decision.reason += "; \(policy.source)"
        if need == .none { decision.reason += "; TLS-Required: No" }
        // Of what no policy held for, nobody is told: reports themselves go so. RFC 8460 §3.
        let isPlain = need == .none || policy.level == .none
        decision.reportsTo = isPlain || HostFinder.literal(domain) != nil ? nil : domain
        return decision
    }

    private func published(for host: String, isSecure: Bool) async -> TLSDecision {
        if policy.level == .none { return plain(.never, "no TLS") }
        if policy.keepsDANE, hooks.validatesDNS {
            switch await DANE(hooks, port: port).finding(for: host, isSecure: isSecure) {
            case .none: break
            case .failure(let reason):
                return refused(
                    Reply(451, .securityOther, "The TLSA records of \(host) cannot be had: \(reason)"),
                    "DANE: \(reason)", PublishedPolicy(.tlsa, domain: host),
                    faults: [TLSFailure(.dnssecInvalid, reason: reason)])
            case .records(let found):
                return dane(found, host)
            }
        }
        if let decision = byMTASTS(host) { return decision }
        guard policy.keepsMTASTS, case .failure = sts else {
            return byLevel(host, PublishedPolicy(.none, domain: domain), "")
        }
        var decision = byLevel(host, sts.published(domain), "")
        decision.faults += sts.faults(of: host)
        return decision
    }

    // MARK: DANE

    private func dane(_ found: DANE.Found, _ host: String) -> TLSDecision {
        let published = PublishedPolicy(.tlsa, domain: found.base, text: found.texts)
        let vouched = isNameAuthentic ? "" : ", but the MX records are not signed"
        if policy.level == .dane, !isNameAuthentic {
            let reason = "the MX records are not signed"
            return refused(
                Reply(451, .securityOther, "DANE is required for \(domain), and its MX records are not signed"),
                "DANE\(vouched)", published, faults: [TLSFailure(.daneRequired, reason: reason)])
        }
        if let obstacle = policyObstacle(to: host) {
            return refused(
                obstacle, "DANE\(vouched); MTA-STS", sts.published(domain), faults: sts.faults(of: host))
        }
        guard !found.usable.isEmpty else {
            let reason = "DANE: no usable TLSA record at \(found.owner), so "
            // They prove nothing, so they switch no policy off.
            if var decision = byMTASTS(host) {
                decision.reason = reason + decision.reason
                if decision.encryption == .opportunistic { decision.encryption = .required }
                return decision
            }
            // TLS without proof is what the records still ask for. RFC 7672 §2.2.
            var decision = byLevel(host, published, reason, least: .required)
            if decision.faults.isEmpty { decision.faults = [TLSFailure(.tlsaInvalid, reason: "none is usable")] }
            return decision
        }
        let isAuthentic = isNameAuthentic || isNamedByPolicy(host)
        if need == .proven, !isAuthentic { return unproven(host, published) }
        var decision = TLSDecision(
            encryption: .required, proof: .tlsa(found.usable, names: found.names(with: isNameAuthentic ? domain : nil)),
            published: published, reason: "TLS proven by DANE (\(found.owner)\(vouched))")
        decision.isExchangerAuthentic = isAuthentic
        decision.serverName = found.base
        return decision
    }

    /// An MTA-STS policy says that the host is one of the domain's exchangers.
    private func isNamedByPolicy(_ host: String) -> Bool {
        guard policy.keepsMTASTS, case .policy(let found) = sts, found.mode != .none else { return false }
        return found.allows(host)
    }

    /// What an MTA-STS policy has against a host with TLSA records. Where the MX records are signed it has no say; but
    /// whoever forges unsigned ones can name an exchanger with TLSA records of his own.
    private func policyObstacle(to host: String) -> Reply? {
        guard policy.keepsMTASTS, policy.level != .dane else { return nil }
        if policy.level == .mtaSTS { return sts.obstacle(to: host, of: domain, isRequired: true) }
        return isNameAuthentic ? nil : sts.obstacle(to: host, of: domain, isRequired: false)
    }

    // MARK: MTA-STS

    private func byMTASTS(_ host: String) -> TLSDecision? {
        // DANE that is required is not had by another proof.
        guard policy.keepsMTASTS, policy.level != .dane else { return nil }
        if let obstacle = sts.obstacle(to: host, of: domain, isRequired: policy.level == .mtaSTS) {
            return refused(obstacle, "MTA-STS", sts.published(domain), faults: sts.faults(of: host))
        }
        guard case .policy(let found) = sts else { return nil }
        let published = sts.published(domain)
        switch found.mode {
        case .none: return nil
        case .enforce:
            return proven(host, published, "TLS proven for MTA-STS (policy \(found.id))", isAuthentic: true)
        case .testing:
            guard need != .proven else {
                return proven(
                    host, published, "TLS proven (MTA-STS policy \(found.id))", isAuthentic: found.allows(host))
            }
            var decision = byLevel(host, published, "MTA-STS is being tested (policy \(found.id)): ")
            decision.faults += sts.faults(of: host)
            guard decision.proof == nil, decision.encryption != .never else { return decision }
            decision.proof = .authority(names: [host])
            decision.isEnforced = false
            decision.isExchangerAuthentic = found.allows(host)
            return decision
        }
    }

    // MARK: The admin's level

    private func byLevel(
        _ host: String, _ published: PublishedPolicy, _ reason: String, least: SMTPClientMachine.Encryption? = nil
    ) -> TLSDecision {
        if need == .proven {
            guard isNameAuthentic else { return unproven(host, published) }
            return proven(host, published, reason + "TLS proven", isAuthentic: true)
        }
        switch policy.level {
        case .none: return plain(.never, "no TLS")
        case .opportunistic:
            let encryption = least ?? .opportunistic
            let words = encryption == .required ? "TLS required" : "TLS if offered"
            return TLSDecision(encryption: encryption, published: published, reason: reason + words)
        case .required:
            return TLSDecision(encryption: .required, published: published, reason: reason + "TLS required")
        case .verified:
            return proven(host, published, reason + "TLS proven", isAuthentic: isNameAuthentic)
        case .dane:
            let reply = Reply(
                451, .securityOther, "DANE is required for \(domain), and \(host) has no usable TLSA record")
            return refused(
                reply, reason + "DANE is required", published,
                faults: [TLSFailure(.daneRequired, reason: "\(host) has no usable TLSA record")])
        case .mtaSTS:
            let reply = Reply(451, .securityOther, "MTA-STS is required for \(domain), which has no policy in force")
            return refused(reply, reason + "MTA-STS is required", published)
        }
    }

    private func proven(
        _ host: String, _ published: PublishedPolicy, _ reason: String, isAuthentic: Bool
    ) -> TLSDecision {
        if need == .proven, !isAuthentic { return unproven(host, published) }
        var decision = TLSDecision(
            encryption: .required, proof: .authority(names: [host]), published: published, reason: reason)
        decision.isExchangerAuthentic = isAuthentic
        return decision
    }

    private func plain(_ encryption: SMTPClientMachine.Encryption, _ reason: String) -> TLSDecision {
        let decision = TLSDecision(
            encryption: encryption, published: PublishedPolicy(.none, domain: domain), reason: reason)
        guard need == .proven else { return decision }
        let reply = Reply(550, .requireTLSNeeded, "REQUIRETLS, and TLS with \(domain) is switched off here")
        return refused(reply, reason, decision.published)
    }

    private func refused(
        _ reply: Reply, _ reason: String, _ published: PublishedPolicy, faults: [TLSFailure] = []
    ) -> TLSDecision {
        var decision = TLSDecision(encryption: .required, published: published, reason: reason)
        decision.obstacle = reply
        decision.faults = faults
        return decision
    }

    /// Nobody vouches for the exchanger's name, so no certificate proves anything. RFC 8689 §4.2.1.
    private func unproven(_ host: String, _ published: PublishedPolicy) -> TLSDecision {
        refused(
            Reply(
                550, .requireTLSNeeded,
                "REQUIRETLS: neither DNSSEC nor MTA-STS proves that \(host) is an exchanger of \(domain)"),
            "REQUIRETLS", published)
    }
}

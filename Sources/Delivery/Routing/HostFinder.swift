import MailTypes
import Pipeline
import Protocols
import Queue

/// A host to connect to, with how to speak with it.
struct Target: Sendable, Hashable {
    /// Where the connection goes.
    enum Endpoint: Sendable, Hashable {
        case address(IPAddress, port: Int)
        /// A socket in the file system.
        case path(String)
    }

    /// The name that a certificate must have.
    var name: String
    var endpoint: Endpoint
    /// As the route names it; 0 for a socket in the file system.
    var port: Int { if case .address(_, let port) = endpoint { port } else { 0 } }
    var language: RelayHost.Language
    var security: RelayHost.Security
    var credential: String?
    /// The address to connect from; `nil`: the system chooses.
    var source: IPAddress?
    /// How TLS is made with an exchanger; of other hosts ``security`` says it.
    var decision: TLSDecision?
    /// Of an exchanger: the lower, the better. RFC 5321 §5.1.
    var preference = 0

    var encryption: SMTPClientMachine.Encryption { decision?.encryption ?? security.encryption }

    /// The certificate is verified before anything is said inside TLS.
    var verifiesTLS: Bool { decision?.isProven ?? (security == .verified || security == .implicit) }
}

extension RelayHost.Security {
    fileprivate var encryption: SMTPClientMachine.Encryption {
        switch self {
        case .none: .never
        case .opportunistic: .opportunistic
        case .required, .verified: .required
        case .implicit: .implicit
        }
    }
}

/// Finds the hosts of a destination.
struct HostFinder: Sendable {
    let hostname: String
    let options: DeliveryOptions
    let hooks: DeliveryHooks

    func targets(
        of destination: QueueDestination, need: SecurityNeed = .usual
    ) async throws(RoutingFailure) -> [Target] {
        switch destination {
        case .exchanger(let domain): try await exchangers(of: domain, need)
        case .host(let host) where host.fallbacks.isEmpty: try await targets(of: host)
        case .host(let host): try await targets(ofAnyOf: [host] + host.fallbacks)
        case .mailboxes, .discard: []
        }
    }

    // MARK: Mail exchangers

    private func exchangers(of domain: String, _ need: SecurityNeed) async throws(RoutingFailure) -> [Target] {
        let isBackup: Bool
        do throws(StageFailure) { isBackup = try await hooks.isBackup(domain) } catch { throw .noAnswer(error.reason) }
        guard isBackup else { return try await exchangers(of: domain, need, mayBeHosted: false) }
        do throws(RoutingFailure) {
            return try await exchangers(of: domain, need, mayBeHosted: true)
        } catch { throw error.ofBackup }
    }

    private func exchangers(
        of domain: String, _ need: SecurityNeed, mayBeHosted: Bool
    ) async throws(RoutingFailure) -> [Target] {
        if let literal = Self.literal(domain) {
            let security = await security(of: domain, need, isNameAuthentic: false)
            let decision = await security.decision(for: domain, isSecure: false)
            return try usable([Found(name: domain, address: literal, decision: decision)], for: domain)
        }
        let isHosted: Bool
        do throws(StageFailure) { isHosted = mayBeHosted ? false : try await hooks.isHosted(domain) } catch {
            throw .noAnswer(error.reason)
        }
        if isHosted { throw .hosted(domain) }
        let answer: DNSAnswer
        do throws(StageFailure) { answer = try await hooks.resolve(DNSQuestion(domain, .mx)) } catch {
            throw .noAnswer(error.reason)
        }
        let hosts = try MailExchangers.ranked(for: domain, answer, isOwn: isOwn)
        // Without an MX record the name is the one that the sender has written. RFC 7672 §2.2.2.
        let isNameAuthentic = if case .records(_, let isSecure) = answer { isSecure } else { true }
        let security = await security(of: domain, need, isNameAuthentic: isNameAuthentic)
        var found: [Found] = []
        var failure: StageFailure?
        for (preference, host) in hosts where found.count < options.maxHosts {
            do throws(StageFailure) {
                let (addresses, isSecure) = try await addresses(of: host)
                guard !addresses.isEmpty else { continue }
                let decision = await security.decision(for: host, isSecure: isSecure)
                found += addresses.map {
                    Found(name: host, address: $0, decision: decision, preference: preference)
                }
            } catch { failure = failure ?? error }
        }
        if found.isEmpty, let failure { throw .noAnswer(failure.reason) }
        return try usable(found, for: domain)
    }

    private struct Found {
        var name: String
        var address: IPAddress
        var decision: TLSDecision
        var preference = 0
    }

    private func security(
        of domain: String, _ need: SecurityNeed, isNameAuthentic: Bool
    ) async -> ExchangerSecurity {
        var policy = hooks.tlsPolicy(domain)
        if need == .none { policy = policy.withoutPublished }
        let asksForPolicy = policy.keepsMTASTS && policy.level != .none && Self.literal(domain) == nil
        return ExchangerSecurity(
            domain: domain, policy: policy, need: need, isNameAuthentic: isNameAuthentic,
            sts: asksForPolicy ? await hooks.mtaSTS(domain) : .none, port: options.exchangerPort, hooks: hooks)
    }

    private func usable(_ found: [Found], for domain: String) throws(RoutingFailure) -> [Target] {
        var better = found
        // An exchanger under another name that is this server all the same.
        if let own = found.first(where: { isOwnExchanger($0.address) }) {
            better.removeAll { $0.preference >= own.preference }
            if better.isEmpty { throw .loop(domain) }
        }
        let allowed = better.filter { !(options.refusesPrivateExchangers && $0.address.isSpecial) }
        guard !allowed.isEmpty else { throw .noHost(domain) }
        return allowed.prefix(options.maxHosts).map { host in
            Target(
                name: host.name, endpoint: .address(host.address, port: options.exchangerPort), language: .smtp,
                security: .opportunistic, credential: nil, source: source(to: host.address), decision: host.decision,
                preference: host.preference)
        }
    }

    func isOwnExchanger(_ address: IPAddress) -> Bool {
        options.ownAddresses.contains(address) || isOwn(address, options.exchangerPort)
    }

    private func source(to address: IPAddress) -> IPAddress? {
        options.sourceAddresses.first { $0.isIPv6 == address.isIPv6 }
    }

    func isOwn(_ host: String) -> Bool {
        let host = host.asciiLowercased
        return host == hostname.asciiLowercased || options.ownNames.contains(host) || host == "localhost"
    }

    // MARK: Named hosts

    /// One after the other; those that cannot be found are left out while others can.
    private func targets(ofAnyOf hosts: [RelayHost]) async throws(RoutingFailure) -> [Target] {
        var found: [Target] = []
        var failure: RoutingFailure?
        for host in hosts {
            do throws(RoutingFailure) { found += try await targets(of: host) } catch { failure = failure ?? error }
        }
        if found.isEmpty, let failure { throw failure }
        return found
    }

    private func targets(of host: RelayHost) async throws(RoutingFailure) -> [Target] {
        func target(_ endpoint: Target.Endpoint) -> Target {
            var own: IPAddress?
            if case .address(let address, _) = endpoint { own = source(to: address) }
            return Target(
                name: host.name, endpoint: endpoint, language: host.language, security: host.security,
                credential: host.credential, source: own)
        }
        if host.name.hasPrefix("/") { return [target(.path(host.name))] }
        if let address = IPAddress(host.name) ?? Self.literal(host.name) {
            guard !isOwn(address, host.port) else { throw .relayHostIsOwn("\(host.name):\(host.port)") }
            return [target(.address(address, port: host.port))]
        }
        let found: [IPAddress]
        do throws(StageFailure) { found = try await addresses(of: host.name).found } catch {
            throw .noAnswer(error.reason)
        }
        guard !found.isEmpty else { throw .relayHostUnknown(host.name) }
        let others = found.filter { !isOwn($0, host.port) }
        guard !others.isEmpty else { throw .relayHostIsOwn("\(host.name):\(host.port)") }
        return others.prefix(options.maxHosts).map { target(.address($0, port: host.port)) }
    }

    /// Whether this server itself would answer there: mail would come back for ever.
    private func isOwn(_ address: IPAddress, _ port: Int) -> Bool {
        options.ownEndpoints.answers(at: address, port)
    }

    // MARK: Addresses

    /// `[192.0.2.1]` or `[IPv6:2001:db8::1]`. RFC 5321 §4.1.3.
    static func literal(_ domain: String) -> IPAddress? {
        guard domain.hasPrefix("["), domain.hasSuffix("]") else { return nil }
        let inner = domain.dropFirst().dropLast()
        return inner.asciiLowercasedPrefix("ipv6:") ? IPAddress(inner.dropFirst(5)) : IPAddress(inner)
    }

    /// The addresses of a host in the order in which they are tried; none, if it has none. One family's failure does
    /// not matter while the other has an answer. DNSSEC must vouch for all of them, if it is to for any.
    func addresses(of host: String) async throws(StageFailure) -> (found: [IPAddress], isSecure: Bool) {
        let wantsIPv4 = options.addressFamilies != .onlyIPv6
        let wantsIPv6 = options.addressFamilies != .onlyIPv4
        async let four = wantsIPv4 ? lookUp(host, .a) : .success(([], true))
        async let six = wantsIPv6 ? lookUp(host, .aaaa) : .success(([], true))
        let (ipv4, ipv6) = await (four, six)
        let both = options.addressFamilies == .preferIPv4 ? [ipv4, ipv6] : [ipv6, ipv4]
        let answers = both.compactMap { try? $0.get() }
        let found = answers.flatMap(\.found)
        if found.isEmpty { for answer in both { _ = try answer.get() } }
        return (found, answers.allSatisfy { $0.found.isEmpty || $0.isSecure })
    }

    private func lookUp(
        _ host: String, _ type: DNSQuestion.RecordType
    ) async -> Result<(found: [IPAddress], isSecure: Bool), StageFailure> {
        do throws(StageFailure) {
            guard case .records(let records, let isSecure) = try await hooks.resolve(DNSQuestion(host, type)) else {
                return .success(([], true))
            }
            let found = records.compactMap { if case .address(let address) = $0 { address } else { nil } }
            return .success((found, isSecure))
        } catch {
            return .failure(error)
        }
    }
}

extension Substring {
    fileprivate func asciiLowercasedPrefix(_ prefix: String) -> Bool {
        self.prefix(prefix.count).utf8.equalsIgnoringCase(prefix.utf8)
    }
}

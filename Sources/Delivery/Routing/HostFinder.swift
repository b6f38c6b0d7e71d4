import MailTypes
import Pipeline
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
}

/// Finds the hosts of a destination.
struct HostFinder: Sendable {
    let hostname: String
    let options: DeliveryOptions
    let hooks: DeliveryHooks

    func targets(of destination: QueueDestination) async throws(RoutingFailure) -> [Target] {
        switch destination {
        case .exchanger(let domain): try await exchangers(of: domain)
        case .host(let host) where host.fallbacks.isEmpty: try await targets(of: host)
        case .host(let host): try await targets(ofAnyOf: [host] + host.fallbacks)
        case .mailboxes, .discard: []
        }
    }

    // MARK: Mail exchangers

    private func exchangers(of domain: String) async throws(RoutingFailure) -> [Target] {
        if let literal = Self.literal(domain) { return try usable([(domain, literal)], for: domain) }
        let isHosted: Bool
        do throws(StageFailure) { isHosted = try await hooks.isHosted(domain) } catch { throw .noAnswer(error.reason) }
        if isHosted { throw .hosted(domain) }
        let answer: DNSAnswer
        do throws(StageFailure) { answer = try await hooks.resolve(DNSQuestion(domain, .mx)) } catch {
            throw .noAnswer(error.reason)
        }
        let hosts = try MailExchangers.hosts(for: domain, answer, isOwn: isOwn)
        var found: [(String, IPAddress)] = []
        var failure: StageFailure?
        for host in hosts where found.count < options.maxHosts {
            do throws(StageFailure) { found += try await addresses(of: host).map { (host, $0) } } catch {
                failure = failure ?? error
            }
        }
        if found.isEmpty, let failure { throw .noAnswer(failure.reason) }
        return try usable(found, for: domain)
    }

    private func usable(_ found: [(name: String, address: IPAddress)], for domain: String) throws(RoutingFailure)
        -> [Target]
    {
        // An exchanger under another name that is this server all the same.
        if let own = found.firstIndex(where: { options.ownAddresses.contains($0.address) }), own == 0 {
            throw .loop(domain)
        }
        let allowed = found.prefix { !options.ownAddresses.contains($0.address) }
            .filter { !(options.refusesPrivateExchangers && $0.address.isSpecial) }
        guard !allowed.isEmpty else { throw .noHost(domain) }
        return allowed.prefix(options.maxHosts).map { host in
            Target(
                name: host.name, endpoint: .address(host.address, port: options.exchangerPort), language: .smtp,
                security: options.exchangerSecurity, credential: nil, source: source(to: host.address))
        }
    }

    private func source(to address: IPAddress) -> IPAddress? {
        options.sourceAddresses.first { $0.isIPv6 == address.isIPv6 }
    }

    private func isOwn(_ host: String) -> Bool {
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
        do throws(StageFailure) { found = try await addresses(of: host.name) } catch { throw .noAnswer(error.reason) }
        guard !found.isEmpty else { throw .relayHostUnknown(host.name) }
        let others = found.filter { !isOwn($0, host.port) }
        guard !others.isEmpty else { throw .relayHostIsOwn("\(host.name):\(host.port)") }
        return others.prefix(options.maxHosts).map { target(.address($0, port: host.port)) }
    }

    /// Whether this server itself would answer there: mail would come back for ever.
    private func isOwn(_ address: IPAddress, _ port: Int) -> Bool {
        options.ownEndpoints.contains(ServerEndpoint(address, port))
    }

    // MARK: Addresses

    /// `[192.0.2.1]` or `[IPv6:2001:db8::1]`. RFC 5321 §4.1.3.
    static func literal(_ domain: String) -> IPAddress? {
        guard domain.hasPrefix("["), domain.hasSuffix("]") else { return nil }
        let inner = domain.dropFirst().dropLast()
        return inner.asciiLowercasedPrefix("ipv6:") ? IPAddress(inner.dropFirst(5)) : IPAddress(inner)
    }

    /// The addresses of a host in the order in which they are tried; none, if it has none. One family's failure does
    /// not matter while the other has an answer.
    private func addresses(of host: String) async throws(StageFailure) -> [IPAddress] {
        let wantsIPv4 = options.addressFamilies != .onlyIPv6
        let wantsIPv6 = options.addressFamilies != .onlyIPv4
        async let four = wantsIPv4 ? lookUp(host, .a) : .success([])
        async let six = wantsIPv6 ? lookUp(host, .aaaa) : .success([])
        let (ipv4, ipv6) = await (four, six)
        let both = options.addressFamilies == .preferIPv4 ? [ipv4, ipv6] : [ipv6, ipv4]
        let found = both.flatMap { (try? $0.get()) ?? [] }
        if found.isEmpty { for answer in both { _ = try answer.get() } }
        return found
    }

    private func lookUp(_ host: String, _ type: DNSQuestion.RecordType) async -> Result<[IPAddress], StageFailure> {
        do throws(StageFailure) {
            guard case .records(let records, _) = try await hooks.resolve(DNSQuestion(host, type)) else {
                return .success([])
            }
            return .success(records.compactMap { if case .address(let address) = $0 { address } else { nil } })
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

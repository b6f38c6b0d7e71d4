import Adapters
import Configuration
import Delivery
import Directory
import Filters
import Foundation
import Logging
import MailTypes
import NIOCore
import Pipeline

extension DeliveryHooks {
    /// Delivery's hooks into the living world. `chain` is asked anew for each report: a reload may have replaced it.
    init(
        _ world: LiveWorld, _ chain: @escaping @Sendable () -> Chain, _ logger: Logger, _ traces: TraceKeeper,
        _ seal: LoginSeal, _ outbound: OutboundSecurity
    ) {
        self.init(
            resolve: { question async throws(StageFailure) in try await world.resolver.answer(question) },
            routes: { address async throws(StageFailure) in try await world.destinations(of: address, by: chain()) })
        isHosted = { domain async throws(StageFailure) in
            guard case .directory(.domain(let hosted)) = try await world.now(.directory(.domain(domain))) else {
                return false
            }
            return hosted != nil
        }
        isBackup = { domain async throws(StageFailure) in
            guard case .directory(.relayDomain(let found?)) = try await world.now(.directory(.relayDomain(domain)))
            else { return false }
            return found.isBackup
        }
        giveUpAfter = { domain in world.directory.giveUpAfter(ofRelayDomain: domain) }
        login = { credential, host, port throws(StageFailure) in
            do throws(StageFailure) {
                let sealed = try await world.directory.relayLogin(credential, host: host, port: port)
                return try sealed.map { login throws(StageFailure) in try seal.open(login, host: host, port: port) }
            } catch {
                logger.error("login at another server", metadata: ["host": "\(host)", "error": "\(error.reason)"])
                throw error
            }
        }
        quota = { mailbox in world.directory.quota(of: mailbox) }
        standing = { mailbox async throws(StageFailure) in try await world.standing(of: mailbox) }
        outbound.add(to: &self)
        report = { event in
            logger.info("delivery", metadata: event.metadata)
            traces.keep(event)
        }
    }
}

extension RecipientProbe {
    convenience init(_ settings: ServerConfiguration, _ hooks: DeliveryHooks, _ group: any EventLoopGroup) {
        self.init(hostname: settings.hostname, options: DeliveryOptions(settings), hooks: hooks, group: group)
    }
}

extension LiveWorld {
    /// How far one address of a report may lead. More members than that are no sender who waits for a report: it
    /// would be spam to most of them.
    private static let reportLimits = Expansion.Limits(depth: 10, members: 1000)

    /// Where a report to this address goes: as the `transport` stages say, like all other mail; else the directory's
    /// answer, followed to its end.
    func destinations(of address: EmailAddress, by chain: Chain) async throws(StageFailure) -> [Destination] {
        let address = original(of: address, by: chain) ?? address
        if let fixed = try await fixedRoute(of: address, by: chain) { return [fixed] }
        var expansion = Expansion(of: address, Self.reportLimits)
        try await follow(&expansion)
        if expansion.isUnknown, expansion.partner == nil, let target = try await catchAll(of: address, by: chain) {
            expansion = Expansion(of: address, Self.reportLimits)
            expansion.learn(.expands(to: [target], kind: .alias))
            try await follow(&expansion)
        }
        // Part of a way that is too far is nobody's.
        guard expansion.defect == nil else { return [] }
        if expansion.isForeign {
            let usual = Destination(address: address, route: .exchanger(domain: address.domain))
            return [try await leaving(usual, by: chain)]
        }
        if let partner = expansion.partner {
            return chain.stages(SplitDomains.self, onReportsTo: address.domain, self).isEmpty ? [] : [partner]
        }
        var found: [Destination] = []
        for destination in expansion.destinations {
            guard case .exchanger = destination.route else {
                found.append(try await away(destination, from: address, by: chain))
                continue
            }
            let fixed = try await fixedRoute(of: destination.address, by: chain)
            found.append(try await leaving(fixed ?? destination, by: chain))
        }
        return found
    }

    private func follow(_ expansion: inout Expansion) async throws(StageFailure) {
        while let next = expansion.next() {
            guard case .directory(.address(let meaning)) = try await now(.directory(.address(next))) else {
                expansion.learn(.unknown)
                continue
            }
            expansion.learn(meaning)
        }
    }

    /// Who reads what is sent to an address that nobody has, if the chain has that done.
    private func catchAll(of address: EmailAddress, by chain: Chain) async throws(StageFailure) -> EmailAddress? {
        guard !chain.stages(CatchAll.self, onReportsTo: address.domain, self).isEmpty,
            case .directory(.domain(let hosted?)) = try await now(.directory(.domain(address.domain)))
        else { return nil }
        return hosted.catchAll
    }

    /// Whom a reverse-path stands for that a stage `srs` of the chain has put in another's place.
    private func original(of address: EmailAddress, by chain: Chain) -> EmailAddress? {
        let stages = chain.stages(SRS.self, onReportsTo: address.domain, self)
        return stages.lazy.compactMap { $0.original(of: address, at: Date()) }.first
    }

    private func fixedRoute(of address: EmailAddress, by chain: Chain) async throws(StageFailure) -> Destination? {
        for stage in chain.stages(Transport.self, onReportsTo: address.domain, self) {
            if let destination = stage.destination(of: address) { return destination }
        }
        if let route = try await relay(of: address.domain, by: chain) {
            return Destination(address: address, route: route)
        }
        guard case .directory(.domain(let hosted?)) = try await now(.directory(.domain(address.domain))),
            hosted.name != address.domain.asciiLowercased, let route = try await relay(of: hosted.name, by: chain)
        else { return nil }
        return Destination(
            address: EmailAddress(localPart: address.localPart, domain: hosted.name), route: route)
    }

    /// Where all mail for a domain goes, if the chain has that done.
    private func relay(of domain: String, by chain: Chain) async throws(StageFailure) -> Route? {
        guard !chain.stages(RelayDomains.self, onReportsTo: domain, self).isEmpty,
            case .directory(.relayDomain(let found?)) = try await now(.directory(.relayDomain(domain)))
        else { return nil }
        return found.route
    }

    /// A mailbox that another address leads to gets nothing where its domain is relayed as a whole.
    private func away(
        _ destination: Destination, from address: EmailAddress, by chain: Chain
    ) async throws(StageFailure) -> Destination {
        guard case .mailbox(let mailbox) = destination.route, destination.address.key != address.key,
            let route = try await relay(of: mailbox.domain, by: chain)
        else { return destination }
        return Destination(address: destination.address, route: route)
    }

    /// A report leaves through everybody's smarthost, if there is one: it is this server that sends it.
    private func leaving(_ destination: Destination, by chain: Chain) async throws(StageFailure) -> Destination {
        let stages = chain.stages(Smarthost.self, onReportsTo: destination.address.domain, self)
        guard let stage = stages.first, stage.affects(destination),
            try await relay(of: destination.address.domain, by: chain) == nil,
            case .directory(.smarthost(let host?)) = try await now(.directory(.smarthost(postOffice: nil)))
        else { return destination }
        return Destination(address: destination.address, route: .host(host))
    }

    func now(_ question: Question) async throws(StageFailure) -> Answer {
        if let answer = immediate(question) { return answer }
        return try await answer(question)
    }

    /// What the directory says now of a mailbox that mail was accepted for.
    func standing(of mailbox: EmailAddress) async throws(StageFailure) -> MailboxStanding {
        guard case .directory(.address(let meaning)) = try await now(.directory(.address(mailbox))) else {
            return .present
        }
        switch meaning {
        case .mailbox(let found) where found.key == mailbox.key: return .present
        // What was taken for it before it was redirected is its own.
        case .redirects(let found, _, _) where found.key == mailbox.key: return .present
        case .disabled: return .refused(Reply(550, .mailboxDisabled, "Mailbox is disabled"))
        case .unknown: return .refused(Reply(550, .badDestinationMailbox, "No such user here"))
        case .mailbox, .redirects, .expands, .atPartner, .unverified, .foreign:
            return .refused(Reply(550, .destinationMoved, "Mailbox has moved; please send the message again"))
        }
    }
}

extension DeliveryEvent {
    fileprivate var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = [
            "id": "\(id)", "to": "\(recipient)", "outcome": "\(outcome.rawValue)",
            "seconds": "\((seconds * 1000).rounded() / 1000)",
        ]
        if let reply { metadata["reply"] = "\(reply)" }
        if let host {
            metadata["host"] = "\(host)"
            metadata["tls"] = "\(host.tls)"
            if let policy = host.policy { metadata["policy"] = "\(policy)" }
            if let certificate = host.certificate { metadata["certificate"] = "\(certificate)" }
        }
        return metadata
    }
}

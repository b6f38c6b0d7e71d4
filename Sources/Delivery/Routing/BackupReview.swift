import MailTypes
public import Pipeline
import Queue

/// Looks at the exchangers of domains whose backup this server is to be.
public struct BackupReview: Sendable {
    public enum Standing: Sendable, Hashable {
        /// These are better ones, the best first.
        case behind([String])
        /// These are the domain's exchangers, and this server is none of them: no mail for the domain comes here.
        case unlisted([String])
        /// Mail that is taken for the domain would wait in vain; why.
        case wrong(String)
        /// DNS does not say for now.
        case unknown(String)
    }

    private let finder: HostFinder

    public init(
        hostname: String, options: DeliveryOptions,
        resolve: @escaping @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    ) {
        var hooks = DeliveryHooks(resolve: resolve, routes: { _ in [] })
        hooks.isBackup = { _ in true }
        finder = HostFinder(hostname: hostname, options: options, hooks: hooks)
    }

    public func standing(of domain: String) async -> Standing {
        let targets: [Target]
        do throws(RoutingFailure) { targets = try await finder.targets(of: .exchanger(domain: domain)) } catch {
            if case .noAnswer(let reason) = error { return .unknown(reason) }
            return .wrong(DeliveryFailurePolicy.reply(on: error).lines.joined(separator: " "))
        }
        var seen: Set<String> = []
        let names = targets.map(\.name).filter { seen.insert($0).inserted }
        do throws(StageFailure) { return try await isListed(for: domain) ? .behind(names) : .unlisted(names) } catch {
            return .unknown(error.reason)
        }
    }

    private func isListed(for domain: String) async throws(StageFailure) -> Bool {
        guard case .records(let records, _) = try await finder.hooks.resolve(DNSQuestion(domain, .mx)) else {
            return false
        }
        for case .exchanger(_, let host) in records.prefix(MailExchangers.most) {
            if finder.isOwn(host) { return true }
            let own = try await finder.addresses(of: host).found.contains { finder.isOwnExchanger($0) }
            if own { return true }
        }
        return false
    }
}

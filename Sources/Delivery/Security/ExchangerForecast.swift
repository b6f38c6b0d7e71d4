public import MailTypes
public import Pipeline
import Queue

/// How TLS would be made with one exchanger of a domain, if there were mail for it now.
public struct ExchangerForecast: Sendable, Hashable, Codable {
    public var host: String
    public var addresses: [IPAddress]
    /// In words, with who says so.
    public var policy: String
    /// What the domain publishes.
    public var published: PublishedPolicy
    /// Why it may not be spoken to.
    public var obstacle: String?
    /// What of it is wrong already, in the words of reports. RFC 8460 §4.3.
    public var faults: [TLSFailure]

    /// The exchangers of a domain, in the order in which they are tried. Asks DNS, and for the domain's policy.
    /// - Throws: In words, why there is none.
    public static func exchangers(
        of domain: String, hostname: String, options: DeliveryOptions, hooks: DeliveryHooks
    ) async throws(StageFailure) -> [ExchangerForecast] {
        let targets: [Target]
        do throws(RoutingFailure) {
            targets = try await HostFinder(hostname: hostname, options: options, hooks: hooks)
                .targets(of: .exchanger(domain: domain))
        } catch { throw StageFailure("\(DeliveryFailurePolicy.reply(on: error))") }
        var found: [ExchangerForecast] = []
        for target in targets {
            guard let decision = target.decision, case .address(let address, _) = target.endpoint else { continue }
            if let place = found.firstIndex(where: { $0.host == target.name }) {
                found[place].addresses.append(address)
            } else {
                found.append(
                    ExchangerForecast(
                        host: target.name, addresses: [address], policy: decision.reason,
                        published: decision.published, obstacle: decision.obstacle?.description,
                        faults: decision.faults))
            }
        }
        return found
    }
}

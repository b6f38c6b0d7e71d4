import Adapters
import Configuration
import Delivery
import Directory
import Foundation
import MailTypes
import NIOPosix
import Pipeline

/// What holds for TLS with a domain's exchangers, found out without a running server.
struct OutboundForecast: Encodable {
    var domain: String
    /// The admin's word, and where it stands.
    var asked: String
    var policy: String
    var exchangers: [ExchangerForecast]

    static func find(_ domain: String, _ settings: ServerConfiguration) async throws -> OutboundForecast {
        let domain = InternationalDomain.toASCII(domain) ?? domain.asciiLowercased
        guard DomainName.isName(domain) else { throw CommandFailure.wrong("\"\(domain)\" is not a domain.") }
        let resolver = try Stores.resolver(settings)
        defer { resolver.stop() }
        let certificates = LibcryptoCertificates(trustRoots: settings.delivery.trustRoots)
        var finding: MTASTSFinding?
        if settings.delivery.mtaSTS.enabled {
            let group = MultiThreadedEventLoopGroup.singleton
            let desk = MTASTSDesk(settings, kept: try kept(settings), certificates, resolver, group)
            finding = await desk.finding(for: domain)
        }
        let table = TLSPolicyTable(settings)
        var hooks = DeliveryHooks(
            resolve: { question async throws(StageFailure) in try await resolver.answer(question) },
            routes: { _ in [] })
        hooks.validatesDNS = settings.dns.dnssec
        hooks.tlsPolicy = { table.policy(for: $0) }
        hooks.mtaSTS = { [finding] _ in finding ?? MTASTSFinding.none }
        let exchangers: [ExchangerForecast]
        do throws(StageFailure) {
            exchangers = try await ExchangerForecast.exchangers(
                of: domain, hostname: settings.hostname, options: DeliveryOptions(settings), hooks: hooks)
        } catch { throw CommandFailure.wrong("\(domain): \(error.reason)") }
        return OutboundForecast(
            domain: domain, asked: table.policy(for: domain).source, policy: words(finding), exchangers: exchangers)
    }

    /// What the server has fetched.
    private static func kept(_ settings: ServerConfiguration) throws -> [MTASTSDesk.Kept] {
        let path = DataFolder(settings).outbound
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try told {
            let store = try PolicyStore(readOnly: path)
            defer { store.close() }
            return try store.entries(at: Date(), clears: false).compactMap(MTASTSDesk.Kept.init)
        }
    }

    private static func words(_ finding: MTASTSFinding?) -> String {
        switch finding {
        case nil: "not asked for: mta_sts.enabled is false"
        case .some(.none): "none"
        case .failure(let fault, let reason): "cannot be had (\(fault.result.rawValue)): \(reason)"
        case .policy(let policy): "\(policy.id): \(policy.lines.joined(separator: "; "))"
        }
    }

    /// For people.
    var text: String {
        var lines = [domain, "  asked for  \(asked)", "  MTA-STS    \(policy)"]
        for exchanger in exchangers {
            let addresses = exchanger.addresses.map(\.description).joined(separator: ", ")
            lines.append("  exchanger  \(exchanger.host) (\(addresses))")
            lines.append("             \(exchanger.policy)")
            lines += exchanger.faults.map { fault in
                "             \(fault.result.rawValue)\(fault.reason.map { ": \($0)" } ?? "")"
            }
            if let obstacle = exchanger.obstacle { lines.append("             not spoken to: \(obstacle)") }
        }
        return lines.map(Terminal.harmless).joined(separator: "\n")
    }
}

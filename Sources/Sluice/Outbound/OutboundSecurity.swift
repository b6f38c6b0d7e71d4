import Adapters
import Configuration
import Delivery
import Directory
import Foundation
import Logging
import MailTypes
import NIOCore
import NIOPosix
import Pipeline
import Synchronization

/// How mail to other servers is protected: whose policy holds for whom, what other domains publish, and who says what
/// certificates prove.
final class OutboundSecurity: Sendable {
    private let policies: Mutex<TLSPolicyTable>
    private let certificates: LibcryptoCertificates
    private let validatesDNS: Bool
    private let desk: MTASTSDesk?
    private let store: PolicyStore?
    private let sessions: TLSSessionStore?
    /// Counts sessions for reports; `nil`: nobody does.
    private let book: TLSSessionBook?
    /// Asks web servers.
    let client: HTTPSClient

    init(
        _ settings: ServerConfiguration, in data: DataFolder, _ resolver: UnboundResolver, _ group: any EventLoopGroup,
        _ logger: Logger
    ) throws {
        policies = Mutex(TLSPolicyTable(settings))
        certificates = LibcryptoCertificates(trustRoots: settings.delivery.trustRoots)
        validatesDNS = settings.dns.dnssec
        client = HTTPSClient(.init(settings), certificates: certificates, group: group) {
            question async throws(StageFailure) in try await resolver.answer(question)
        }
        sessions = settings.tlsReports.gather ? try told { try TLSSessionStore(data.tlsSessions) } : nil
        book = sessions.map { sessions in
            TLSSessionBook(sessions, logger: logger) {
                question async throws(StageFailure) in try await resolver.answer(question)
            }
        }
        guard settings.delivery.mtaSTS.enabled else {
            (desk, store) = (nil, nil)
            return
        }
        let store = try told { try PolicyStore(data.outbound) }
        let kept = try told { try store.entries(at: Date()) }.compactMap(MTASTSDesk.Kept.init)
        desk = MTASTSDesk(
            settings, kept: kept, certificates, resolver, group, keeper: Self.keeper(store, logger))
        self.store = store
    }

    /// Deliveries that begin from now on go by these policies.
    func use(_ settings: ServerConfiguration) { policies.withLock { $0 = TLSPolicyTable(settings) } }

    func add(to hooks: inout DeliveryHooks) {
        hooks.tlsPolicy = { [self] domain in
            policies.withLock { $0.policy(for: InternationalDomain.toASCII(domain) ?? domain) }
        }
        hooks.certificates = certificates
        hooks.validatesDNS = validatesDNS
        if let book { hooks.tlsSession = { book.note($0) } }
        if let desk {
            hooks.mtaSTS = { domain in await desk.finding(for: InternationalDomain.toASCII(domain) ?? domain) }
        }
    }

    /// Writes what is counted, until the task is cancelled.
    func run() async { await book?.run() }

    /// What was counted on a day. Blocks.
    func tallies(of period: ReportPeriod) throws -> [TLSTally] {
        try sessions?.tallies(from: period.begin, to: period.end) ?? []
    }

    func close() {
        store?.close()
        sessions?.close()
    }

    private static func keeper(_ store: PolicyStore, _ logger: Logger) -> MTASTSDesk.Keeper {
        { domain, kept in
            // Nobody waits for the disk: until it is written the policy is kept in memory.
            NIOThreadPool.singleton.submit { _ in
                do throws(DirectoryError) {
                    if let kept { try store.write(PolicyStore.Entry(kept)) } else { try store.remove(domain) }
                } catch {
                    logger.warning(
                        "an MTA-STS policy is not written", metadata: ["domain": "\(domain)", "reason": "\(error)"])
                }
            }
        }
    }
}

extension MTASTSDesk {
    convenience init(
        _ settings: ServerConfiguration, kept: [Kept], _ certificates: LibcryptoCertificates,
        _ resolver: UnboundResolver, _ group: any EventLoopGroup, keeper: @escaping Keeper = { _, _ in }
    ) {
        let resolve: @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer = {
            question async throws(StageFailure) in try await resolver.answer(question)
        }
        let fetcher = MTASTSFetcher(.init(settings), certificates: certificates, group: group, resolve: resolve)
        self.init(
            kept: kept, capacity: settings.delivery.mtaSTS.capacity, keeper: keeper, resolve: resolve,
            fetch: { domain async throws(MTASTSFetcher.Failure) in try await fetcher.policy(of: domain) })
    }
}

extension MTASTSFetcher.Options {
    init(_ settings: ServerConfiguration) {
        self.init()
        port = settings.delivery.mtaSTS.port
        client = HTTPSClient.Options(settings)
    }
}

extension HTTPSClient.Options {
    init(_ settings: ServerConfiguration) {
        self.init()
        let delivery = settings.delivery
        timeout = delivery.mtaSTS.timeout
        refusesPrivateAddresses = delivery.refusePrivateExchangers
        addressFamilies = DeliveryOptions(settings).addressFamilies
    }
}

extension MTASTSDesk.Kept {
    /// `nil` for what another version wrote.
    init?(_ entry: PolicyStore.Entry) {
        guard let policy = try? MTASTSPolicy(entry.text, id: entry.id) else { return nil }
        self.init(domain: entry.domain, policy: policy, fetched: entry.fetched)
    }
}

extension PolicyStore.Entry {
    init(_ kept: MTASTSDesk.Kept) {
        self.init(
            domain: kept.domain, id: kept.policy.id, fetched: kept.fetched, expires: kept.expires,
            text: Array(kept.policy.lines.joined(separator: "\n").utf8))
    }
}

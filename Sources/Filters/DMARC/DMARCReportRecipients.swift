import MailTypes
public import Pipeline

/// To whom a report goes; and who was named and gets none, and why. RFC 7489 §7.1.
public struct DMARCReportRecipients: Sendable, Hashable {
    /// Somebody who gets no report.
    public struct Refusal: Sendable, Hashable {
        /// As it stands in the record.
        public var uri: String
        public var reason: String
        /// DNS did not answer: it may do so later.
        public var isTemporary = false
    }

    public private(set) var addresses: [DMARCReportAddress] = []
    public private(set) var refusals: [Refusal] = []

    /// Addresses of one record that are looked at. RFC 7489 §6.2 asks for two at least.
    static let mostNamed = 20

    /// Asks DNS whether owners of other domains want the report; `most` addresses get it.
    public init(of report: DMARCReport, most: Int, services: Services) async {
        guard DomainName.isName(report.domain) else {
            refusals = report.record.reportAddresses.map { Refusal(uri: $0, reason: "the domain is no name") }
            return
        }
        for (number, uri) in report.record.reportAddresses.enumerated() {
            guard number < Self.mostNamed, addresses.count < most else {
                refusals.append(Refusal(uri: uri, reason: "too many addresses stand before it"))
                continue
            }
            do throws(StageFailure) {
                let found = try await Self.found(uri, about: report.domain, services)
                add(found, for: uri)
            } catch {
                refusals.append(Refusal(uri: uri, reason: error.reason, isTemporary: true))
            }
        }
        addresses = Array(addresses.prefix(most))
    }

    private mutating func add(_ found: Result<[DMARCReportAddress], DMARCReportAddress.Unusable>, for uri: String) {
        switch found {
        case .success(let own):
            for one in own where !addresses.contains(where: { $0.address.key == one.address.key }) {
                addresses.append(one)
            }
        case .failure(let unusable): refusals.append(Refusal(uri: uri, reason: unusable.reason))
        }
    }

    private static func found(
        _ uri: String, about domain: String, _ services: Services
    ) async throws(StageFailure) -> Result<[DMARCReportAddress], DMARCReportAddress.Unusable> {
        let wanted: DMARCReportAddress
        do throws(DMARCReportAddress.Unusable) { wanted = try DMARCReportAddress(uri) } catch { return .failure(error) }
        let host = wanted.address.domain
        if try await isOwn(host, of: domain, services) { return .success([wanted]) }
        return try await permission(of: host, for: wanted, about: domain, services)
    }

    /// Whether both are of one organizational domain.
    private static func isOwn(
        _ host: String, of domain: String, _ services: Services
    ) async throws(StageFailure) -> Bool {
        if host == domain { return true }
        guard let organization = try await DMARCAlignment.organization(of: domain, services) else { return false }
        return try await DMARCAlignment.organization(of: host, services) == organization
    }

    /// Whether the owner of `host` takes reports about `domain`, and where: other addresses, but of that host alone.
    private static func permission(
        of host: String, for wanted: DMARCReportAddress, about domain: String, _ services: Services
    ) async throws(StageFailure) -> Result<[DMARCReportAddress], DMARCReportAddress.Unusable> {
        let name = "\(domain)._report._dmarc.\(host)"
        guard name.utf8.count <= 253 else { return .failure(.init(reason: "\(host) cannot say that it wants them")) }
        var lists: [PolicyTags] = []
        if case .records(let records, _) = try await services.dns(name, .txt) {
            for case .text(let octets) in records where DMARCRecord.isRecord(octets) {
                let list = PolicyTags(octets)
                if list.repeated == nil { lists.append(list) }
            }
        }
        guard !lists.isEmpty else {
            return .failure(.init(reason: "\(host) does not say that it wants them: \(name) has no record"))
        }
        guard let others = lists.lazy.compactMap({ $0["rua"] }).first else { return .success([wanted]) }
        let own = DMARCRecord.addresses(in: others).prefix(mostNamed)
            .compactMap { try? DMARCReportAddress($0) }.filter { $0.address.domain == host }
        return own.isEmpty
            ? .failure(.init(reason: "\(name) names no address of \(host)")) : .success(Array(own))
    }
}

import Directory
import Filters
import MailTypes
import Pipeline

/// Follows each entry as a stage `recipients` of the chain would, whose limits may be narrower than those that the
/// directory has kept when the entry was written.
struct ExpansionReview {
    let directory: MailDirectory
    let limits: [Expansion.Limits]

    /// Those of the chain that are narrower than the directory's own.
    static func limits(of chain: Chain) -> [Expansion.Limits] {
        let most = MailDirectory.Options().maxExpansion
        return chain.links.flatMap { [$0.base] + Array($0.domains.values) }
            .compactMap { ($0.stage as? Recipients)?.limits }
            .filter { $0.members < most || $0.depth < DirectoryLimits.depth }
    }

    func faults() async throws -> [RouteFault] {
        guard !limits.isEmpty else { return [] }
        let entries = try told {
            try directory.aliases().filter(\.isEnabled).map { ("alias", $0.address) }
                + directory.groups().filter(\.isEnabled).map { ("group", $0.address) }
                + directory.mailboxes().filter { $0.redirection != nil }.map { ("mailbox", $0.address) }
        }
        var faults: [RouteFault] = []
        for limits in limits {
            for (kind, address) in entries {
                guard let defect = try await defect(of: address, limits) else { continue }
                faults.append(Self.fault(defect, limits, "\(kind) \(address)", address))
            }
        }
        return faults
    }

    private func defect(of address: EmailAddress, _ limits: Expansion.Limits) async throws -> Expansion.Defect? {
        var expansion = Expansion(of: address, limits)
        while let next = expansion.next() {
            guard case .address(let meaning) = try await directory.answer(.address(next)) else { return nil }
            expansion.learn(meaning)
        }
        return expansion.defect
    }

    private static func fault(
        _ defect: Expansion.Defect, _ limits: Expansion.Limits, _ entry: String, _ address: EmailAddress
    ) -> RouteFault {
        switch defect {
        case .tooDeep:
            RouteFault(
                kind: .tooDeep, entry: entry, witness: [address.description],
                reason: "leads through more than max_depth = \(limits.depth) others")
        case .tooWide:
            RouteFault(
                kind: .tooWide, entry: entry, witness: [address.description],
                reason: "stands for more than max_members = \(limits.members) others")
        }
    }
}

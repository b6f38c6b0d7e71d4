import MailTypes
import Pipeline

/// How often one signature has come: whoever once got a signed message can send it to thousands, and every signature on
/// it stays valid.
struct DKIMReplay: Sendable, Hashable {
    let domain: String
    let count: Int
    let limit: RateLimit

    /// Octets of `b=` that tell signatures of one key apart: as many as are always there, so that nothing that is put
    /// beside a signature gives it another name.
    private static let nameLength = 8

    /// Whose and which signature it is. Only the owner of the key can make one that counts for another's.
    static func name(of report: SignatureReport) -> String {
        "\(report.selector.asciiLowercased)._domainkey.\(report.domain) \(report.signature.prefix(nameLength))"
    }
}

extension DKIMVerify {
    /// Counts each valid signature, and tells of the one that has come most often of those that came too often.
    ///
    /// All of them, and not the best: a replayer may put a fresh one of his own on top. What cannot be counted takes
    /// nothing from what the signatures prove.
    func replays(of reports: [SignatureReport], _ services: Services) async -> DKIMReplay? {
        guard let most = policy.replays.count else { return nil }
        let valid = reports.filter { policy.judgement(of: $0).result == .pass }
        var worst: DKIMReplay?
        var known: Set<String> = []
        for report in valid where known.insert(DKIMReplay.name(of: report)).inserted {
            guard let count = await count(DKIMReplay.name(of: report), services), count > most else { continue }
            if count > worst?.count ?? 0 {
                worst = DKIMReplay(domain: report.domain, count: count, limit: policy.replays)
            }
        }
        return worst
    }

    private func count(_ name: String, _ services: Services) async -> Int? {
        do throws(StageFailure) {
            let now = try await services.now()
            return try await services.count(
                .count(table: "dkim-verify.replays", key: name, amount: 1, window: policy.replays.interval, at: now))
        } catch { return nil }
    }
}

extension Finding {
    /// This finding with the points of a replay.
    func with(_ replay: DKIMReplay?, _ policy: DKIMVerify.Configuration) -> Finding {
        guard let replay else { return self }
        let words = "one signature of \(replay.domain) has come \(replay.count) times, \(replay.limit) are allowed"
        var finding = self
        finding.note = [note, words].compactMap(\.self).joined(separator: "; ")
        finding.decidedBy.append("replays")
        guard policy.replayPoints != 0 else { return finding }
        finding.edits.append(.score(Symbol("DKIM_REPLAY", points: policy.replayPoints, description: words)))
        finding.decidedBy.append("replay_points")
        return finding
    }
}

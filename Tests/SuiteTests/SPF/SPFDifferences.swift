import MailTypes
import Pipeline

@testable import Filters

/// What two evaluators say of one identity.
struct SPFCase {
    let identity: SPFIdentity
    let own: SPFOutcome
    let theirs: SenderPolicyReport
    /// Why libspf2 says nothing.
    let death: String?
    /// What our evaluator asked for.
    let facts: [Fact]

    /// The results, and for a fail the explanations.
    var agree: Bool {
        death == nil && own.result == theirs.result && (own.result != .fail || own.explanation == theirs.explanation)
    }

    /// The terms of all policies that were seen.
    var terms: [String] {
        facts.flatMap { fact -> [String] in
            guard case .dns(.records(let records, _)) = fact.answer else { return [] }
            return records.flatMap { record -> [String] in
                guard case .text(let octets) = record, SPFRecord.isRecord(octets) else { return [] }
                return octets.dropFirst(6).split(separator: .space).map { String(decoding: $0, as: UTF8.self) }
            }
        }
    }
}

/// Differences, counted by their reasons.
struct SPFDifferences {
    private let name: String
    private var total = 0
    private var counts: [String: Int] = [:]
    private(set) var unexplained: [String] = []

    init(_ name: String) { self.name = name }

    mutating func note(_ found: SPFCase, _ title: String) {
        total += 1
        guard !found.agree else { return }
        guard let reason = Self.reasons.first(where: { $0.applies(found) }) else {
            let own = "\(found.own.result) (\(found.own.reason ?? "-"); \(found.own.explanation ?? "-"))"
            let theirs = "\(found.theirs.result) (\(found.theirs.reason ?? "-"); \(found.theirs.explanation ?? "-"))"
            unexplained.append(
                "\(title)\n    \(found.identity.client) \(found.identity.localPart): \(own), libspf2 \(found.death ?? theirs)"
            )
            return
        }
        counts[reason.name, default: 0] += 1
    }

    func report() {
        let differences = counts.values.reduce(unexplained.count, +)
        print("\(name), beside libspf2: \(total) compared, \(differences) different, \(unexplained.count) unexplained")
        for reason in Self.reasons { if let count = counts[reason.name] { print("  \(count)  \(reason.name)") } }
        for one in unexplained { print("  unexplained: \(one)") }
    }

    /// A fault of libspf2, or a choice of either.
    struct Reason {
        var name: String
        var applies: (SPFCase) -> Bool
    }

    static let reasons: [Reason] = []
}

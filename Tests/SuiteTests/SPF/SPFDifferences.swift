import Foundation
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
                "\(title)\n    \(found.identity.client): \(own), libspf2 \(found.death ?? theirs)"
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
    struct Reason: Sendable {
        var name: String
        var applies: @Sendable (SPFCase) -> Bool
    }

    /// The first that applies counts.
    static let reasons: [Reason] = [
        Reason(name: "redirect= counts where it stands, not after all mechanisms (RFC 7208 §6.1)") {
            $0.hasEarlyRedirect && $0.own.result != $0.theirs.result
        },
        Reason(name: "a client is given up at a name of its that does not resolve (§5.5)") {
            $0.theirs.result == .temperror && $0.has(/^.?ptr/)
        },
        Reason(name: "a client with more than ten names is an error (§5.5)") {
            $0.theirs.result == .permerror && $0.isLimit && $0.has(/^.?ptr/)
        },
        Reason(name: "octets above or below ASCII may stand in a term (§12)") {
            $0.takes { $0.utf8.contains { !(0x21...0x7E).contains($0) } }
        },
        Reason(name: "exp= and redirect= may stand twice, and have any value (§6)") {
            $0.takes { $0.asciiLowercased.contains(/^[-+?~]?(exp=|redirect[=:])/) }
        },
        Reason(name: "a % may stand before anything, and %{c}, %{r}, %{t} outside of explanations (§7.1, §7.2)") {
            $0.takes { $0.contains("%") }
        },
        Reason(name: "a prefix length may begin with 0, and be too long for a number (§12)") {
            $0.takes { $0.contains(/\/0[0-9]+(\/\/[0-9]+)?$/) || $0.contains(/\/[0-9]{4,}$/) }
        },
        Reason(name: "any text is a domain name: none at all, a number, one label (§7.1)") {
            $0.takes { $0.contains(":") }
        },
        Reason(name: "the prefix length 0 is an error (§5.6)") {
            $0.refuses && $0.has(/\/\/?0+(?:\/\/|$)/)
        },
        Reason(name: "a modifier's name may have no dot (§12)") {
            $0.refuses && $0.has(/^[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z0-9_.-]*=/)
        },
        Reason(name: "macros may have no delimiter , or /, no R, and no number above 128 (§7.1)") {
            $0.refuses && $0.has(/%\{[A-Za-z][0-9]*[Rr]?[^}]*[,\/]|%\{[A-Za-z][0-9]*R|%\{[A-Za-z][0-9]{3,}/)
        },
        Reason(name: "of too many MX hosts the first ten are asked before it is an error (§4.6.4)") {
            $0.own.reason?.contains("MX hosts") == true
        },
        Reason(name: "lookups are counted for each record alone, and not in %{p} (§4.6.4)") {
            $0.own.reason?.contains("more than 10 lookups") == true
        },
        Reason(name: "%{p} is any name of the client, not one of the domain where there is one (§7.3)") {
            $0.has(/%\{[pP]/)
        },
        Reason(name: "a name with a final dot is no name of the client's (§5.5)") { $0.has(/^.?ptr:.*\.$/) },
        Reason(name: "in an explanation a % may stand before anything (§7.1)") {
            $0.isExplained && $0.theirs.explanation?.contains("%") == true
                && $0.own.explanation.map { $0.contains(" ") } != false
        },
        Reason(name: "of several explanations the first counts (§6.2)") {
            $0.isExplained && $0.own.explanation == nil && $0.theirs.explanation != nil
        },
        Reason(name: "what is escaped, and whether in large hexadecimal digits (§7.3)") {
            $0.isExplained && $0.own.explanation?.contains("%") == true
        },
        Reason(name: "the digits of an IPv6 address are small ones (§7.3)") {
            $0.isExplained && $0.own.explanation?.lowercased() == $0.theirs.explanation?.lowercased()
        },
        Reason(name: "an empty explanation is none") { $0.isExplained && $0.own.explanation?.isEmpty == true },
        Reason(name: "a name that is too long is not made shorter (§7.3)") {
            $0.isExplained && $0.own.explanation != nil && $0.theirs.explanation == nil && $0.has(/^exp=.*%\{/)
        },
    ]
}

extension SPFCase {
    fileprivate func has(_ pattern: Regex<Substring>) -> Bool { terms.contains { $0.contains(pattern) } }

    /// Whether libspf2 goes on where we stop at such a term.
    fileprivate func takes(_ isSuch: (String) -> Bool) -> Bool {
        guard own.result == .permerror, theirs.result != .permerror,
            let term = own.reason?.components(separatedBy: ": cannot be read at ").dropFirst().first
        else { return false }
        return isSuch(term)
    }

    /// Whether libspf2 cannot read a record that we can.
    fileprivate var refuses: Bool { theirs.result == .permerror && own.result != .permerror && !isLimit }

    fileprivate var isLimit: Bool { theirs.reason?.contains("too many") == true }

    /// Whether they differ in nothing but the explanation.
    fileprivate var isExplained: Bool { own.result == .fail && theirs.result == .fail }

    /// Whether a mechanism stands behind a `redirect=`.
    fileprivate var hasEarlyRedirect: Bool {
        guard let place = terms.firstIndex(where: { $0.asciiLowercased.hasPrefix("redirect=") }) else { return false }
        return terms[(place + 1)...].contains { !$0.contains("=") }
    }
}

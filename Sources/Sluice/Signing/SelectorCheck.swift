import Adapters
import Directory
import Filters
import Foundation
import Pipeline

/// What DNS and the key's file say of a selector.
struct SelectorCheck: Encodable {
    enum Result: String, Encodable {
        case right, missing, wrong
        /// DNS did not answer.
        case unknown
    }

    var domain: String
    var selector: String
    var state: SelectorEntry.State
    var recordName: String
    var record: Result
    /// Why the record is wrong, or was not found out.
    var reasons: [String]
    /// Why the private key cannot be used.
    var keyFault: String?
    /// Why nothing of the domain can be signed, though it has an active key.
    var standstill: String?

    static func of(_ entry: SelectorEntry, at place: SigningPlace, _ resolver: UnboundResolver) async -> SelectorCheck {
        var check = SelectorCheck(
            domain: entry.domain, selector: entry.name, state: entry.state, recordName: entry.recordName,
            record: .right, reasons: [], keyFault: place.keys.fault(of: entry))
        if entry.state == .active, let all: SigningEntry = try? place.directory.signing(of: entry.domain) {
            check.standstill = all.standstill(place.policy)
        }
        do {
            switch entry.record.publication(try await resolver.answer(DNSQuestion(entry.recordName, .txt))) {
            case .right: break
            case .missing: check.record = .missing
            case .wrong(let reasons): (check.record, check.reasons) = (.wrong, reasons)
            }
        } catch { (check.record, check.reasons) = (.unknown, [error.reason]) }
        return check
    }

    /// Whether mail suffers from it now.
    var isHarmful: Bool { state == .active && isWrong }

    private var isWrong: Bool { record == .missing || record == .wrong || keyFault != nil || standstill != nil }

    var isUnknown: Bool { state == .active && record == .unknown }

    /// One sentence without a full stop.
    var words: String {
        let dns =
            switch record {
            case .right: "published as it should be"
            case .missing: state == .retired ? "no longer published" : "not published"
            case .wrong: "published wrongly: \(reasons.joined(separator: "; "))"
            case .unknown: "not known: \(reasons.joined(separator: "; "))"
            }
        let key = keyFault.map { "the private key cannot be used: \($0)" }
        return [dns, key, standstill].compactMap(\.self).joined(separator: "; ")
    }
}

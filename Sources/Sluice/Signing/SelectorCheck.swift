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
    /// The domain is disabled: nothing is signed, and nobody suffers.
    var isDisabled = false

    private typealias Answer = Swift.Result<DNSAnswer, StageFailure>

    /// Questions to DNS that wait for an answer at the same time.
    private static let atOnce = 20

    static func of(_ entry: SelectorEntry, at place: SigningPlace, _ resolver: UnboundResolver) async -> SelectorCheck {
        let answer = await Self.answer(about: entry.recordName, resolver)
        return SelectorCheck(entry, at: place, answer)
    }

    /// Asks about all of them at once, for answers that do not come take their time.
    static func all(
        _ entries: [SelectorEntry], at place: SigningPlace, _ resolver: UnboundResolver
    ) async -> [SelectorCheck] {
        let names = entries.map(\.recordName)
        let answers = await withTaskGroup(of: (Int, Answer).self) { group in
            var answers = [Answer?](repeating: nil, count: names.count)
            for (place, name) in names.enumerated() {
                if place >= Self.atOnce, let (place, answer) = await group.next() { answers[place] = answer }
                group.addTask { (place, await Self.answer(about: name, resolver)) }
            }
            for await (place, answer) in group { answers[place] = answer }
            return answers
        }
        return zip(entries, answers).map { entry, answer in
            SelectorCheck(entry, at: place, answer ?? .failure(StageFailure("it was not asked")))
        }
    }

    private static func answer(about name: String, _ resolver: UnboundResolver) async -> Answer {
        do throws(StageFailure) {
            return .success(try await resolver.answer(DNSQuestion(name, .txt)))
        } catch { return .failure(error) }
    }

    private init(_ entry: SelectorEntry, at place: SigningPlace, _ answer: Answer) {
        domain = entry.domain
        selector = entry.name
        state = entry.state
        recordName = entry.recordName
        keyFault = place.keys.fault(of: entry)
        var signsBelow = false
        if let all: SigningEntry = try? place.directory.signing(of: entry.domain) {
            if entry.state == .active { standstill = all.standstill(place.policy) }
            isDisabled = !all.isEnabled
            let settings = place.policy.filled(all.settings)
            signsBelow = settings.subdomains && settings.identity ?? false
        }
        (record, reasons) = (.right, [])
        switch answer.map({ entry.record.publication($0, signsBelow: signsBelow) }) {
        case .success(.right): break
        case .success(.missing): record = .missing
        case .success(.wrong(let faults)): (record, reasons) = (.wrong, faults)
        case .failure(let failure): (record, reasons) = (.unknown, [failure.reason])
        }
    }

    /// Whether mail suffers from it now.
    var isHarmful: Bool { isUsed && isWrong }

    private var isUsed: Bool { state == .active && !isDisabled }

    private var isWrong: Bool { record == .missing || record == .wrong || keyFault != nil || standstill != nil }

    var isUnknown: Bool { isUsed && record == .unknown }

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
        let disabled = isDisabled ? "the domain is disabled" : nil
        return [dns, key, standstill, disabled].compactMap(\.self).joined(separator: "; ")
    }
}

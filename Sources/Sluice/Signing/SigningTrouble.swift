import Directory
import Filters
import Pipeline

/// Why mail of a domain's users is put off, though it is to be signed.
struct SigningTrouble: Hashable, Sendable {
    let domain: String
    /// `nil`: none may sign.
    let selector: String?
    /// A sentence without its capital and its full stop.
    let reason: String

    var text: String { "\(reason.prefix(1).uppercased())\(reason.dropFirst())." }
}

extension SigningEntry {
    /// What keeps the domain's mail from being signed. `fault` says why a key cannot be used.
    func troubles(
        _ policy: DKIMSign.Configuration, _ fault: (SelectorEntry) -> String?
    ) -> [SigningTrouble] {
        let settings = policy.filled(self.settings)
        guard isEnabled, counts, settings.sign else { return [] }
        if let standstill = standstill(policy) {
            return [SigningTrouble(domain: domain, selector: nil, reason: standstill)]
        }
        return selectors.compactMap { selector in
            guard selector.state == .active, settings.algorithm.map({ $0 == selector.algorithm }) ?? true,
                let fault = fault(selector)
            else { return nil }
            return SigningTrouble(
                domain: domain, selector: selector.name,
                reason: "the active key \(selector.name) of \(domain) cannot be used: \(fault)")
        }
    }
}

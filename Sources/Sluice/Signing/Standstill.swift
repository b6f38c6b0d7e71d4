import Directory
import Filters
import Pipeline

extension SigningEntry {
    /// Why all mail of the domain's users would be put off: it is to be signed, and no active key may do so.
    func standstill(_ policy: DKIMSign.Configuration) -> String? {
        let settings = policy.filled(self.settings)
        let active = selectors.filter { $0.state == .active }
        guard isEnabled, counts, settings.sign, !active.isEmpty, let wanted = settings.algorithm,
            !active.contains(where: { $0.algorithm == wanted })
        else { return nil }
        return "no active key of \(domain) is for \(wanted.rawValue), which alone may sign: its users' mail is put off"
    }

    /// The same without a selector.
    func without(_ selector: SelectorEntry) -> SigningEntry {
        var entry = self
        entry.selectors.removeAll { $0.name == selector.name }
        return entry
    }
}

extension SigningPlace {
    /// Refuses what would stop a domain's mail.
    func refuse(_ entry: SigningEntry, unless isForced: Bool) throws {
        guard !isForced, let standstill = entry.standstill(policy) else { return }
        throw CommandFailure.wrong("Then \(standstill). Activate such a key first, or force it (--force).")
    }
}

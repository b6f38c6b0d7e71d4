import Configuration
import Directory
import Filters
import Foundation

extension LoadedConfiguration {
    /// What the directory and the stage that signs say of the same domain, and active keys that cannot sign. Nothing
    /// where there is no directory yet, or it cannot be opened by whoever asks.
    var signingDiagnostics: [Diagnostic] {
        guard let stage = signingStage, FileManager.default.fileExists(atPath: DataFolder(settings).directory),
            let data = try? DataFolder(settings).entered(),
            let entries = try? MailDirectory.signing(in: data.directory)
        else { return [] }
        let location = SourceLocation(file: stage.file)
        let keys = KeyFolder(path: data.signingKeys)
        return entries.filter(\.counts).flatMap { entry -> [Diagnostic] in
            var found: [Diagnostic] = []
            if stage.policy.domains[entry.domain] != nil {
                found.append(
                    Diagnostic(
                        .lint, at: location,
                        "the table of \(entry.domain) does not count: the directory says who signs",
                        hint: "sluice dkim show \(entry.domain)"))
            }
            if let standstill = entry.standstill(stage.policy) {
                found.append(Diagnostic(.warning, at: location, standstill, hint: "sluice dkim show \(entry.domain)"))
            }
            for selector in entry.selectors where selector.state == .active {
                guard let fault = keys.fault(of: selector) else { continue }
                let message = "the active key \(selector.name) of \(entry.domain) cannot be used: \(fault)"
                found.append(Diagnostic(.warning, at: location, message))
            }
            return found
        }
    }
}

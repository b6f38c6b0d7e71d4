import Configuration
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

extension LoadedConfiguration {
    /// Signatures that end while mail still waits here for its last try.
    static func expiryDiagnostics(_ chain: Chain, giveUpAfter: Interval) -> [Diagnostic] {
        chain.links.compactMap { link in
            guard let stage = link.base.stage as? DKIMSign else { return nil }
            let expires = stage.policy.expires
            guard expires.seconds > 0, expires.seconds <= giveUpAfter.seconds else { return nil }
            return Diagnostic(
                .lint, at: SourceLocation(file: link.file),
                "`expires` is \(expires), and mail is tried for \(giveUpAfter) (`give_up_after` of [queue]):"
                    + " what arrives late has a signature that is over",
                hint: "other servers keep mail for days, too: \"7d\" is the default")
        }
    }

    /// What the directory and the stage that signs say of the same domain, and active keys that cannot sign. Nothing
    /// where there is no directory yet, or it cannot be opened by whoever asks.
    var signingDiagnostics: [Diagnostic] {
        guard let stage = chain.signingStage, FileManager.default.fileExists(atPath: DataFolder(settings).directory),
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
            return found
                + entry.troubles(stage.policy) { keys.fault(of: $0) }.map { trouble in
                    Diagnostic(.warning, at: location, trouble.reason, hint: "sluice dkim check \(entry.domain)")
                }
        }
    }
}

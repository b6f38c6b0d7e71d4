import Configuration
import Directory
import Filters
import Foundation
import Pipeline

extension LoadedConfiguration {
    /// Catch-alls that lead to other servers, or that no stage asks for. Nothing where there is no directory yet, or it
    /// cannot be opened by whoever asks.
    var catchAllDiagnostics: [Diagnostic] {
        guard FileManager.default.fileExists(atPath: DataFolder(settings).directory),
            let data = try? DataFolder(settings).entered(),
            let found = try? MailDirectory.catchAlls(
                in: data.directory, plusSeparator: settings.addresses.detailSeparator)
        else { return [] }
        guard let stage = chain.links.first(where: { $0.name == CatchAll.name && !$0.words.isObserved }) else {
            guard let domain = found.domains.first else { return [] }
            let message = "the catch-all of \(domain) takes nothing: no stage asks for it; put the stage catchall there"
            return [Diagnostic(.lint, at: SourceLocation(file: settings.filters), message)]
        }
        return found.leaks.map { leak in
            Diagnostic(
                .lint, at: SourceLocation(file: stage.file), CatchAllWarning.words(leak),
                hint: "sluice domain catch-all reset")
        }
    }
}

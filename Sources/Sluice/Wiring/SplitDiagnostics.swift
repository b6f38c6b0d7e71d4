import Configuration
import Directory
import Filters
import Foundation
import Pipeline

extension LoadedConfiguration {
    /// Split domains that no stage asks for, or that have a catch-all. Nothing where there is no directory yet, or it
    /// cannot be opened by whoever asks.
    var splitDiagnostics: [Diagnostic] {
        guard FileManager.default.fileExists(atPath: DataFolder(settings).directory),
            let data = try? DataFolder(settings).entered(),
            let found = try? MailDirectory.splitDomains(in: data.directory), let first = found.first
        else { return [] }
        guard let stage = chain.links.first(where: { $0.name == SplitDomains.name && !$0.words.isObserved }) else {
            let message =
                "nobody is sought at the partner of \(first.name): no stage asks for it; put the stage split-domain "
                + "there"
            return [Diagnostic(.lint, at: SourceLocation(file: settings.filters), message)]
        }
        return found.filter(\.hasCatchAll).map { domain in
            Diagnostic(
                .lint, at: SourceLocation(file: stage.file),
                "\(domain.name) is split and has a catch-all, which gets only what its partner does not have",
                hint: "sluice domain catch-all reset")
        }
    }
}

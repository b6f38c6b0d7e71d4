import ArgumentParser
import Directory
import Foundation
import MailTypes
import Queue

extension QueueCommand {
    struct Reroute: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give recipients who wait the routes that they would get now.",
            discussion: """
                By the chain and the directory as they are: after a smarthost has changed, a relay domain has moved, \
                a mailbox was made or a domain is hosted here. Whoever has another route is tried at once. Who would \
                be refused now keeps the route he has. Nothing else of a message changes: no other stage sees it.
                """)
        @OptionGroup var messages: QueueRange
        @Flag(help: "Only show what would change.") var dryRun = false

        func run() async throws {
            let access = try messages.place.access()
            let configuration = messages.place.configuration
            var loaded: LoadedConfiguration?
            func load() throws -> LoadedConfiguration {
                if let loaded { return loaded }
                let found = try configuration.loadAll()
                loaded = found
                return found
            }
            let listed = try await messages.listed(by: access)
            let named = messages.isNamed ? try await access.ids(of: messages.ids) : listed.map(\.id)
            var reports: [QueueID: RerouteReport] = [:]
            let deadline = ContinuousClock.now + QueueAccess.patience
            var open = named
            while !open.isEmpty {
                for id in open {
                    do {
                        let report = try await access.reroute(id, isTrial: dryRun, load: load)
                        reports[id] = reports[id]?.followed(by: report) ?? report
                    } catch let failure as CommandFailure {
                        // Of all that were there it has left the queue meanwhile; or since the first look.
                        guard failure.isUnknown, !messages.isNamed || reports[id] != nil else { throw failure }
                        reports[id]?.recipients.removeAll { $0.outcome == .busy }
                    }
                }
                open = dryRun ? [] : open.filter { reports[$0]?.count(.busy) ?? 0 > 0 }
                if open.isEmpty || ContinuousClock.now >= deadline { break }
                try await Task.sleep(for: QueueAccess.pause)
            }
            try show(named.compactMap { reports[$0] })
        }

        private func show(_ reports: [RerouteReport]) throws {
            if messages.output.json { return print(try Terminal.json(reports)) }
            for report in reports where !report.recipients.isEmpty { print(report.text) }
            let changed = reports.reduce(0) { $0 + $1.count(.changed) }
            let count = reports.count { $0.count(.changed) > 0 }
            let words = "\(Terminal.counted(changed, "recipient")) of \(Terminal.counted(count, "message"))"
            print(dryRun ? "Would reroute \(words)." : "Rerouted \(words).")
        }
    }
}

extension RerouteReport {
    /// What was done before counts for those whom a later look finds with the route that they got then.
    fileprivate func followed(by later: RerouteReport) -> RerouteReport {
        var report = later
        let done = recipients.filter { $0.outcome == .changed }
        let places = Set(done.map(\.number))
        report.recipients.removeAll { places.contains($0.number) && $0.outcome != .changed }
        let again = Set(report.recipients.map(\.number))
        report.recipients += done.filter { !again.contains($0.number) }
        report.recipients.sort { $0.number < $1.number }
        return report
    }
}

import ArgumentParser
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline

struct ThresholdsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "thresholds", abstract: "Set the scores from which mail is deferred, junk, or rejected.",
        discussion: """
            A mailbox's own thresholds come before its domain's, and those before everybody's. What is not set here is \
            as the file of the stage thresholds says, whose table for a domain comes before what is set here for \
            everybody. The order is defer < junk < reject; 999, or the word off, switches one off. A higher threshold \
            lets more through. A running server judges the next message by what was set.
            """,
        subcommands: [Show.self, Set.self, Reset.self, Preview.self])

    struct Show: PolicyCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show which thresholds hold for somebody, and where they stand; otherwise all that are set.")
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var choice: ScopeChoice

        func run(at site: PolicySite) throws {
            if let scope = try site.scope(choice) { return try show(scope, at: site) }
            let entries: [ThresholdsEntry] = try told { try site.directory.thresholds() }
            let header = ["SCOPE", "DEFER", "JUNK", "REJECT", "SINCE", "WHO", "AUDIT"]
            try output.show(entries.map(ThresholdsReport.init), header: header) { entry in
                [entry.scope] + entry.thresholds.cells + [entry.changed.stamp, entry.author, "\(entry.audit)"]
            }
        }

        private func show(_ scope: PolicyScope, at site: PolicySite) throws {
            let layers = try ThresholdBook(site).layers(of: scope)
            try output.show(layers, header: ["LEVEL", "DEFER", "JUNK", "REJECT", "IT STANDS IN", "WHO"]) { layer in
                [layer.level.rawValue] + layer.thresholds.cells + [layer.origin, layer.author ?? "-"]
            }
            if !output.json, layers.count > 1 { print("The first line holds; it comes before the others.") }
        }
    }

    struct Set: PolicyCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set thresholds; those that are not named stay as they hold now.",
            discussion: """
                All three are kept together: what is set later for everybody does not move one of them. Try it first \
                with sluice thresholds preview.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var target: ScopeOptions
        @OptionGroup var change: ThresholdOptions

        func run(at site: PolicySite) throws {
            let scope = try site.scope(target.scope)
            let set = try site.change { directory -> Result<ThresholdsEntry, any Error> in
                // Looked up while nobody else can change them: two at once both have their way.
                switch Result(catching: { try change.applied(to: try ThresholdBook(site).thresholds(of: scope)) }) {
                case .success(let next): .success(try directory.setThresholds(next, for: target.scope))
                case .failure(let mistake): .failure(mistake)
                }
            }
            let entry = try set.get()
            if output.json {
                print(try Terminal.json(ThresholdsReport(entry)))
            } else {
                print("Set \(entry.scope): \(entry.thresholds) (audit \(entry.audit)).")
            }
            site.warn(without: ScoreVerdict.name)
        }
    }

    struct Reset: PolicyCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take somebody's own thresholds away, so that those around it hold again.")
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var target: ScopeOptions

        func run(at site: PolicySite) throws {
            let scope = try site.scope(target.scope)
            guard try site.change({ try $0.resetThresholds(for: target.scope) }) != nil else {
                throw CommandFailure.wrong("\(scope) has no thresholds of its own.")
            }
            let layers = try ThresholdBook(site).layers(of: scope)
            if output.json { return print(try Terminal.json(layers)) }
            guard let first = layers.first else { return }
            print("Reset \(scope): now \(first.thresholds) holds (\(first.level.rawValue), \(first.origin)).")
        }
    }

    struct Preview: PolicyCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what other thresholds would have made of the mail of the last days; nothing is changed.",
            discussion: """
                The scores come from the traces. Each message counts once for each recipient, however often it was \
                sent; mail of own users does not count. A message that is deferred passes when it comes back.
                """)
        @OptionGroup var configuration: ConfigurationOptions
        @OptionGroup var output: OutputOptions
        @OptionGroup var target: ScopeOptions
        @OptionGroup var change: ThresholdOptions
        @Flag(help: "As if it were reset.") var reset = false
        @Option(
            help: ArgumentHelp(
                "Mail not older than this: 30m, 12h, 2026-11-21T03:00:00Z; otherwise 7d.", valueName: "moment"))
        var since: Moment?
        @Option(help: ArgumentHelp("How many traces at most, the newest first.", valueName: "number"))
        var limit = 1_000_000

        func validate() throws {
            try Self.check(limit: limit)
            if reset, !change.isEmpty { throw ValidationError("--reset goes with no thresholds.") }
        }

        func run(at site: PolicySite) throws {
            let scope = try site.scope(target.scope)
            let old = try ThresholdBook(site)
            let new = old.with(reset ? nil : try change.applied(to: old.thresholds(of: scope)), for: scope)
            let traces = try TraceAccess(site.settings)
            var counting = ThresholdPreview.Counting(of: scope, from: old, to: new)
            var (count, last) = (0, Int64?.none)
            try traces.eachScore(since: (since ?? Moment(argument: "7d"))?.date ?? .distantPast) { score in
                if score.trace != last { count += 1 }
                last = score.trace
                guard count <= limit else { return false }
                counting.add(score)
                return true
            }
            let preview = try counting.preview { try traces.trace(number: $0) }
            print(output.json ? try Terminal.json(preview) : preview.text)
        }
    }
}

/// What is set for a scope, for people and programs.
struct ThresholdsReport: Encodable {
    var scope: String
    var thresholds: Thresholds
    var author: String
    var changed: Date
    var audit: Int64

    init(_ entry: ThresholdsEntry) {
        scope = entry.scope.description
        thresholds = entry.thresholds
        author = entry.author
        changed = entry.changed
        audit = entry.audit
    }
}

/// Thresholds on the command line.
struct ThresholdOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The score from which mail must be sent again.", valueName: "score"))
    var `defer`: ThresholdArgument?
    @Option(help: ArgumentHelp("The score from which mail goes to the Junk folder.", valueName: "score"))
    var junk: ThresholdArgument?
    @Option(help: ArgumentHelp("The score from which mail is refused.", valueName: "score"))
    var reject: ThresholdArgument?

    var isEmpty: Bool { self.defer == nil && junk == nil && reject == nil }

    func applied(to thresholds: Thresholds) throws -> Thresholds {
        guard !isEmpty else { throw CommandFailure.wrong("Say at least one of --defer, --junk and --reject.") }
        do {
            return try Thresholds(
                defer: self.defer?.value ?? thresholds.defer, junk: junk?.value ?? thresholds.junk,
                reject: reject?.value ?? thresholds.reject)
        } catch {
            throw CommandFailure.wrong("--\(error.key.rawValue) \(error.reason).")
        }
    }
}

/// A score, or `off`.
struct ThresholdArgument: ExpressibleByArgument {
    let value: Double

    init?(argument: String) {
        guard let value = argument == "off" ? Thresholds.highest : Double(argument) else { return nil }
        self.value = value
    }
}

extension Thresholds {
    /// For a table.
    fileprivate var cells: [String] { [self.defer, junk, reject].map(Self.text) }
}

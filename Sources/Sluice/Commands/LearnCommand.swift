import ArgumentParser
import Configuration
import Directory
import Foundation
import MailTypes
import Pipeline
import Scoring

struct LearnCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "learn", abstract: "Teach what is spam and what is good mail, and see what was taught.",
        discussion: """
            What is taught holds for everybody, unless --domain or --mailbox says for whom. A running server judges \
            by it from the next message on.
            """,
        subcommands: [Spam.self, Ham.self, Forget.self, Undo.self, History.self, Stats.self])

    struct Spam: Teaching {
        static let configuration = CommandConfiguration(
            abstract: "Teach that messages are spam.", discussion: LearnCommand.places)
        static let isSpam = true
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var scope: LessonScopeOptions
        @Argument(help: "Files, mbox files or folders; \"-\" for a message on standard input.") var paths: [String]
    }

    struct Ham: Teaching {
        static let configuration = CommandConfiguration(
            abstract: "Teach that messages are good mail.", discussion: LearnCommand.places)
        static let isSpam = false
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var scope: LessonScopeOptions
        @Argument(help: "Files, mbox files or folders; \"-\" for a message on standard input.") var paths: [String]
    }

    struct Forget: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Undo what was taught of messages.", discussion: LearnCommand.places)
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var scope: LessonScopeOptions
        @Argument(help: "Files, mbox files or folders; \"-\" for a message on standard input.") var paths: [String]

        func run() throws {
            try LessonAccess(place).change { access in
                let scope = try access.scope(scope)
                let report = try access.each(paths, "forget", in: scope) { try access.store.forget($0, in: scope) }
                print("Undid \(Terminal.counted(report.forgotten, "lesson"))\(report.rest("were never taught")).")
            }
        }
    }

    struct Undo: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Undo lessons by their numbers.", discussion: "`sluice learn history` has the numbers.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The lessons' numbers.") var lessons: [String]

        func run() throws {
            try LessonAccess(place).change { access in
                for lesson in lessons {
                    guard let id = Int64(lesson), let entry = try access.store.forget(lesson: id) else {
                        throw CommandFailure.wrong("There is no lesson \(lesson) that counts.")
                    }
                    var report = LessonReport()
                    report.forgotten = 1
                    try access.note("forget", in: entry.scope, report)
                    print("Undid lesson \(id): \(entry.messageID.map(Terminal.harmless) ?? "a message").")
                }
            }
        }
    }

    struct History: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List lessons, the newest first.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var scope: LessonScopeOptions
        @OptionGroup var output: OutputOptions
        @Option(help: ArgumentHelp("How many.", valueName: "number")) var limit = 50

        func validate() throws { try Self.check(limit: limit) }

        func run() throws {
            try LessonAccess(place).read { access in
                let scope = scope.isGlobal ? nil : try access.scope(scope)
                let entries = try access.store.history(scope: scope, limit: limit)
                try output.show(entries, header: ["NUMBER", "TIME", "WHO", "HOW", "FOR", "AS", "STATE", "MESSAGE"]) {
                    [
                        String($0.id), $0.time.stamp, $0.actor, $0.origin.rawValue, Terminal.harmless($0.scope.text),
                        $0.isSpam ? "spam" : "ham", $0.end?.rawValue ?? "counts",
                        $0.messageID.map(Terminal.harmless) ?? "-",
                    ]
                }
            }
        }
    }

    struct Stats: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show how much was taught, and for whom.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try LessonAccess(place).read { access in
                let tallies = try access.store.tallies()
                try output.show(tallies, header: ["FOR", "SPAM", "HAM", "TOKENS", "NEWEST", "SPEAKS"]) {
                    [
                        Terminal.harmless($0.scope.text), String($0.spam), String($0.ham), String($0.tokens),
                        $0.newest?.stamp ?? "-", $0.isSufficient ? "yes" : "not alone",
                    ]
                }
            }
        }
    }

    static let places = """
        A folder is a Maildir if it has cur or new; otherwise each file in it is a message. A file that begins with \
        "From " is an mbox file.
        """
}

/// `learn spam` and `learn ham`.
protocol Teaching: ParsableCommand {
    static var isSpam: Bool { get }
    var place: DirectoryOptions { get }
    var scope: LessonScopeOptions { get }
    var paths: [String] { get }
}

extension Teaching {
    func run() throws {
        try LessonAccess(place).change { access in
            let scope = try access.scope(scope)
            let report = try access.each(paths, Self.isSpam ? "spam" : "ham", in: scope) {
                try access.store.teach($0, as: Self.isSpam, in: scope, by: DirectoryOptions.actor)
            }
            var words = "Learnt \(Terminal.counted(report.taught, "message")) as \(Self.isSpam ? "spam" : "ham")"
            if report.changed > 0 { words += ", and \(report.changed) that were the opposite before" }
            print("\(words)\(report.rest("were taught already")).")
        }
    }
}

/// Whose lessons.
struct LessonScopeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only for this mailbox.", valueName: "address")) var mailbox: String?
    @Option(help: ArgumentHelp("Only for this domain.", valueName: "name")) var domain: String?

    var isGlobal: Bool { mailbox == nil && domain == nil }

    func validate() throws {
        guard mailbox == nil || domain == nil else { throw ValidationError("Say --mailbox or --domain, not both.") }
    }
}

/// The lessons of the data folder, for a command.
struct LessonAccess {
    let directory: MailDirectory
    let store: LessonStore

    /// Messages that are taught in one transaction.
    private static let batch = 200

    init(_ place: DirectoryOptions) throws { try self.init(place.configuration.load()) }

    init(_ settings: ServerConfiguration) throws {
        let data = try DataFolder(settings).entered()
        directory = try told { try Stores.directory(in: data, settings) }
        store = try told { try Stores.lessons(in: data) }
    }

    func read(_ body: (LessonAccess) throws -> Void) throws {
        defer { close() }
        try told { try body(self) }
    }

    func change(_ body: (LessonAccess) throws -> Void) throws {
        defer { close() }
        try told {
            // Lessons count even if what comes behind them fails.
            defer { catchUp() }
            try body(self)
        }
    }

    /// What was taught is kept, whatever happens here.
    private func catchUp() {
        do throws(DirectoryError) { try store.catchUp() } catch {
            Terminal.complain("What was taught is kept, and does not count yet. \(error)")
        }
    }

    private func close() {
        store.close()
        directory.close()
    }

    func scope(_ options: LessonScopeOptions) throws -> LessonScope {
        try directory.change(by: DirectoryOptions.actor) {
            try $0.lessonScope(mailbox: options.mailbox, domain: options.domain)
        }
    }

    func scope(mailbox: EmailAddress) throws -> LessonScope {
        try directory.change(by: DirectoryOptions.actor) {
            try $0.lessonScope(mailbox: mailbox.description, domain: nil)
        }
    }

    func note(_ verb: String, in scope: LessonScope, _ report: LessonReport) throws {
        guard report.taught + report.changed + report.forgotten > 0 else { return }
        try directory.change(by: DirectoryOptions.actor) { try $0.noteLessons(verb, in: scope, report) }
    }

    /// Hands the messages of files and folders to `body`, many at a time, and writes each time down what came of it.
    ///
    /// After an error, what was read before it is handed over, too, and it is said how much that was.
    func each(
        _ paths: [String], _ verb: String, in scope: LessonScope, _ body: ([LessonSubject]) throws -> LessonReport
    ) throws -> LessonReport {
        for path in paths { try MailPile(path).requireExistence() }
        var sum = LessonReport()
        var batch: [LessonSubject] = []
        func hand() throws {
            guard !batch.isEmpty else { return }
            let subjects = batch
            // What failed once is not tried again.
            batch = []
            let report = try body(subjects)
            sum += report
            try note(verb, in: scope, report)
        }
        do {
            for path in paths {
                try MailPile(path).forEach { octets in
                    guard let message = try? Message(parsing: octets) else {
                        Terminal.complain("\(path): a message is too complex to be read, and left out.")
                        return
                    }
                    batch.append(LessonSubject(message))
                    if batch.count == Self.batch { try hand() }
                }
            }
            try hand()
        } catch {
            do { try hand() } catch { Terminal.complain("\(error)") }
            let done = sum.taught + sum.changed + sum.forgotten
            Terminal.complain("\(Terminal.counted(done, "lesson")) counted before this went wrong; the rest did not:")
            throw error
        }
        return sum
    }
}

extension LessonReport {
    fileprivate static func += (left: inout Self, right: Self) {
        left.taught += right.taught
        left.changed += right.changed
        left.unchanged += right.unchanged
        left.forgotten += right.forgotten
        left.expired += right.expired
    }

    fileprivate func rest(_ words: String) -> String {
        (unchanged > 0 ? "; \(unchanged) \(words)" : "") + (expired > 0 ? "; \(expired) old ones made room" : "")
    }
}

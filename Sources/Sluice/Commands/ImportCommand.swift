import ArgumentParser
import Configuration
import Directory
import Foundation
import MailTypes
import Pipeline

#if canImport(Glibc)
    import Glibc
#endif

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take entries of the directory from CSV or JSON.",
        discussion: """
            All of a file is taken, or nothing: everything that is wrong is told first, each with its line and column. \
            CSV is as in RFC 4180, in UTF-8; its first line may name the columns, and then what stands between cells \
            may be a comma, a semicolon or a tab. JSON is an array of objects with the columns' names. A cell that is \
            empty says nothing.
            """,
        subcommands: TransferWords.all.map(\.import) + [All.self])

    /// One kind.
    struct One<Word: TransferWord>: ParsableCommand {
        static var configuration: CommandConfiguration {
            let columns = Word.kind.columns.map(\.rawValue).joined(separator: ", ")
            return CommandConfiguration(
                commandName: Word.kind.rawValue, abstract: "Take \(Word.plural) from a file.",
                discussion: """
                    Columns: \(columns). A file without a line of names has as many of them as it likes, in this \
                    order. docs/operations.md says what each holds.
                    """)
        }

        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The file, or - for standard input.", completion: .file()) var file: String
        @OptionGroup var choices: ImportChoices

        func validate() throws { try choices.check(isStandardInputTaken: file == "-") }

        func run() throws {
            try choices.run(place) { [TransferFile(name: file, kind: Word.kind, content: try InputFile.read(file))] }
        }
    }

    /// All kinds.
    struct All: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "all", abstract: "Take what `sluice export all` has written into a folder.",
            discussion: "All files in one transaction. Those that are missing are passed over.")
        @OptionGroup var place: DirectoryOptions
        @Argument(help: "The folder.", completion: .directory) var folder: String
        @OptionGroup var choices: ImportChoices

        func validate() throws { try choices.check(isStandardInputTaken: false) }

        func run() throws {
            try choices.run(place) {
                let files = TransferKind.allCases.flatMap { kind in
                    ["csv", "json"].map { (kind, "\(folder)/\(kind.rawValue).\($0)") }
                }.filter { FileManager.default.fileExists(atPath: $0.1) }
                guard !files.isEmpty else {
                    throw CommandFailure.wrong("There is no file such as accounts.csv in \(folder).")
                }
                if let twice = zip(files, files.dropFirst()).first(where: { $0.0 == $1.0 }) {
                    throw CommandFailure.wrong("There are both \(twice.0.1) and \(twice.1.1): which one?")
                }
                return try files.map { kind, path in
                    TransferFile(name: path, kind: kind, content: try InputFile.read(path))
                }
            }
        }
    }
}

/// What an import does where the file leaves it open.
struct ImportChoices: ParsableArguments {
    @Flag(help: "Write nothing: say what would be done.") var dryRun = false
    @Option(help: "What becomes of entries that there are already: refuse, skip, change.")
    var existing: Word<ImportOptions.Existing>?
    @Option(help: "What stands between the cells of CSV: comma, semicolon, tab. Otherwise the first line tells.")
    var separator: Word<TransferSeparator>?
    @Option(
        name: .customLong("postoffice"),
        help: ArgumentHelp("Make domains that accounts need in this post office.", valueName: "name"))
    var postOffice: String?
    @Option(help: "The quota of new accounts that have none in the file, such as 2GB; unlimited without.")
    var defaultQuota: ByteCountArgument?
    @Option(help: "What a quota without a unit is counted in, such as 1MB; without, it is an error.")
    var quotaUnit: ByteCountArgument?
    @Option(
        help: ArgumentHelp(
            "Make up a password for each new account without one, and write them into this new file.",
            valueName: "file"),
        completion: .file())
    var generatePasswords: String?
    @Flag(help: "Give new accounts without a password the one in the first line of standard input.")
    var passwordStdin = false
    @Flag(help: "Leave new accounts without a password: nobody can log in to them.") var noPassword = false
    @Flag(help: "Print the result as JSON.") var json = false

    func check(isStandardInputTaken: Bool) throws {
        let choices = [generatePasswords != nil, passwordStdin, noPassword]
        guard choices.count(where: { $0 }) <= 1 else {
            throw ValidationError("Only one of --generate-passwords, --password-stdin and --no-password.")
        }
        guard !(passwordStdin && isStandardInputTaken) else {
            throw ValidationError("The file and the password cannot both come from standard input.")
        }
        guard (quotaUnit?.count.octets ?? 1) > 0 else { throw ValidationError("--quota-unit cannot be nothing.") }
    }

    func run(_ place: DirectoryOptions, _ files: () throws -> [TransferFile]) throws {
        let settings = try place.configuration.load()
        // Before the data folder is entered: the files may be open to another user alone.
        let read = try files()
        let options = try options(settings)
        if let generatePasswords, FileManager.default.fileExists(atPath: generatePasswords) {
            throw CommandFailure.wrong("\(generatePasswords) is there already; passwords need a new file.")
        }
        let directory = try place.open()
        defer { directory.close() }
        let transfer = DirectoryImport(read, into: directory, options, by: DirectoryOptions.actor)
        var report = try told { try transfer.rehearse() }
        if report.problemCount == 0, !dryRun { report = try perform(transfer) }
        try show(report)
        guard report.problemCount == 0 else { throw CommandFailure.silent }
    }

    private func perform(_ transfer: DirectoryImport) throws -> ImportReport {
        let progress = PasswordProgress(of: transfer.passwordCount)
        var isKept = false
        do {
            let report = try told {
                try transfer.perform(
                    keeping: { passwords in
                        try NewFile.write(GeneratedPassword.csv(passwords), to: generatePasswords ?? "")
                        isKept = true
                    }, progress: progress.show)
            }
            if !report.isTrial { return report }
            discard(isKept)
            return report
        } catch {
            discard(isKept)
            throw error
        }
    }

    /// Passwords of accounts that there are not.
    private func discard(_ isKept: Bool) {
        if isKept, let generatePasswords { NewFile.remove(generatePasswords) }
    }

    private func options(_ settings: ServerConfiguration) throws -> ImportOptions {
        var options = ImportOptions()
        options.existing = existing?.value ?? .refuse
        options.separator = separator?.value
        options.postOffice = postOffice
        options.defaultQuota = defaultQuota?.count.octets
        options.quotaUnit = quotaUnit?.count.octets
        let data = DataFolder(settings)
        options.relay = { text in
            do { return try RelayOptions.relay(text, settings, data) } catch let failure as CommandFailure {
                throw DirectoryError.malformed(text: text.host, reason: "cannot be its server: \(failure.message)")
            }
        }
        if generatePasswords != nil { options.missingPassword = .generate }
        if noPassword { options.missingPassword = .none }
        if passwordStdin {
            guard let line = readLine(strippingNewline: true), !line.isEmpty else {
                throw CommandFailure.wrong("There is no password on standard input.")
            }
            options.missingPassword = .set(line)
        }
        return options
    }

    // MARK: What is said

    private func show(_ report: ImportReport) throws {
        if json { return print(try Terminal.json(report)) }
        for problem in report.problems { Terminal.remark(Terminal.harmless(problem.description)) }
        let untold = report.problemCount - report.problems.count
        if report.problemCount > 0 {
            let more = untold > 0 ? ", of which \(untold) are not shown" : ""
            Terminal.complain("\(Terminal.counted(report.problemCount, "problem"))\(more); nothing was imported.")
            return
        }
        for domain in report.domainsAdded { print("\(report.isTrial ? "Would add" : "Added") domain \(domain).") }
        for kind in TransferKind.allCases {
            guard let counts = report.kinds[kind.rawValue] else { continue }
            print("\(kind.rawValue): \(counts.words)")
        }
        if report.kinds.isEmpty { print("There is nothing in it.") }
        if report.isTrial { print("Nothing was written: this was a dry run.") }
        if let generatePasswords, !report.isTrial { print("The new passwords are in \(generatePasswords).") }
    }
}

extension ImportReport.Counts {
    fileprivate var words: String {
        let parts = [(added, "added"), (changed, "changed"), (unchanged, "unchanged"), (skipped, "skipped")]
        return parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    }
}

/// Says on a terminal how far the hashing of passwords has come: each takes a tenth of a second on purpose.
struct PasswordProgress: Sendable {
    let count: Int
    private let isShown = isatty(2) == 1

    init(of count: Int) { self.count = count }

    var show: @Sendable (Int) -> Void {
        let (count, isShown) = (count, isShown)
        return { done in
            guard isShown, done % Self.step == 0 || done == count else { return }
            let end = done == count ? "\n" : ""
            FileHandle.standardError.write(Data("\rHashing passwords: \(done) of \(count)\(end)".utf8))
        }
    }

    private static let step = 10
}

/// A whole file, or what comes from standard input.
enum InputFile {
    static func read(_ path: String) throws -> [UInt8] {
        let handle = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        guard let handle else { throw CommandFailure.wrong("There is no file \(path) that can be read.") }
        do {
            // One more than is taken, so that a longer file is seen to be one.
            return [UInt8](try handle.read(upToCount: TransferLimits.octets + 1) ?? Data())
        } catch {
            throw CommandFailure.wrong("\(path) cannot be read: \(error.localizedDescription)")
        }
    }
}

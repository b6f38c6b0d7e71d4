import ArgumentParser
import Directory
import Foundation
import MailTypes

#if canImport(Glibc)
    import Glibc
#endif

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write what is in the directory as CSV or JSON.",
        discussion: """
            What is written is what `sluice import` reads. Passwords are never in it. In CSV a cell that a spreadsheet \
            would take for a formula has an apostrophe before it, which an import takes away again.
            """,
        subcommands: TransferWords.all.map(\.export) + [All.self])

    /// One kind.
    struct One<Word: TransferWord>: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(
                commandName: Word.kind.rawValue, abstract: "Write the \(Word.plural).",
                discussion: "Columns: \(Word.kind.exportedColumns.map(\.rawValue).joined(separator: ", ")).")
        }

        @OptionGroup var place: DirectoryOptions
        @OptionGroup var format: ExportFormat
        @Option(help: "Only those of this domain.") var domain: String?
        @Option(help: ArgumentHelp("Only these columns, with commas between them.", valueName: "columns"))
        var columns: String?
        @Option(help: ArgumentHelp("Write a file of this name instead; it must not exist.", valueName: "file"))
        var to: String?

        func run() throws {
            let columns = try chosen()
            if domain != nil, Word.kind == .postOffices {
                throw CommandFailure(message: "A post office is of no domain: no --domain.", code: ExitCodes.usage)
            }
            let text = try place.read { directory in
                try format.text(of: Word.kind, in: directory, domain: domain, columns: columns)
            }
            if let to { try NewFile.write(text, to: to) } else { print(text, terminator: "") }
        }

        private func chosen() throws -> [TransferColumn]? {
            guard let columns else { return nil }
            let known = Word.kind.exportedColumns
            return try columns.split(separator: ",").map { name in
                guard let column = known.first(where: { $0.rawValue == name.trimmed }) else {
                    throw CommandFailure(
                        message: "\"\(Terminal.harmless(String(name)))\" is none of the columns "
                            + "\(known.map(\.rawValue).joined(separator: ", ")).", code: ExitCodes.usage)
                }
                return column
            }
        }
    }

    /// All kinds.
    struct All: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "all", abstract: "Write a file of each kind into a folder.",
            discussion: "The folder is made if need be; files that are there already are left, and are an error.")
        @OptionGroup var place: DirectoryOptions
        @OptionGroup var format: ExportFormat
        @Argument(help: "The folder.", completion: .directory) var folder: String

        func run() throws {
            let texts = try place.read { directory in
                try TransferKind.allCases.map { kind in
                    ("\(folder)/\(kind.rawValue).\(format.ending)", try format.text(of: kind, in: directory))
                }
            }
            do {
                try Caller.acting {
                    try FileManager.default.createDirectory(
                        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                }
            } catch { throw CommandFailure.wrong("\(folder) cannot be made: \(error.localizedDescription)") }
            for (path, text) in texts { try NewFile.write(text, to: path) }
            print("Wrote \(texts.count) files into \(folder).")
        }
    }
}

/// How an export is written.
struct ExportFormat: ParsableArguments {
    @Flag(help: "Write CSV (RFC 4180), which is the default.") var csv = false
    @Flag(help: "Write JSON.") var json = false
    @Option(help: "What stands between the cells of CSV: comma, semicolon, tab.") var separator:
        Word<TransferSeparator>?

    func validate() throws {
        guard !csv || !json else { throw ValidationError("Either --csv or --json.") }
        guard !json || separator == nil else { throw ValidationError("JSON has no --separator.") }
    }

    var ending: String { json ? "json" : "csv" }

    func text(
        of kind: TransferKind, in directory: MailDirectory, domain: String? = nil, columns: [TransferColumn]? = nil
    ) throws -> String {
        if json { return try directory.exportJSON(kind, domain: domain, columns: columns) }
        return try directory.exportCSV(
            kind, domain: domain, columns: columns, separator: separator?.value ?? .comma)
    }
}

/// A kind, as the type of its commands.
protocol TransferWord: Sendable {
    static var kind: TransferKind { get }
    static var plural: String { get }
}

extension TransferWord {
    static var export: any ParsableCommand.Type { ExportCommand.One<Self>.self }
    static var `import`: any ParsableCommand.Type { ImportCommand.One<Self>.self }
}

enum TransferWords {
    struct Commands {
        let export: any ParsableCommand.Type
        let `import`: any ParsableCommand.Type

        init(_ word: (some TransferWord).Type) {
            export = word.export
            `import` = word.import
        }
    }

    static var all: [Commands] {
        [
            Commands(Accounts.self), Commands(Aliases.self), Commands(Groups.self), Commands(Senders.self),
            Commands(Domains.self), Commands(DomainAliases.self), Commands(RelayDomains.self),
            Commands(PostOffices.self),
        ]
    }

    enum PostOffices: TransferWord {
        static let (kind, plural) = (TransferKind.postOffices, "post offices")
    }
    enum Domains: TransferWord {
        static let (kind, plural) = (TransferKind.domains, "domains")
    }
    enum DomainAliases: TransferWord {
        static let (kind, plural) = (TransferKind.domainAliases, "further names of domains")
    }
    enum Accounts: TransferWord {
        static let (kind, plural) = (TransferKind.accounts, "mailboxes and who logs in to them")
    }
    enum Aliases: TransferWord {
        static let (kind, plural) = (TransferKind.aliases, "addresses that stand for others")
    }
    enum Groups: TransferWord {
        static let (kind, plural) = (TransferKind.groups, "groups of people")
    }
    enum Senders: TransferWord {
        static let (kind, plural) = (TransferKind.senders, "addresses that users may send as beside their own")
    }
    enum RelayDomains: TransferWord {
        static let (kind, plural) = (TransferKind.relayDomains, "domains whose mail goes to another server")
    }
}

/// A file that only its owner can read, and that was not there before.
enum NewFile {
    /// Written as who has called: the data folder's owner, whom root acts as, may not write there.
    static func write(_ text: String, to path: String) throws {
        try Caller.acting { try make(text, path) }
    }

    static func remove(_ path: String) {
        Caller.acting { _ = unlink(path) }
    }

    private static func make(_ text: String, _ path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            let reason = errno == EEXIST ? "it is there already" : String(cString: strerror(errno))
            throw CommandFailure.wrong("\(path) cannot be written: \(reason).")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do {
            try handle.write(contentsOf: Data(text.utf8))
            try handle.synchronize()
        } catch {
            unlink(path)
            throw CommandFailure.wrong("\(path) cannot be written: \(error.localizedDescription).")
        }
    }
}

/// Who has called, where root acts as the data folder's owner.
enum Caller {
    static func acting<Result>(_ body: () throws -> Result) rethrows -> Result {
        let (user, acting) = (getuid(), geteuid())
        guard user != acting, seteuid(user) == 0 else { return try body() }
        defer { _ = seteuid(acting) }
        return try body()
    }
}

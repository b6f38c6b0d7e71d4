import Adapters
import ArgumentParser
import Configuration
import Directory
import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Which directory a command works on, and how it gets there.
struct DirectoryOptions: ParsableArguments {
    @OptionGroup var configuration: ConfigurationOptions

    func open() throws -> MailDirectory {
        let settings = try configuration.load()
        let data = try DataFolder(settings).entered()
        return try told { try Stores.directory(in: data, settings) }
    }

    func read<Result>(_ body: (MailDirectory) throws -> Result) throws -> Result {
        let directory = try open()
        defer { directory.close() }
        return try told { try body(directory) }
    }

    func change(_ body: (borrowing DirectoryChanges) throws -> Void) throws {
        let directory = try open()
        defer { directory.close() }
        try change(in: directory, body)
    }

    func change(in directory: MailDirectory, _ body: (borrowing DirectoryChanges) throws -> Void) throws {
        try told { try directory.change(by: Self.actor, body) }
    }

    /// Who the audit log says it was.
    static var actor: String {
        let user =
            ProcessInfo.processInfo.environment["SUDO_USER"]
            ?? getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) }
        return "cli:\(user ?? String(getuid()))"
    }
}

/// How a list is shown.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON.") var json = false

    func show<Entry: Encodable>(_ entries: [Entry], header: [String], row: (Entry) -> [String]) throws {
        if json {
            print(try Terminal.json(entries))
        } else if !entries.isEmpty {
            print(Terminal.table(header, entries.map(row)))
        }
    }
}

/// Runs `body`, and turns what the directory says into the command's own failure.
func told<Result>(_ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch DirectoryError.unavailable(let reason) {
        throw CommandFailure.again("The directory cannot be used now: \(reason).")
    } catch let error as DirectoryError {
        if case .lessonsUnavailable(_, _, isDamaged: false) = error { throw CommandFailure.again(error.description) }
        throw CommandFailure.wrong(error.description)
    }
}

import ArgumentParser
import Directory

// What the commands of the directory have in common. Each says only what it asks for, what it does with that, and
// how it says so.

/// A command that changes the directory, with its entry in the audit log.
protocol DirectoryChange: ParsableCommand {
    var place: DirectoryOptions { get }
    /// Said when it is done.
    var report: String { get }

    /// All of it in one transaction.
    func apply(_ changes: borrowing DirectoryChanges) throws
}

extension DirectoryChange {
    func run() throws {
        try place.change(apply)
        print(report)
    }
}

/// A command whose members may stand in a file.
protocol MemberChange: ParsableCommand {
    var place: DirectoryOptions { get }
    var report: String { get }

    /// Who is to be added: from the command line and the file.
    func added() throws -> [String]
    /// All of it in one transaction.
    func apply(_ changes: borrowing DirectoryChanges, adding members: [String]) throws
}

extension MemberChange {
    func run() throws {
        // A file that cannot be read is no trouble of the directory's.
        let members = try added()
        try place.change { try apply($0, adding: members) }
        print(report)
    }
}

/// A command that takes a password, which is random unless it comes from standard input.
protocol PasswordChange: ParsableCommand {
    var place: DirectoryOptions { get }
    var secret: PasswordOptions { get }
    var report: String { get }

    func apply(_ changes: borrowing DirectoryChanges, passwordHash: String) throws
    /// Tells what else should be known, when it is done.
    func warn() throws
}

extension PasswordChange {
    func warn() {}

    func run() throws {
        let directory = try place.open()
        defer { directory.close() }
        let (password, isRandom) = try secret.read(from: directory)
        let hash = try told { try directory.passwordHash(Array(password.utf8)) }
        try place.change(in: directory) { try apply($0, passwordHash: hash) }
        print(report)
        if isRandom { print("Its password: \(password)") }
        try warn()
    }
}

/// A command that lists entries of the directory, as a table or as JSON.
protocol DirectoryListing: ParsableCommand {
    associatedtype Entry: Encodable
    typealias Column = (title: String, cell: (Entry) -> String)

    var place: DirectoryOptions { get }
    var output: OutputOptions { get }
    var columns: [Column] { get }

    func entries(in directory: MailDirectory) throws -> [Entry]
}

extension DirectoryListing {
    func run() throws {
        let entries = try place.read(entries)
        try output.show(entries, header: columns.map(\.title)) { entry in columns.map { $0.cell(entry) } }
    }
}

extension Bool {
    /// Whether mail is taken, in a table.
    var mailWord: String { self ? "on" : "off" }
}

import Foundation

/// Debian's OpenDKIM in its test mode: it takes messages from files through the same functions as from a mail server,
/// and says what it would do. opendkim(8), `-t`.
struct OpenDKIMPeer {
    struct Missing: Error, CustomStringConvertible {
        var description: String { "opendkim is missing; `make test` installs it" }
    }

    private static let program = "/usr/sbin/opendkim"
    private let folder: URL

    init() throws {
        guard FileManager.default.isExecutableFile(atPath: Self.program) else { throw Missing() }
        folder = FileManager.default.temporaryDirectory.appending(path: "sluice-opendkim-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    /// What it says of each message, in their order; `settings` are lines of opendkim.conf(5), in which FOLDER is
    /// where `files` are.
    func judge(_ messages: [[UInt8]], _ settings: String, files: [String: String]) throws -> [String] {
        var names: [String] = []
        for (number, message) in messages.enumerated() {
            let file = folder.appending(path: "\(number).eml")
            // As mail comes: its last line has an end.
            try Data(message.suffix(2) == [13, 10] ? message : message + [13, 10]).write(to: file)
            names.append(file.path)
        }
        for (name, text) in files {
            let file = folder.appending(path: name)
            try Data(text.utf8).write(to: file)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
        }
        let configuration = folder.appending(path: "opendkim.conf")
        try Data(settings.replacing("FOLDER", with: folder.path).utf8).write(to: configuration)
        var said: [String] = []
        // One at a time: what it says does not always name the file.
        for name in names {
            said.append(try run(["-x", configuration.path, "-t", name, "-v", "-v"]))
        }
        return said
    }

    private func run(_ arguments: [String]) throws -> String {
        let program = Process()
        program.executableURL = URL(fileURLWithPath: Self.program)
        program.arguments = arguments
        let output = folder.appending(path: "out")
        _ = FileManager.default.createFile(atPath: output.path, contents: nil)
        let handle = try FileHandle(forWritingTo: output)
        program.standardOutput = handle
        program.standardError = handle
        try program.run()
        program.waitUntilExit()
        try handle.close()
        return String(decoding: try Data(contentsOf: output), as: UTF8.self)
    }

    /// The value of a field that it would put in. In its log lines end as in files.
    static func field(_ name: String, in said: String) -> String? {
        let parts = said.components(separatedBy: "hname='\(name)' hvalue='")
        guard parts.count > 1 else { return nil }
        let value = parts[1].components(separatedBy: "'\n")[0]
        return value.replacing("\r\n", with: "\n").replacing("\n", with: "\r\n")
    }
}

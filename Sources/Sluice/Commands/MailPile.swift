import Foundation
import MailTypes

/// Messages that lie in files: one, an mbox, or a folder of them.
struct MailPile {
    /// Octets of a message; what is longer is left out with a word.
    static let mostOctets = 64 << 20

    let path: String

    init(_ path: String) { self.path = path }

    /// Says if there is nothing of that name.
    func requireExistence() throws {
        guard path == "-" || FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure.wrong("There is no file or folder \(path).")
        }
    }

    /// Calls `body` with the octets of each message.
    func forEach(_ body: (Bytes) throws -> Void) throws {
        if path == "-" {
            try body(Bytes([UInt8](FileHandle.standardInput.readDataToEndOfFile())))
            return
        }
        var isFolder: ObjCBool = false
        try requireExistence()
        _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        guard isFolder.boolValue else { return try Self.forEach(inFile: path, body) }
        let folders = ["cur", "new"].map { "\(path)/\($0)" }.filter { FileManager.default.fileExists(atPath: $0) }
        for folder in folders.isEmpty ? [path] : folders {
            for name in try Self.names(in: folder) {
                // A message may be renamed or gone by now: somebody reads this mail.
                let file = "\(folder)/\(name)"
                guard FileManager.default.fileExists(atPath: file, isDirectory: &isFolder), !isFolder.boolValue else {
                    continue
                }
                try Self.forEach(inFile: file, body)
            }
        }
    }

    private static func names(in folder: String) throws -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }.sorted()
        } catch {
            throw CommandFailure.wrong("The folder \(folder) cannot be read: \(error.localizedDescription)")
        }
    }

    private static func forEach(inFile file: String, _ body: (Bytes) throws -> Void) throws {
        let data: Data
        do { data = try Data(contentsOf: URL(fileURLWithPath: file), options: .alwaysMapped) } catch {
            throw CommandFailure.wrong("\(file) cannot be read: \(error.localizedDescription)")
        }
        guard data.starts(with: Mailbox.mark) else { return try take(data, of: file, body) }
        var mailbox = Mailbox(data)
        while let message = mailbox.next() { try take(message, of: file, body) }
    }

    private static func take(_ data: Data, of file: String, _ body: (Bytes) throws -> Void) throws {
        guard data.count <= mostOctets else {
            Terminal.complain("\(file): a message of \(ByteCount(data.count)) is too large, and left out.")
            return
        }
        if !data.isEmpty { try body(Bytes([UInt8](data))) }
    }
}

/// An mbox file, message by message. RFC 4155; of `>From ` at the beginning of a line one `>` is taken away.
struct Mailbox {
    static let mark = Array("From ".utf8)
    private let data: Data
    private var position: Data.Index

    init(_ data: Data) {
        self.data = data
        position = data.startIndex
    }

    mutating func next() -> Data? {
        guard position < data.endIndex else { return nil }
        var message = Data()
        // The line that begins it is none of the message's.
        _ = line()
        var wasEmpty = false
        while position < data.endIndex {
            if wasEmpty, data[position...].starts(with: Self.mark) { break }
            let line = line()
            wasEmpty = line.allSatisfy { $0 == .lf || $0 == .cr }
            let quotes = line.prefix { $0 == UInt8(ascii: ">") }
            message += !quotes.isEmpty && line.dropFirst(quotes.count).starts(with: Self.mark) ? line.dropFirst() : line
        }
        return message
    }

    private mutating func line() -> Data {
        let end = data[position...].firstIndex(of: .lf).map { data.index(after: $0) } ?? data.endIndex
        defer { position = end }
        return data[position..<end]
    }
}

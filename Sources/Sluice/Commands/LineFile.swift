import Foundation

/// Entries that stand in a file, one in a line.
enum LineFile {
    struct Line {
        /// From one.
        let number: Int
        /// Without blanks around it.
        let text: String
    }

    /// Octets that are read.
    private static let mostOctets = 64 << 20

    /// The lines with something in them; a # at the beginning makes a remark. `-` is standard input.
    static func read(_ path: String) throws -> [Line] {
        let handle = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        guard let handle else { throw CommandFailure.wrong("There is no file \(path) that can be read.") }
        let content: Data
        do { content = try handle.read(upToCount: mostOctets + 1) ?? Data() } catch {
            throw CommandFailure.wrong("\(path) cannot be read: \(error.localizedDescription)")
        }
        guard content.count <= mostOctets else { throw CommandFailure.wrong("\(path) has more than 64 MB.") }
        guard let text = String(bytes: content, encoding: .utf8) else {
            throw CommandFailure.wrong("\(path) is not UTF-8.")
        }
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        return lines.enumerated().compactMap { place, line in
            let trimmed = line.trimmed
            return trimmed.isEmpty || trimmed.hasPrefix("#") ? nil : Line(number: place + 1, text: trimmed)
        }
    }
}

extension Substring {
    /// Without blanks around it.
    var trimmed: String { trimmingCharacters(in: .whitespaces) }
}

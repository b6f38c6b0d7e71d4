import Foundation
import MailTypes

/// A map of rspamd's: on each line a name, blanks and a value; `#` begins a comment.
struct RspamdMap {
    private var values: [String: String] = [:]

    init(file: String) throws {
        let octets = try ForeignKey.contents(of: file)
        guard let text = String(validating: octets, as: UTF8.self) else {
            throw CommandFailure.wrong("\(file) is not a text.")
        }
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
        try self.init(lines: lines, place: file)
    }

    init(lines: [String], place: String) throws {
        for (number, line) in lines.enumerated() {
            let words = line.prefix { $0 != "#" }.split(maxSplits: 1, whereSeparator: \.isWhitespace)
            guard let name = words.first else { continue }
            let value = words.dropFirst().first.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
            guard !value.isEmpty, !name.contains("\""), !value.contains("\"") else {
                throw CommandFailure.wrong("\(place):\(number + 1): this is not NAME VALUE, without quotes.")
            }
            values[ForeignKey.domain(String(name))] = value
        }
    }

    func value(of domain: String) -> String? { values[domain] }
}

import ArgumentParser
import Delivery
import Directory
import Foundation
import MailTypes
import Pipeline

/// What a mailbox answers by itself.
struct AutoreplyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autoreply", abstract: "Have a mailbox answer by itself, while its owner is away.",
        discussion: """
            Each sender is told once in --period, and again when the text changes or it is switched on anew. Lists, \
            bulk mail, other programs, junk and mail that does not name the mailbox in To or Cc get no reply; the \
            trace of a message says why it got none.

            Without an option, shows what is set and who was told. --off keeps the text for the next time.
            """)
    @OptionGroup var place: DirectoryOptions
    @Argument(help: "The mailbox's address; without one, all that answer are listed.") var address: String?
    @Flag(help: "Begin to answer.") var on = false
    @Flag(help: "Answer no more.") var off = false
    @Flag(help: "Forget the reply and its text.") var remove = false
    @Option(
        help: ArgumentHelp(
            "Answer mail that comes from then on: in 2d, 2026-12-24, 2026-12-24T12:00:00Z, or \"none\". A date is UTC.",
            valueName: "moment"))
    var from: WindowStart?
    @Option(
        help: ArgumentHelp("And no more from then on; a date is the last day. Or \"none\".", valueName: "moment"))
    var until: WindowEnd?
    @Option(help: ArgumentHelp("Instead of \"Auto:\" and the sender's own; \"none\" for that.", valueName: "text"))
    var subject: String?
    @Option(help: ArgumentHelp("The text.", valueName: "text")) var text: String?
    @Option(help: ArgumentHelp("A file with the text, in UTF-8; - for standard input.", valueName: "file"))
    var textFile: String?
    @Option(help: ArgumentHelp("A file with the same in HTML, or \"none\".", valueName: "file")) var htmlFile: String?
    @Option(help: ArgumentHelp("How long who was told is not told again: 7d.", valueName: "interval"))
    var period: IntervalArgument?
    @Flag(inversion: .prefixedNo, help: "Whether mail that comes by a catch-all is answered.") var catchAll: Bool?
    @Flag(help: "Print JSON.") var json = false

    private var changesSomething: Bool {
        on || off || from != nil || until != nil || subject != nil || text != nil || textFile != nil
            || htmlFile != nil || period != nil || catchAll != nil
    }

    func validate() throws {
        if on, off { throw ValidationError("Say --on or --off, not both.") }
        if text != nil, textFile != nil { throw ValidationError("Say --text or --text-file, not both.") }
        if remove, changesSomething { throw ValidationError("--remove stands alone.") }
    }

    func run() throws {
        guard let address else {
            if remove || changesSomething { throw CommandFailure.wrong("Say which mailbox is to answer.") }
            return try list()
        }
        if remove {
            var wasThere = false
            try place.change { changes in wasThere = try changes.removeAutoreply(address) }
            print(wasThere ? "\(address) answers no more." : "\(address) has no reply.")
            return
        }
        guard changesSomething else { return try show(address) }
        let change = try self.change()
        var entry: AutoreplyEntry?
        try place.change { changes in entry = try changes.setAutoreply(address, change) }
        guard let entry else { return }
        print(Terminal.harmless(Self.report(entry)))
    }

    private func change() throws -> AutoreplyChange {
        var change = AutoreplyChange()
        if on || off { change.isOn = on }
        change.from = from?.date
        change.until = until?.date
        change.subject = subject.map { .some($0 == "none" ? nil : $0) } ?? nil
        change.text = try text ?? textFile.map { try Self.read($0, atMost: AutoreplyLimits.text) }
        if let htmlFile {
            change.html =
                htmlFile == "none" ? .some(nil) : .some(try Self.read(htmlFile, atMost: AutoreplyLimits.html))
        }
        change.period = period?.interval
        change.answersCatchAll = catchAll
        return change
    }

    private static func read(_ path: String, atMost limit: Int) throws -> String {
        let data: Data
        if path == "-" {
            data = try FileHandle.standardInput.read(upToCount: limit + 1) ?? Data()
        } else {
            do {
                let handle = try FileHandle(forReadingFrom: URL(filePath: path))
                defer { try? handle.close() }
                data = try handle.read(upToCount: limit + 1) ?? Data()
            } catch {
                throw CommandFailure.wrong("\(path) cannot be read: \(error.localizedDescription)")
            }
        }
        guard data.count <= limit else {
            throw CommandFailure.wrong("\(path) has more than \(ByteCount(limit)), which is the most.")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw CommandFailure.wrong("\(path) is not UTF-8.")
        }
        return text
    }

    // MARK: - Saying it

    static func report(_ entry: AutoreplyEntry) -> String {
        guard entry.reply.isOn else { return "\(entry.mailbox) does not answer." }
        return "\(entry.mailbox) answers\(window(entry.reply)), each sender once in \(entry.reply.period)."
    }

    /// ` from 2026-12-24 00:00:00Z until 2027-01-02 00:00:00Z`; empty for an open one.
    static func window(_ reply: Autoreply) -> String {
        (reply.from.map { " from \($0.stamp)" } ?? "") + (reply.until.map { " until \($0.stamp)" } ?? "")
    }

    private struct Shown: Encodable {
        var mailbox: EmailAddress
        var reply: Autoreply
        var told: [AutoreplyRecord]
    }

    /// Those whom it has told, the last first, that are shown.
    private static let mostTold = 20

    private func show(_ address: String) throws {
        let mailbox = try EmailAddress(typed: address)
        guard let entry = try place.read({ directory in try directory.autoreply(of: mailbox) }) else {
            if json { return print("null") }
            return print("\(mailbox) has no reply.")
        }
        let told = try Self.told(by: entry.mailbox, place)
        if json { return print(try Terminal.json(Shown(mailbox: entry.mailbox, reply: entry.reply, told: told))) }
        print(Terminal.harmless(Self.report(entry)))
        print("Subject: \(Terminal.harmless(entry.reply.subject ?? "Auto: (the sender's own)"))")
        if entry.reply.html != nil { print("With HTML beside the text.") }
        if entry.reply.answersCatchAll { print("Mail that comes by a catch-all is answered too.") }
        print()
        for line in entry.reply.text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            print("    " + Terminal.harmless(String(line)))
        }
        if !told.isEmpty {
            print("Told:")
            let rows = told.prefix(Self.mostTold).map { record in
                [record.time.stamp, Terminal.harmless(record.sender), record.state.rawValue, record.id.text]
            }
            print(Terminal.table(["TIME", "SENDER", "STATE", "REPLY"], Array(rows)))
            if told.count > Self.mostTold { print("and \(told.count - Self.mostTold) more.") }
        }
    }

    private static func told(by mailbox: EmailAddress, _ place: DirectoryOptions) throws -> [AutoreplyRecord] {
        let path = DataFolder(try place.configuration.load()).autoreplies
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try Sluice.told {
            let ledger = try AutoreplyLedger(readOnly: path)
            defer { ledger.close() }
            return try ledger.records(mailbox: mailbox.key)
        }
    }

    private func list() throws {
        let entries = try place.read { directory in try directory.autoreplies() }
        if json { return print(try Terminal.json(entries)) }
        guard !entries.isEmpty else { return print("No mailbox answers by itself.") }
        let rows = entries.map { entry in
            [
                entry.mailbox.description, entry.reply.isOn ? "on" : "off", entry.reply.from?.stamp ?? "-",
                entry.reply.until?.stamp ?? "-", entry.reply.period.description, entry.reply.subject ?? "-",
            ].map(Terminal.harmless)
        }
        print(Terminal.table(["MAILBOX", "REPLY", "FROM", "UNTIL", "PERIOD", "SUBJECT"], rows))
    }
}

/// The beginning of a window on the command line. The outer `nil` is no argument at all.
struct WindowStart: ExpressibleByArgument {
    let date: Date??

    init?(argument: String) {
        if argument == "none" {
            date = .some(nil)
        } else if let day = Day(argument) {
            date = day.start
        } else if let moment = Deadline(argument: argument) {
            date = moment.date
        } else {
            return nil
        }
    }
}

/// The end of a window on the command line; a date is its last day.
struct WindowEnd: ExpressibleByArgument {
    let date: Date??

    init?(argument: String) {
        if argument == "none" {
            date = .some(nil)
        } else if let day = Day(argument) {
            date = day.start.addingTimeInterval(Day.length)
        } else if let moment = Deadline(argument: argument) {
            date = moment.date
        } else {
            return nil
        }
    }
}

/// `2026-12-24`, in UTC.
private struct Day {
    let start: Date
    static let length = 86_400.0

    init?(_ text: String) {
        guard text.utf8.count == 10, let date = try? Date("\(text)T00:00:00Z", strategy: .iso8601) else { return nil }
        start = date
    }
}

/// A length of time on the command line.
struct IntervalArgument: ExpressibleByArgument {
    let interval: Interval

    init?(argument: String) {
        guard let interval = try? Interval(parsing: argument) else { return nil }
        self.interval = interval
    }
}

import ArgumentParser
import Configuration
import Directory
import Foundation
import MailTypes
import Pipeline

struct TryOutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try-out", abstract: "Send samples through the running server and print each one's trace.",
        discussion: """
            Plain text, an attachment, an unknown user, two recipients, something spammy and a virus scanner's test \
            string, from 127.0.0.1 over SMTP. The server is the demonstration server unless --config names another.
            """)
    @Option(
        name: .customLong("config"), help: ArgumentHelp("The server's configuration.", valueName: "file"),
        completion: .file(extensions: ["toml"]))
    var file: String?
    @Option(help: ArgumentHelp("The mailbox that the samples are for.", valueName: "address")) var to =
        "anna@\(DemoFolder.domain)"
    @Option(help: "The server's SMTP port on 127.0.0.1.") var port = 2525
    @OptionGroup var options: TraceOptions

    func run() throws {
        let path = file ?? DemoFolder(DemoFolder.usual).configuration
        guard FileManager.default.fileExists(atPath: path) else {
            throw CommandFailure.again("There is no demonstration yet; start one with `make run` or `sluice demo`.")
        }
        let loaded = try LoadedConfiguration(file: path).usable()
        for sample in Sample.all(to: try EmailAddress(typed: to)) {
            print(Terminal.styled("── \(sample.title)", .bold))
            let conversation = try Conversation(port: port)
            let id = try conversation.send(sample)
            conversation.close()
            try show(id, loaded, path)
            print()
        }
    }

    /// The trace is written a moment after the reply, and the deliveries a moment after that.
    private func show(_ id: TransactionID?, _ loaded: LoadedConfiguration, _ path: String) throws {
        guard let id else {
            print("  The server has said no id.")
            return
        }
        let store = try told { try TraceStore.openReadOnly(DataFolder(loaded.settings).traces) }
        defer { store.close() }
        for _ in 0..<100 {
            if let trace = try told({ try store.trace(id) })?.readable() {
                var printer = TracePrinter(trace, hostname: loaded.settings.hostname, options: options)
                let expected = trace.outcome == .accepted ? trace.recipients.flatMap(\.destinations).count : 0
                for _ in 0..<40 where printer.deliveries.count < expected {
                    usleep(50_000)
                    printer.deliveries = try told { try store.deliveries(of: id) }
                }
                print(printer.text)
                return
            }
            usleep(50_000)
        }
        print("  There is no trace of \(id) in five seconds. Is the server on port \(port) that of \(path)?")
        print("  If so, try `sluice trace \(id) --config \(path)` later.")
    }
}

/// One message of the demonstration.
struct Sample {
    let title: String
    let recipients: [EmailAddress]
    let message: String

    static func all(to recipient: EmailAddress) -> [Sample] {
        let other = EmailAddress(localPart: "bert", domain: recipient.domain)
        let unknown = EmailAddress(localPart: "nobody-of-that-name", domain: recipient.domain)
        return [
            Sample(title: "Plain text", recipients: [recipient], message: message("A plain message", "Good morning.")),
            Sample(title: "With an attachment", recipients: [recipient], message: attachment),
            Sample(title: "To nobody we know", recipients: [unknown], message: message("Hello?", "Anybody there?")),
            Sample(
                title: "To two recipients", recipients: [recipient, other],
                message: message("For both of you", "Lunch at noon?")),
            Sample(title: "Something spammy", recipients: [recipient], message: spam),
            Sample(title: "A virus scanner's test string", recipients: [recipient], message: virus),
        ]
    }

    private static func message(_ subject: String, _ text: String, _ fields: [String] = []) -> String {
        let moment = DateFormatter.mail.string(from: Date())
        let id = UInt64.random(in: .min ... .max)
        return
            ([
                "From: Sluice try-out <try-out@client.example>", "To: you <anna@example.test>", "Subject: \(subject)",
                "Date: \(moment)", "Message-ID: <\(id)@client.example>", "MIME-Version: 1.0",
            ] + fields + ["", text, ""]).joined(separator: "\r\n")
    }

    private static var attachment: String {
        let lines = [
            "--parts", "Content-Type: text/plain; charset=utf-8", "", "The table is attached.", "--parts",
            "Content-Type: text/csv; name=table.csv", "Content-Disposition: attachment; filename=table.csv",
            "Content-Transfer-Encoding: base64", "", Data("name,score\nanna,1\n".utf8).base64EncodedString(),
            "--parts--",
        ]
        return message(
            "With a table", lines.joined(separator: "\r\n"), ["Content-Type: multipart/mixed; boundary=parts"])
    }

    private static var spam: String {
        let text =
            "DEAR FRIEND!!! You have WON $1,000,000. CLICK NOW: http://192.0.2.99/claim?id=1 100% FREE, act now!!!"
        return message("RE: YOU ARE A WINNER!!!", text, ["X-Mailer: Bulk Sender 9", "Precedence: bulk"])
    }

    /// The EICAR string, put together only here, so that no scanner finds it in this program's files.
    private static var virus: String {
        let halves = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-FILE!$H+H*"]
        return message("A test", halves.joined())
    }
}

extension DateFormatter {
    fileprivate static let mail: DateFormatter = {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss Z"
        return formatter
    }()
}

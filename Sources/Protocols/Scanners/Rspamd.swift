import Foundation
import MailTypes

/// A scan by rspamd: `POST /checkv2`, and what it answers.
public enum Rspamd {
    /// What it is told of a message beside the message itself.
    public struct Envelope: Sendable, Hashable {
        public var client = ""
        public var hello: String?
        public var clientName: String?
        public var sender = ""
        public var recipients: [String] = []
        public var user: String?
        public var id = ""

        public init() {}
    }

    /// Recipients that are told; more tell it nothing.
    static let mostRecipients = 100
    /// Octets of an answer: some dozens of rules are a few KiB.
    static let mostAnswer = 1 << 20

    /// The head of the request; the message follows it.
    public static func request(_ envelope: Envelope, size: Int, host: String, password: String?) -> [UInt8] {
        var lines = ["POST /checkv2 HTTP/1.1", "Host: \(host)", "Connection: close", "Content-Length: \(size)"]
        func add(_ name: String, _ value: String?) {
            guard let value, let word = word(value) else { return }
            lines.append("\(name): \(word)")
        }
        add("IP", envelope.client)
        add("Helo", envelope.hello)
        add("Hostname", envelope.clientName)
        lines.append("From: \(word("<\(envelope.sender)>") ?? "<>")")
        for recipient in envelope.recipients.prefix(mostRecipients) { add("Rcpt", "<\(recipient)>") }
        add("User", envelope.user)
        add("Queue-Id", envelope.id)
        add("Password", password)
        return Array((lines + ["", ""]).joined(separator: "\r\n").utf8)
    }

    /// What can stand in a field: nothing that would end it.
    private static func word(_ text: String) -> String? {
        let isSound = !text.isEmpty && text.utf8.count <= 1000 && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        return isSound ? text : nil
    }

    public static func reader() -> HTTPReplyReader { HTTPReplyReader(mostBody: mostAnswer) }

    /// Reads the body of a reply; `nil`: it is none.
    public static func verdict(_ reply: HTTPReplyReader.Reply) -> ScannerVerdict? {
        guard reply.status == 200, let result = try? JSONDecoder().decode(Result.self, from: Data(reply.body)) else {
            return nil
        }
        let rules = (result.symbols ?? [:]).map { name, symbol in
            let options = (symbol.options ?? []).prefix(3).joined(separator: ", ")
            let description = [symbol.description ?? "", options.isEmpty ? "" : "(\(options))"]
            return ScannerVerdict.Rule(
                name: name, points: symbol.score ?? 0,
                description: description.filter { !$0.isEmpty }.joined(separator: " "))
        }
        return ScannerVerdict(score: result.score, rules: rules)
    }

    private struct Result: Decodable {
        struct Symbol: Decodable {
            var score: Double?
            var description: String?
            var options: [String]?

            enum CodingKeys: String, CodingKey { case score, description, options }

            init(from decoder: any Decoder) throws {
                let table = try decoder.container(keyedBy: CodingKeys.self)
                score = try table.decodeIfPresent(Double.self, forKey: .score)
                description = try? table.decodeIfPresent(String.self, forKey: .description)
                // Most are words; what is none tells nobody anything.
                options = try? table.decodeIfPresent([String].self, forKey: .options)
            }
        }

        var score: Double
        var symbols: [String: Symbol]?
    }
}

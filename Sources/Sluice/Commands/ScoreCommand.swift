import Adapters
import ArgumentParser
import Configuration
import Content
import Foundation
import MailTypes
import Pipeline
import Sandbox
import Scoring

struct ScoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score", abstract: "Explain what rules and lessons find in a message, and what matched where.",
        discussion: """
            The message is judged by the rules of the program and of rules.d, and by what was taught: no server, no \
            DNS and no network is asked, and nothing is remembered. Rules about SPF, DKIM and DMARC hold where \
            --result says so, those about what other stages find where --symbol does. `sluice try` asks the whole \
            chain. What matched is not told with --lines.
            """)
    @OptionGroup var configuration: ConfigurationOptions
    @Argument(help: "The message's file, or - for standard input; several with --lines.", completion: .file())
    var messages: [String]
    @Option(help: ArgumentHelp("The envelope's sender; \"<>\" for none.", valueName: "address")) var from: String?
    @Option(help: ArgumentHelp("A recipient; may be repeated.", valueName: "address")) var to: [String] = []
    @Option(help: ArgumentHelp("The client's IP address.", valueName: "address")) var client: String?
    @Option(help: ArgumentHelp("What the client says in EHLO.", valueName: "name")) var hello: String?
    @Option(help: ArgumentHelp("What was found of the sender, such as spf.pass; may be repeated.", valueName: "result"))
    var result: [String] = []
    @Option(help: ArgumentHelp("What another stage has found; may be repeated.", valueName: "name"))
    var symbol: [String] = []
    @Option(
        help: ArgumentHelp("The domain whose own points hold. Otherwise that of the recipient.", valueName: "domain"))
    var domain: String?
    @Option(help: ArgumentHelp("The mailbox whose own lessons hold, too.", valueName: "address")) var mailbox: String?
    @Flag(help: "Tell also rules without points that hold.") var all = false
    @Flag(help: "Print JSON.") var json = false
    @Flag(help: "Print JSON, a line for each message, without what matched.") var lines = false

    func validate() throws {
        guard lines || messages.count == 1 else { throw ValidationError("Several messages need --lines.") }
    }

    func run() async throws {
        let loaded = try configuration.loadAll().usable()
        let rules = loaded.rules.rules
        let patterns = loaded.rules.patterns
        let workers = SandboxPool.computing(loaded.settings)
        defer { workers.stop() }
        patterns.use(workers)
        try loaded.rules.prepareForCommand()
        let lessons = try ScoreLessons(loaded.settings, mailbox: mailbox)
        for message in messages {
            let evidence = try evidence(try MessageFile.parsed(message))
            let texts = rules.texts(of: evidence)
            let hits = try await searched { () async throws(PatternFailure) in try await patterns.match(texts) }
            let domain = domain ?? evidence.envelope?.recipients.first?.address.domain
            var holding =
                all ? rules.holding(evidence, hits: hits) : rules.evaluate(evidence, hits: hits, domain: domain)
            if !lines {
                let places = holding.indices.filter { holding[$0].match != nil }
                let matches = places.compactMap { holding[$0].match }
                let located = try await searched { () async throws(PatternFailure) in
                    try await patterns.located(matches, in: texts)
                }
                for (place, match) in zip(places, located) { holding[place].match = match }
            }
            var report = ScoreReport(holding, lines ? nil : texts)
            if let found = try await lessons?.found(evidence, domain: domain) { report.add(found) }
            print(lines ? try report.line : json ? try Terminal.json(report) : report.text)
        }
    }

    /// In a worker, since the message is a stranger's.
    private func searched(_ body: () async throws(PatternFailure) -> [PatternHit]) async throws -> [PatternHit] {
        do throws(PatternFailure) { return try await body() } catch {
            throw CommandFailure.again("The patterns could not be searched for: \(error).")
        }
    }

    private func evidence(_ message: Message) throws -> Evidence {
        var evidence = Evidence(message, content: MessageContent(of: message))
        let recipients = try to.map { EnvelopeRecipient(try EmailAddress(typed: $0)) }
        if from != nil || !recipients.isEmpty {
            let sender = try from.flatMap { $0 == "<>" || $0.isEmpty ? nil : try EmailAddress(typed: $0) }
            evidence.envelope = Envelope(sender: sender, recipients: recipients)
        }
        if let client {
            guard let address = IPAddress(client) else {
                throw CommandFailure.wrong("\"\(client)\" is not an IP address.")
            }
            evidence.client.address = address
        }
        evidence.client.hello = hello
        evidence.symbols = Set(symbol)
        evidence.now = Date()
        evidence.authentication.entries = try result.map(Self.entry)
        return evidence
    }

    private static func entry(_ text: String) throws -> AuthenticationResults.Entry {
        let words = text.split(separator: ".")
        guard words.count == 2, Fact.isKnown(text),
            let result = AuthenticationResults.Result(rawValue: String(words[1]))
        else { throw CommandFailure.wrong("\"\(text)\" is not a result such as spf.pass.") }
        return AuthenticationResults.Entry(method: String(words[0]), result: result)
    }
}

/// What rules find in a message.
struct ScoreReport: Encodable {
    struct Found: Encodable {
        var rule: String
        var points: Double
        var description: String
        var place: String
        /// What a pattern matched.
        var matched: String?
        /// … and in what of the message.
        var view: String?
    }

    var score: Double
    var rules: [Found]

    /// - Parameter texts: In which the matches are, with their beginnings; `nil`: what matched is not told.
    init(_ hits: [RuleHit], _ texts: PatternTexts?) {
        score = (hits.reduce(0) { $0 + $1.points } * 100).rounded() / 100
        let parts = texts?.texts ?? []
        rules = hits.map { hit in
            var found = Found(
                rule: hit.rule.name, points: hit.points, description: hit.rule.description,
                place: hit.rule.place.description)
            if let texts, let match = hit.match, parts.indices.contains(match.text),
                case .pattern(let pattern) = hit.rule.test
            {
                let own = Array(texts.octets[parts[match.text].range])
                found.matched = Self.excerpt(own[match.range.clamped(to: own.indices)])
                found.view = pattern.view.title
            }
            return found
        }
    }

    mutating func add(_ found: Found) {
        rules.append(found)
        score = ((score + found.points) * 100).rounded() / 100
    }

    var line: String {
        get throws { String(decoding: try JSONEncoder().encode(self), as: UTF8.self) }
    }

    /// As much of a match as fits into a line.
    private static func excerpt(_ octets: ArraySlice<UInt8>) -> String {
        let text = String(decoding: octets.prefix(longest), as: UTF8.self)
        return octets.count > longest ? text + "…" : text
    }

    private static let longest = 100

    var text: String {
        let width = rules.map(\.rule.count).max() ?? 0
        var lines = rules.sorted { $0.points.magnitude > $1.points.magnitude }.flatMap { found -> [String] in
            let points = String(format: "%+7.2f", found.points)
            let name = found.rule.padding(toLength: width, withPad: " ", startingAt: 0)
            var lines = ["\(points)  \(Terminal.styled(name, .bold))  \(Terminal.styled(found.place, .faint))"]
            if !found.description.isEmpty { lines.append("         \(found.description)") }
            if let matched = found.matched, let view = found.view {
                lines.append("         \(Terminal.styled("\(view):", .faint)) \(Terminal.harmless(matched))")
            }
            return lines
        }
        lines.append(String(format: "%+7.2f", score) + "  points in all")
        return lines.joined(separator: "\n")
    }
}

extension PatternView {
    /// For people.
    fileprivate var title: String {
        switch self {
        case .body: "text"
        case .hidden: "hidden text"
        case .raw: "raw message"
        case .field(let name): "\(name) field"
        case .rawField(let name): "raw \(name) field"
        case .uri: "link"
        case .host: "host of a link"
        case .link: "text of a link"
        case .file: "file name"
        case .envelope(let part): "envelope, \(part.rawValue)"
        }
    }
}

/// A message in a file of somebody who types a command.
enum MessageFile {
    /// The message with the line ends of the wire; `-` is standard input.
    static func parsed(_ path: String) throws -> Message {
        do {
            return try Message(parsing: Bytes(try octets(path)))
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure.wrong("The server would refuse this message unread: \(error).")
        }
    }

    private static func octets(_ path: String) throws -> [UInt8] {
        let data: Data
        if path == "-" {
            data = FileHandle.standardInput.readDataToEndOfFile()
        } else {
            guard let read = FileManager.default.contents(atPath: path) else {
                throw CommandFailure.wrong("The message \(path) cannot be read.")
            }
            data = read
        }
        var octets: [UInt8] = []
        octets.reserveCapacity(data.count + data.count / 32)
        var previous: UInt8 = 0
        for octet in data {
            if octet == .lf, previous != .cr { octets.append(.cr) }
            octets.append(octet)
            previous = octet
        }
        return octets
    }
}

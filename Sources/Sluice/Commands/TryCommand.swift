import Adapters
import ArgumentParser
import Configuration
import Directory
import Filters
import Foundation
import MailTypes
import Pipeline
import Sandbox

struct TryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "try", abstract: "Show what would become of a message; needs no server and changes nothing.",
        discussion: """
            The message goes through the chain as if it had just come in from the client named here. Directory, stage \
            memory and DNS are asked, but nothing is remembered, queued or delivered.
            """)
    @OptionGroup var configuration: ConfigurationOptions
    @Argument(help: "The message's file, or - for standard input.", completion: .file()) var message: String
    @Option(help: ArgumentHelp("The client's IP address.", valueName: "address")) var client = "127.0.0.1"
    @Option(help: ArgumentHelp("What the client says in EHLO.", valueName: "name")) var hello = "localhost"
    @Option(
        help: ArgumentHelp(
            "The envelope's sender; \"<>\" for none. Otherwise that of the From field.", valueName: "address"))
    var from: String?
    @Option(help: ArgumentHelp("A recipient; may be repeated.", valueName: "address")) var to: [String]
    @Option(help: ArgumentHelp("As if this mailbox had logged in.", valueName: "address")) var user: String?
    @Option(help: "As if it came in by smtp, submission, lmtp or milter.") var `protocol`: SessionLanguage = .smtp
    @Flag(help: "As if the connection were encrypted.") var tls = false
    @OptionGroup var options: TraceOptions
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let loaded = try configuration.loadAll().usable()
        let message = try MessageFile.parsed(message)
        let session = try session()
        let world = try TrialWorld(loaded)
        defer { world.close() }
        try await world.prepare(loaded)
        var envelope = Envelope(sender: try sender(message))
        let recipients = try to.map { try EmailAddress(typed: $0) }
        // What a client would have to say with MAIL. RFC 6531 §3.4.
        let addresses = [envelope.sender].compactMap(\.self) + recipients
        envelope.parameters.smtpUTF8 = addresses.contains { $0.localPart.utf8.contains { $0 >= 0x80 } }
        let trial = Trial(hostname: loaded.settings.hostname, chain: loaded.chain, source: world.source)
        let trace = await trial.run(session, envelope, to: recipients, message: message)
        if json {
            print(try Terminal.json(TraceReport(trace, hostname: loaded.settings.hostname)))
        } else {
            print(TracePrinter(trace, hostname: loaded.settings.hostname, options: options).text)
        }
    }

    private func session() throws -> Session {
        guard let address = IPAddress(client) else {
            throw CommandFailure.wrong("\"\(client)\" is not an IP address.")
        }
        var session = Session(language: `protocol`.language, listener: "try", client: address)
        session.hello = hello.utf8.allSatisfy { $0 < 0x80 } ? hello : InternationalDomain.toASCII(hello) ?? hello
        session.helloVerb = `protocol` == .lmtp ? .lhlo : .ehlo
        if tls { session.tls = Session.TLS(version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384") }
        if let user { session.user = Session.User(mailbox: try EmailAddress(typed: user), mechanism: "PLAIN") }
        return session
    }

    private func sender(_ message: Message) throws -> EmailAddress? {
        if let from { return from == "<>" || from.isEmpty ? nil : try EmailAddress(typed: from) }
        return message.header["From"].flatMap { field in
            AddressList(parsing: field.rawValue).addresses.first.map { address in
                let domain = InternationalDomain.toASCII(address.domain) ?? address.domain
                return EmailAddress(localPart: address.localPart, domain: domain)
            }
        }
    }
}

/// A session's language on the command line.
enum SessionLanguage: String, ExpressibleByArgument, CaseIterable {
    case smtp, submission, lmtp, milter

    var language: Session.Language {
        switch self {
        case .smtp: .smtp
        case .submission: .submission
        case .lmtp: .lmtp
        case .milter: .milter
        }
    }
}

extension EmailAddress {
    /// An address that somebody typed at the command line.
    ///
    /// A domain in U-labels is taken for its A-labels, as a server takes it.
    init(typed text: String) throws {
        do { self = try AddressParser.mailbox(text) } catch {
            throw CommandFailure.wrong("\"\(text)\" is not an address such as anna@acme.test.")
        }
        guard domain.utf8.contains(where: { $0 >= 0x80 }) else { return }
        guard let ascii = InternationalDomain.toASCII(domain) else {
            throw CommandFailure.wrong("The domain of \"\(text)\" is not a valid name.")
        }
        self = EmailAddress(localPart: localPart, domain: ascii)
    }
}

/// One message's way through a chain, without a connection.
struct Trial {
    let hostname: String
    let chain: Chain
    let source: any ServiceSource

    func run(
        _ session: Session, _ envelope: Envelope, to recipients: [EmailAddress], message: Message
    ) async -> Trace {
        let now = Date()
        let id = TransactionID(
            milliseconds: UInt64(max(0, now.timeIntervalSince1970 * 1000)), random: .random(in: 0 ... .max))
        var opening = Opening()
        var greeted = session
        greeted.hello = nil
        var refusal = await opening.connect(
            session: greeted, on: chain, id: id, hostname: hostname, source: source)
        if refusal == nil {
            refusal = await opening.hello(session: session, on: chain, id: id, hostname: hostname, source: source)
        }
        let judge = TransactionJudge(
            chain: chain, id: id, hostname: hostname, session: session, opening: opening, started: now, source: source)
        if let refusal { return judge.trace(replies: [refusal]) }
        guard await judge.sender(envelope).isPositive else { return judge.trace() }
        var isAnyTaken = false
        for recipient in recipients {
            let reply = await judge.recipient(EnvelopeRecipient(recipient))
            isAnyTaken = isAnyTaken || reply.isPositive
        }
        guard isAnyTaken else { return judge.trace() }
        let outcome = await judge.message(message)
        let queued = outcome.copies.indices.map { "\(id)-\($0)" }
        return judge.trace(replies: outcome.replies, queued: queued)
    }
}

/// What `sluice try` asks: the stores as they are, and DNS.
struct TrialWorld {
    let source: any ServiceSource
    private let world: LiveWorld

    init(_ loaded: LoadedConfiguration) throws {
        let data = try DataFolder(loaded.settings).entered()
        let resolver = try Stores.resolver(loaded.settings)
        world = LiveWorld(
            directory: try told { try Stores.directory(in: data, loaded.settings) },
            memory: try told { try Stores.memory(in: data, loaded.settings, isReadOnly: true) },
            resolver: resolver, suffixes: try told { try Stores.suffixes(loaded.settings) },
            sandbox: Stores.sandbox(loaded.settings, resolver), viruses: Stores.scanners(loaded.settings),
            blocklists: Stores.blocklists(of: loaded.chain, resolver),
            lessons: try told { try Stores.lessons(in: data) })
        source = HarmlessWorld(world: world)
        loaded.rules.patterns.use(world.sandbox)
    }

    /// Loads what is asked.
    func prepare(_ loaded: LoadedConfiguration) async throws {
        if loaded.chain.links.contains(where: { $0.name == Spam.name }) { try loaded.rules.prepareForCommand() }
        await world.viruses.prepare(for: loaded.chain, loaded.settings)
    }

    func close() {
        world.viruses.stop()
        world.sandbox.stop()
        world.resolver.stop()
        world.memory.close()
        world.lessons.close()
        world.directory.close()
    }
}

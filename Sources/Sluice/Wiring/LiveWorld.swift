import Adapters
import Delivery
import Directory
import Foundation
import MailTypes
import Pipeline
import Sandbox

/// The living world behind the stages' services: directory, memory, DNS, public suffixes and clock.
struct LiveWorld: ServiceSource {
    let directory: MailDirectory
    let memory: StageMemoryStore
    let resolver: UnboundResolver
    let suffixes: PublicSuffixes
    let sandbox: SandboxPool
    let viruses: ScanDesk
    let blocklists: BlocklistDesk
    let lessons: LessonStore
    let scanners = SpamScanners()
    let milters = Milters()
    let policies = PolicyServers()
    /// Asks partners of split domains; `nil`: none is asked.
    var probe: RecipientProbe?
    /// Looks how full mailboxes are; `nil`: nobody does.
    var rooms: RoomDesk?

    func immediate(_ question: Question) -> Answer? {
        switch question {
        case .time: .time(Date())
        case .directory(let question): directory.immediate(question).map(Answer.directory)
        case .memory(let question): .memory(memory.answer(question))
        case .dns(let question): resolver.known(question).map(Answer.dns)
        // Most mail of programs is not signed, and needs nobody.
        case .signatures(let handle, _): handle.isSigned ? nil : .signatures([])
        case .senderPolicy, .scan: nil
        case .publicSuffix(let domain): .publicSuffix(suffixes.suffix(of: domain))
        case .asciiDomain(let domain): .asciiDomain(InternationalDomain.toASCII(domain))
        case .listings(let question): blocklists.immediate(question).map(Answer.listings)
        case .spamScan, .milter, .policy: nil
        case .callout: probe == nil ? .callout(.notAsked) : nil
        case .mailboxRoom(let mailbox, let size): fill(of: mailbox, size).map(Answer.mailboxRoom)
        case .lessons(let question): lessons.immediate(question).map(Answer.lessons)
        case .lessonScopes(let scopes): lessons.immediate(scopes).map(Answer.lessonScopes)
        }
    }

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        switch question {
        case .time: .time(Date())
        case .directory(let question): .directory(try await directory.answer(question))
        case .memory(let question): .memory(memory.answer(question))
        case .dns(let question): .dns(try await resolver.answer(question))
        case .signatures(let handle, let most): .signatures(try await signatures(handle, most))
        case .senderPolicy(let question): .senderPolicy(try await sandbox.senderPolicy(question))
        case .scan(let handle, let engine): .scan(try await scan(handle, engine))
        case .publicSuffix(let domain): .publicSuffix(suffixes.suffix(of: domain))
        case .asciiDomain(let domain): .asciiDomain(InternationalDomain.toASCII(domain))
        case .listings(let question): .listings(await blocklists.answer(question))
        case .lessons(let question): .lessons(try await lessons.answer(question))
        case .lessonScopes(let scopes): .lessonScopes(try await lessons.answer(scopes))
        case .spamScan(let question): .spamReport(try await scanners.answer(question))
        case .milter(let question): .milter(try await milters.answer(question))
        case .policy(let question): .policy(try await policies.answer(question))
        case .callout(let question): .callout(await probe?.ask(question) ?? .notAsked)
        case .mailboxRoom(let mailbox, let size): .mailboxRoom(await rooms?.fill(of: mailbox, for: size) ?? .unlimited)
        }
    }
}

extension LiveWorld {
    private func fill(of mailbox: EmailAddress, _ size: Int) -> MailboxFill? {
        guard let rooms else { return .unlimited }
        return rooms.known(of: mailbox, for: size)
    }

    private func signatures(_ handle: MessageHandle, _ most: Int) async throws(StageFailure) -> [SignatureReport] {
        guard let message = handle.message else { throw StageFailure("the message is not at hand") }
        return try await sandbox.signatures(on: message, most: most)
    }

    private func scan(_ handle: MessageHandle, _ engine: ScanEngine) async throws(StageFailure) -> ScanReport {
        guard let message = handle.message else { throw StageFailure("the message is not at hand") }
        switch engine {
        case .libclamav: return try await viruses.pool.scan(message)
        case .clamd: return try await viruses.clamd.scan(message)
        }
    }
}

extension MessageHandle {
    fileprivate var isSigned: Bool { message.map(SandboxPool.isSigned) ?? true }
}

/// The world as `sluice try` sees it: it answers like the living one and is not changed by questions.
struct HarmlessWorld: ServiceSource {
    let world: LiveWorld

    func immediate(_ question: Question) -> Answer? { world.immediate(question.harmless) }

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        try await world.answer(question.harmless)
    }
}

extension Question {
    /// The same question, asked without leaving a mark.
    fileprivate var harmless: Question {
        switch self {
        case .memory(.visit(let table, let key, let at, _)): .memory(.peek(table: table, key: key, at: at))
        case .memory(.count(let table, let key, _, let window, let at)):
            .memory(.count(table: table, key: key, amount: 0, window: window, at: at))
        case .time, .directory, .memory(.peek), .dns, .signatures, .senderPolicy, .scan, .publicSuffix, .asciiDomain,
            .listings, .lessons, .lessonScopes, .spamScan, .milter, .policy, .callout, .mailboxRoom:
            self
        }
    }
}

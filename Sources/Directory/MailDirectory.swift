import Foundation
import GRDB
public import MailTypes
public import Pipeline

/// Post offices, domains, mailboxes, aliases and groups, in one SQLite file that several processes may
/// have open at once.
///
/// What blocks (``change(by:_:)``, the lists, ``passwordHash(_:)``) belongs on a thread that may wait;
/// ``immediate(_:)``, ``answer(_:)`` and ``authenticate(login:password:)`` never block the thread that
/// calls them.
///
/// Answers are kept in memory until the directory changes. A writer of any process counts
/// ``GenerationFile`` up after its commit; should it die in between, the watch finds the change within
/// ``Options/watchInterval``.
public final class MailDirectory: Sendable {
    let options: Options
    let hasher: any PasswordHashing
    let pool: DatabasePool
    let generation: GenerationFile
    let logins: LoginMemory
    let passwords: WorkerPool
    let answering = MailboxKeys("autoreply JOIN address ON address.id = autoreply.addressID WHERE autoreply.isOn")
    let withEvents = MailboxKeys("deliveryEvent JOIN address ON address.id = deliveryEvent.addressID")
    private let answers: GenerationCache<DirectoryQuestion, DirectoryAnswer>
    private let quotas: GenerationCache<String, Int?>
    let reads: WorkerPool
    private let watch: ChangeWatch

    /// Opens or makes the directory in the file `path`, and brings an older one up to date.
    /// Next to it lies `directory.generation`, by which processes tell each other of changes.
    public static func open(
        _ path: String, hasher: any PasswordHashing, options: Options = Options()
    ) throws(DirectoryError) -> MailDirectory {
        let pool = try DatabaseFile.open(
            path, durability: .full, busyTimeout: options.busyTimeout,
            readers: options.readThreads + options.passwordThreads + 2)
        try DatabaseFile.migrate(pool, with: Schema.migrator)
        do {
            return try MailDirectory(path: path, pool: pool, hasher: hasher, options: options)
        } catch {
            throw DirectoryError(error)
        }
    }

    private init(path: String, pool: DatabasePool, hasher: any PasswordHashing, options: Options) throws {
        let folder = (path as NSString).deletingLastPathComponent
        let generation = try GenerationFile(
            path: (folder as NSString).appendingPathComponent("directory.generation"))
        self.options = options
        self.hasher = hasher
        self.pool = pool
        self.generation = generation
        answers = GenerationCache(limit: options.cachedAnswers)
        quotas = GenerationCache(limit: options.cachedAnswers)
        logins = try LoginMemory(hasher: hasher, options: options)
        reads = WorkerPool(name: "directory", threads: options.readThreads, waiting: options.waitingReads)
        passwords = WorkerPool(name: "password", threads: options.passwordThreads, waiting: options.waitingLogins)
        watch = try ChangeWatch(path: path, generation: generation, interval: options.watchInterval)
    }

    deinit { close() }

    /// Finishes what is under way and closes the files; nothing can be asked afterwards.
    public func close() {
        watch.stop()
        reads.close()
        passwords.close()
        try? pool.close()
    }

    // MARK: Questions

    /// The answer, if it is in memory. Cheap enough for an event loop.
    public func immediate(_ question: DirectoryQuestion) -> DirectoryAnswer? {
        answers.value(for: question, generation: generation.current)
    }

    /// The answer, from memory or the database.
    public func answer(_ question: DirectoryQuestion) async throws(StageFailure) -> DirectoryAnswer {
        if let known = immediate(question) { return known }
        let result: Result<DirectoryAnswer, StageFailure>
        do { result = try await reads.run { [self] in read(question) } } catch {
            throw StageFailure("too many questions wait for the directory")
        }
        return try result.get()
    }

    /// Read before the question is answered: an answer that a change has overtaken is kept under the
    /// generation that it belongs to, where nobody will find it.
    private func read(_ question: DirectoryQuestion) -> Result<DirectoryAnswer, StageFailure> {
        let generation = generation.current
        do {
            let answer = try pool.read { db in
                let lookup = AddressLookup(db: db, options: options)
                let answer = try lookup.answer(question)
                try readAhead(answer, by: lookup, generation)
                return answer
            }
            if question.isAskedAgain { answers.insert(answer, for: question, generation: generation) }
            return .success(answer)
        } catch {
            return .failure(StageFailure("directory: \(DirectoryError(error))"))
        }
    }

    /// Who asks what an address stands for asks about its members next: ten thousand of a group one by one would be
    /// as many turns of a thread. As many as may well be pushed out again are left.
    private func readAhead(_ answer: DirectoryAnswer, by lookup: AddressLookup, _ generation: UInt64) throws {
        guard case .address(.expands(let members, _)) = answer, members.count <= options.cachedAnswers / 4 else {
            return
        }
        for member in members {
            let question = DirectoryQuestion.address(member)
            guard answers.value(for: question, generation: generation) == nil else { continue }
            answers.insert(.address(try lookup.meaning(of: member)), for: question, generation: generation)
        }
    }

    /// How much a mailbox may hold, in octets; `nil`: no limit, or no such mailbox. Blocks where it is not in memory.
    ///
    /// A database that fails is no reason to refuse mail, so the answer then is no limit.
    public func quota(of mailbox: EmailAddress) -> Int? {
        let generation = generation.current
        if let known = quotas.value(for: mailbox.key, generation: generation) { return known }
        do {
            let quota = try pool.read { db in try AddressLookup(db: db, options: options).quota(of: mailbox) }
            quotas.insert(quota, for: mailbox.key, generation: generation)
            return quota
        } catch { return nil }
    }

    /// The same, where it is in memory: `.some(nil)` is no limit.
    public func knownQuota(of mailbox: EmailAddress) -> Int?? {
        quotas.value(for: mailbox.key, generation: generation.current)
    }

    /// How long mail for a relay domain is kept while it cannot be delivered; `nil`: as long as all other, or no such
    /// domain. Blocks where it is not in memory.
    public func giveUpAfter(ofRelayDomain name: String) -> Interval? {
        if case .relayDomain(let found)? = immediate(.relayDomain(name)) { return found?.giveUpAfter }
        guard case .success(.relayDomain(let found?)) = read(.relayDomain(name)) else { return nil }
        return found.giveUpAfter
    }

    // MARK: Changes

    /// Makes changes in one transaction, each with its entry in the audit log; all or none. Blocks, and does
    /// not nest: inside `body` only the changes it is given may be used.
    @discardableResult
    public func change<Result>(
        by actor: String, _ body: (borrowing DirectoryChanges) throws -> Result
    ) throws(DirectoryError) -> Result {
        defer { generation.advance() }
        do {
            return try pool.write { db in
                try body(DirectoryChanges(db: db, options: options, actor: actor))
            }
        } catch {
            throw DirectoryError(error)
        }
    }
}

extension DirectoryQuestion {
    /// Whether it is worth keeping the answer: a message's senders are hardly ever those of another one.
    fileprivate var isAskedAgain: Bool { if case .listed = self { false } else { true } }
}

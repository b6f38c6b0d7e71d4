public import Foundation
import GRDB
public import MailTypes
public import Pipeline
public import Scoring
import Synchronization

/// What mail people have called spam and what good, and what follows from it for other mail.
///
/// Each lesson is a row of `lessons.sqlite`, durable when ``teach(_:as:in:by:origin:)`` returns; it can be listed and
/// undone. What is made of a scope's lessons is a file in the folder `lessons`, which ``catchUp()`` makes anew where it
/// is missing, damaged or older than the lessons. Several processes may have the same store open.
///
/// Everything but ``immediate(_:)`` and ``answer(_:)`` blocks.
public final class LessonStore: Sendable {
    public struct Options: Sendable {
        /// Lessons that count: of everybody, of a domain, of a mailbox. Beyond, the oldest of the kind of which
        /// there are more make room.
        public var mostGlobal = 20_000
        public var mostOfDomain = 5_000
        public var mostOfMailbox = 1_000
        /// After this time a lesson does not count any more.
        public var lifetime: Interval = "730d"
        /// How long a lesson that does not count any more is listed.
        public var keepsEndedFor: Interval = "90d"
        public var now: @Sendable () -> Date = { Date() }

        public init() {}

        func most(in scope: LessonScope) -> Int {
            switch scope {
            case .global: mostGlobal
            case .domain: mostOfDomain
            case .mailbox: mostOfMailbox
            }
        }
    }

    /// Of a wider scope's lessons, the newest of each kind that narrower lessons must not contradict.
    private static let anchors = 200

    let options: Options
    private let file: LessonFile
    private let models: LessonModels
    private let reads = WorkerPool(name: "lessons", threads: 1, waiting: 1_000)

    /// A file that was damaged, and so was renamed when this store was opened.
    public struct SetAside: Sendable, Hashable {
        /// Where it is now.
        public var file: String
        public var reason: String
    }

    public let setAside: SetAside?
    private let path: String
    private let failure = Mutex<String?>(nil)

    /// Opens or makes `lessons.sqlite` at `path`, and beside it the folder `lessons`.
    ///
    /// With `setsDamagedAside`, a file that is damaged gets another name, and there are no lessons; else that is an
    /// error.
    public static func open(
        _ path: String, options: Options = Options(), setsDamagedAside: Bool = false
    ) throws(DirectoryError) -> LessonStore {
        let folder = (path as NSString).deletingPathExtension
        let models: LessonModels
        do { models = try LessonModels(folder: folder) } catch { throw LessonFile.failure(error, at: folder) }
        do throws(DirectoryError) {
            return LessonStore(file: try LessonFile(path: path), models: models, options: options, path: path)
        } catch {
            guard setsDamagedAside, case .lessonsUnavailable(_, let reason, true) = error else { throw error }
            let place = SetAside(file: try LessonFile.setAside(path, now: options.now()), reason: reason)
            // Nobody could tell what they say, nor undo it.
            models.removeAll()
            return LessonStore(
                file: try LessonFile(path: path), models: models, options: options, path: path, setAside: place)
        }
    }

    private init(
        file: LessonFile, models: LessonModels, options: Options, path: String, setAside: SetAside? = nil
    ) {
        self.file = file
        self.models = models
        self.options = options
        self.path = path
        self.setAside = setAside
    }

    /// What an operator should look at.
    public var troubles: [String] {
        var troubles: [String] = []
        if let setAside {
            troubles.append("\(path) was damaged: \(setAside.reason). It is \(setAside.file) now; no lesson counts.")
        }
        if let reason = failure.withLock(\.self) { troubles.append("Lessons cannot be gone through: \(reason)") }
        return troubles
    }

    deinit { close() }

    public func close() {
        reads.close()
        file.close()
    }

    // MARK: - Teaching

    /// Teaches messages. One that was taught as the same already is no new lesson; one that was taught as the
    /// opposite changes sides. It counts from the next ``catchUp()`` on.
    ///
    /// `actor` is who says so, as the audit log has it.
    @discardableResult
    public func teach(
        _ subjects: [LessonSubject], as isSpam: Bool, in scope: LessonScope, by actor: String,
        origin: LessonOrigin = .command
    ) throws(DirectoryError) -> LessonReport {
        try changing(scope) { rows, report in
            for subject in subjects {
                let message = file.digest.digest(of: subject.identity)
                if let known = try rows.active(message, in: scope) {
                    if known.isSpam == isSpam {
                        report.unchanged += 1
                        continue
                    }
                    try rows.end(known.id, .changed)
                    report.changed += 1
                } else {
                    report.taught += 1
                }
                try rows.insert(subject, message, isSpam: isSpam, in: scope, by: actor, origin)
            }
        }
    }

    /// Undoes what was taught of messages in that scope.
    @discardableResult
    public func forget(_ subjects: [LessonSubject], in scope: LessonScope) throws(DirectoryError) -> LessonReport {
        try changing(scope) { rows, report in
            for subject in subjects {
                guard let known = try rows.active(file.digest.digest(of: subject.identity), in: scope) else {
                    report.unchanged += 1
                    continue
                }
                try rows.end(known.id, .forgotten)
                report.forgotten += 1
            }
        }
    }

    /// Undoes a lesson by its number. `nil`: there is none that counts.
    public func forget(lesson id: Int64) throws(DirectoryError) -> LessonEntry? {
        guard let entry = try read({ try $0.entry(id) }), entry.end == nil else { return nil }
        try changing(entry.scope) { rows, report in
            try rows.end(id, .forgotten)
            report.forgotten += 1
        }
        return entry
    }

    /// One transaction.
    @discardableResult
    private func changing(
        _ scope: LessonScope, _ body: (LessonRows, inout LessonReport) throws -> Void
    ) throws(DirectoryError) -> LessonReport {
        do {
            return try file.pool.write { db in
                let rows = LessonRows(db: db, now: options.now())
                var report = LessonReport()
                try body(rows, &report)
                report.expired = try rows.expire(in: scope, most: options.most(in: scope), age: options.lifetime)
                try rows.clear(endedFor: options.keepsEndedFor)
                if report.taught + report.changed + report.forgotten + report.expired > 0 { try rows.advance(scope) }
                return report
            }
        } catch {
            throw LessonFile.failure(error, at: path)
        }
    }

    // MARK: - What follows

    /// Makes what is missing, damaged or older than its lessons; tells of which scopes. Lessons that are too old end.
    @discardableResult
    public func catchUp() throws(DirectoryError) -> [LessonScope] {
        do throws(DirectoryError) {
            for scope in try read({ try $0.scopes(olderThan: options.lifetime) }) { try changing(scope) { _, _ in } }
            let scopes = try makeModels()
            failure.withLock { $0 = nil }
            return scopes
        } catch {
            failure.withLock { $0 = error.description }
            throw error
        }
    }

    private func makeModels() throws(DirectoryError) -> [LessonScope] {
        let known = try read { rows in
            try rows.scopes().map { (scope: $0, change: try rows.change(of: $0)) }
        }
        do {
            // Wider scopes first: narrower ones only learn what those get wrong.
            return try known.sorted { $0.scope.width > $1.scope.width }.compactMap { scope, change in
                try models.model(of: scope)?.change != change && train(scope) ? scope : nil
            }
        } catch {
            throw LessonFile.failure(error, at: path)
        }
    }

    /// `false`: there was nothing to do.
    @discardableResult
    private func train(_ scope: LessonScope) throws -> Bool {
        try models.locked {
            let wider = scope.wider.compactMap { models.model(of: $0) }.filter(\.isSufficient)
            let (own, anchors, change) = try file.pool.read { db in
                let rows = LessonRows(db: db, now: options.now())
                let anchor = try scope.wider.last { try rows.counts(in: $0).spam > 0 }
                return (
                    try rows.lessons(in: scope),
                    try anchor.map { try rows.lessons(in: $0, newest: Self.anchors) } ?? [],
                    try rows.change(of: scope)
                )
            }
            guard !own.isEmpty else {
                models.remove(scope)
                return false
            }
            let lessons =
                own + anchors.map { LessonTrainer.Lesson(tokens: $0.tokens, isSpam: $0.isSpam, isAnchor: true) }
            let weights = LessonTrainer().weights(
                of: lessons.map { lesson in
                    var lesson = lesson
                    lesson.offset = wider.reduce(0) { $0 + $1.margin(of: lesson.tokens).sum }
                    return lesson
                })
            let spam = own.count { $0.isSpam }
            try models.write(
                LessonModel.encoded(
                    scope: scope.text, spam: spam, ham: own.count - spam, change: change, tokens: weights),
                of: scope)
            return true
        }
    }

    // MARK: - Lists

    /// The newest first.
    public func history(scope: LessonScope? = nil, limit: Int = 100) throws(DirectoryError) -> [LessonEntry] {
        try read { try $0.history(scope, limit: limit) }
    }

    /// Of each scope that has lessons.
    public func tallies() throws(DirectoryError) -> [LessonTally] {
        try read { rows in
            try rows.scopes().compactMap { scope in
                let (spam, ham) = try rows.counts(in: scope)
                guard spam + ham > 0 else { return nil }
                let model = models.model(of: scope)
                return LessonTally(
                    scope: scope, spam: spam, ham: ham, newest: try rows.newest(in: scope), tokens: model?.count ?? 0,
                    isSufficient: model?.isSufficient ?? false)
            }
        }
    }

    private func read<Result>(_ body: (LessonRows) throws -> Result) throws(DirectoryError) -> Result {
        do {
            return try file.pool.read { db in try body(LessonRows(db: db, now: options.now())) }
        } catch {
            throw LessonFile.failure(error, at: path)
        }
    }

    // MARK: - Questions

    /// The answer, if all that it takes is in memory. Cheap enough for an event loop.
    public func immediate(_ question: LessonQuestion) -> LessonAnswer? {
        var found: [LessonModel] = []
        for scope in question.scopes {
            guard let known = models.immediate(scope) else { return nil }
            if let model = known { found.append(model) }
        }
        return LessonAnswer(of: question, found)
    }

    public func immediate(_ scopes: [LessonScope]) -> [LessonScope]? {
        var found: [LessonScope] = []
        for scope in scopes {
            guard let known = models.immediate(scope) else { return nil }
            if known != nil { found.append(scope) }
        }
        return found
    }

    public func answer(_ question: LessonQuestion) async throws(StageFailure) -> LessonAnswer {
        try await reading { [models] in
            LessonAnswer(of: question, question.scopes.compactMap { models.model(of: $0) })
        }
    }

    public func answer(_ scopes: [LessonScope]) async throws(StageFailure) -> [LessonScope] {
        try await reading { [models] in scopes.filter { models.model(of: $0) != nil } }
    }

    private func reading<Success: Sendable>(
        _ work: @escaping @Sendable () -> Success
    ) async throws(StageFailure) -> Success {
        do { return try await reads.run(work) } catch { throw StageFailure("too many questions wait for the lessons") }
    }
}

extension LessonScope {
    /// How many it is for, roughly.
    fileprivate var width: Int {
        switch self {
        case .global: 2
        case .domain: 1
        case .mailbox: 0
        }
    }

    fileprivate var wider: [LessonScope] { chain.dropLast() }
}

extension LessonAnswer {
    /// What models of scopes say, from the widest to the narrowest.
    ///
    /// The first that has enough lessons begins; each narrower one then adds what it makes of what the wider ones got
    /// wrong, however little was taught.
    init(of question: LessonQuestion, _ models: [LessonModel]) {
        self.init()
        guard let tokens = question.tokens, let first = models.firstIndex(where: \.isSufficient) else { return }
        var sum = 0.0
        var shares: [UInt64: (share: Double, spam: Int, ham: Int)] = [:]
        for model in models[first...] {
            let (margin, parts) = model.margin(of: tokens)
            sum += margin
            spam += model.spam
            ham += model.ham
            if let scope = LessonScope(text: model.scope) { scopes.append(scope) }
            for (token, share) in parts {
                let known = shares[token.hash] ?? (0, 0, 0)
                shares[token.hash] = (known.share + share, known.spam + token.spam, known.ham + token.ham)
            }
        }
        margin = Double(Self.thousandths(sum)) / 1_000
        // By hash where two weigh the same: the answer is the same each time.
        self.tokens = shares.sorted { (abs($0.value.share), $0.key) > (abs($1.value.share), $1.key) }
            .prefix(Self.mostTokens).map { hash, known in
                Token(hash: hash, thousandths: Self.thousandths(known.share), spam: known.spam, ham: known.ham)
            }
    }

    /// What no sound model has is 0.
    private static func thousandths(_ number: Double) -> Int {
        Int(exactly: (number * 1_000).rounded()) ?? 0
    }
}

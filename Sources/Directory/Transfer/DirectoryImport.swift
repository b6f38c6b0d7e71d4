import Foundation
import MailTypes
import Synchronization

/// An import of one file or several: all of it in one transaction, or nothing.
///
/// Everything is tried first in a transaction that is undone, so that all problems are told at once, with their
/// places, before anything is written and before a password is hashed, which takes its time.
public final class DirectoryImport {
    /// A row that is under way.
    private struct Work {
        let number: Int
        let row: ImportRow
        let steps: [ImportStep]
        var next = 0
        var state = ImportState()
        var failure: TransferProblem?
    }

    private let directory: MailDirectory
    private let options: ImportOptions
    private let actor: String
    private var works: [Work] = []
    private var problems: [TransferProblem] = []

    /// Reads the files. What is wrong in them is told by ``rehearse()``.
    /// - Parameter actor: Who the audit log says it was.
    public init(_ files: [TransferFile], into directory: MailDirectory, _ options: ImportOptions, by actor: String) {
        self.directory = directory
        self.options = options
        self.actor = actor
        let order = Dictionary(uniqueKeysWithValues: TransferKind.allCases.enumerated().map { ($1, $0) })
        for file in files.sorted(by: { order[$0.kind, default: 0] < order[$1.kind, default: 0] }) {
            let table = TransferTable(file, separator: options.separator)
            problems += table.problems
            read(table)
        }
    }

    /// Turns rows into steps; two rows of one name are one too many.
    private func read(_ table: TransferTable) {
        var lines: [String: Int] = [:]
        for row in table.rows {
            let row = ImportRow(kind: table.kind, file: table.file, row: row)
            do throws(TransferProblem) {
                let name = try row.required(table.kind.key).lowercased().precomposedStringWithCanonicalMapping
                if let line = lines[name] {
                    throw row.problem("\(name.shown) stands in line \(line) already", at: table.kind.key)
                }
                lines[name] = row.row.line
                works.append(Work(number: works.count, row: row, steps: try row.steps(options)))
            } catch {
                problems.append(error)
            }
        }
    }

    // MARK: Running

    /// Tries everything and undoes it: what would become of it, and all problems.
    public func rehearse() throws(DirectoryError) -> ImportReport {
        var report = try run(ImportContext(options: options, isTrial: true))
        report.add(problems)
        return report
    }

    /// How many passwords ``perform(keeping:progress:)`` will hash; known after ``rehearse()``.
    public var passwordCount: Int { works.count { $0.state.password != nil } }

    /// Writes everything. To be called after a ``rehearse()`` that has found no problem; what has changed in the
    /// directory since may still be one, and then nothing is written.
    ///
    /// - Parameters:
    ///   - keep: Given the passwords that were made up, before anything is written; what it throws ends the import.
    ///   - progress: Told how many passwords are hashed.
    public func perform(
        keeping keep: ([GeneratedPassword]) throws -> Void = { _ in },
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) throws -> ImportReport {
        var context = ImportContext(options: options, isTrial: false)
        var generated: [GeneratedPassword] = []
        context.hashes = try hashes(&generated, progress)
        if !generated.isEmpty { try keep(generated) }
        return try run(context)
    }

    private struct Undone: Error {}

    private func run(_ context: ImportContext) throws(DirectoryError) -> ImportReport {
        for place in works.indices {
            (works[place].next, works[place].state, works[place].failure) = (0, ImportState(), nil)
        }
        do {
            try directory.change(by: actor) { changes in
                do { try apply(changes, context) } catch { throw DirectoryError(error) }
                if context.isTrial || works.contains(where: { $0.failure != nil }) { throw Self.undone }
            }
        } catch {
            guard error == Self.undone else { throw error }
        }
        return report(isTrial: context.isTrial)
    }

    /// Undoes a transaction that has nothing wrong about it.
    private static let undone = DirectoryError.unavailable("the import is undone")

    /// Rounds, as long as they bring something: what one row needs may stand in a later one, or in a later file.
    private func apply(_ changes: borrowing DirectoryChanges, _ context: ImportContext) throws {
        var context = context
        var open = Array(works.indices)
        var failures = 0
        while !open.isEmpty {
            var left: [Int] = []
            var isMoving = false
            for place in open {
                context.row = works[place].number
                let before = works[place].next
                let isLacking = try advance(&works[place], changes, context)
                if works[place].next > before { isMoving = true }
                if isLacking { left.append(place) } else if works[place].failure != nil { failures += 1 }
                // More are not told, and each costs a search for the name that may have been meant.
                guard failures < TransferLimits.problems else { return }
            }
            guard isMoving else { return }
            open = left
        }
    }

    /// Does a row's steps one after another.
    /// - Returns: whether it lacks something that another row may bring.
    private func advance(
        _ work: inout Work, _ changes: borrowing DirectoryChanges, _ context: ImportContext
    ) throws -> Bool {
        work.failure = nil
        while work.next < work.steps.count, work.state.standing != .skipped {
            let step = work.steps[work.next]
            var state = work.state
            do {
                try changes.attempt { try step.deed(changes, &state, context) }
                work.state = state
                work.next += 1
            } catch let error as DirectoryError {
                // A disk that fails, or another process that writes, is no matter of this row.
                if case .unavailable = error { throw error }
                work.failure = work.row.problem(error.description, at: step.column)
                return error.isLack
            }
        }
        return false
    }

    private func report(isTrial: Bool) -> ImportReport {
        var report = ImportReport()
        let failures = works.compactMap(\.failure)
        report.add(failures)
        report.isTrial = isTrial || !failures.isEmpty
        for work in works where work.failure == nil {
            let kind = work.row.kind.rawValue
            switch work.state.standing {
            case .new: report.kinds[kind, default: .init()].added += 1
            case .known where work.state.isChanged: report.kinds[kind, default: .init()].changed += 1
            case .known: report.kinds[kind, default: .init()].unchanged += 1
            case .skipped: report.kinds[kind, default: .init()].skipped += 1
            }
            if let domain = work.state.addedDomain { report.domainsAdded.append(domain) }
        }
        return report
    }

    // MARK: Passwords

    private func hashes(
        _ generated: inout [GeneratedPassword], _ progress: @escaping @Sendable (Int) -> Void
    ) throws -> [Int: String] {
        var wanted: [(number: Int, password: String)] = []
        for work in works {
            switch work.state.password {
            case nil: continue
            case .given(let password)?, .set(let password)?: wanted.append((work.number, password))
            case .generated?:
                let password = try directory.randomPassword()
                generated.append(GeneratedPassword(address: work.state.address ?? "", password: password))
                wanted.append((work.number, password))
            }
        }
        let hashes = try directory.passwordHashes(wanted.map(\.password), progress)
        return Dictionary(uniqueKeysWithValues: zip(wanted.map(\.number), hashes))
    }
}

extension DirectoryError {
    /// Something is missing that may come.
    fileprivate var isLack: Bool {
        switch self {
        case .notFound, .domainNotHosted: true
        default: false
        }
    }
}

extension MailDirectory {
    /// The hashes of many passwords, on as many threads as there are processors; each takes its memory, so on no more
    /// than ``hashingThreads``. Blocks.
    func passwordHashes(
        _ passwords: [String], _ progress: @escaping @Sendable (Int) -> Void
    ) throws(DirectoryError) -> [String] {
        guard !passwords.isEmpty else { return [] }
        struct State {
            var next = 0
            var done = 0
            var hashes: [String]
            var failure: DirectoryError?
        }
        let state = Mutex(State(hashes: [String](repeating: "", count: passwords.count)))
        let threads = min(ProcessInfo.processInfo.activeProcessorCount, Self.hashingThreads, passwords.count)
        DispatchQueue.concurrentPerform(iterations: max(1, threads)) { _ in
            while true {
                let place = state.withLock { state -> Int? in
                    guard state.next < passwords.count, state.failure == nil else { return nil }
                    defer { state.next += 1 }
                    return state.next
                }
                guard let place else { return }
                let result = Result { () throws(DirectoryError) in
                    try passwordHash(Array(passwords[place].utf8))
                }
                let done = state.withLock { state in
                    switch result {
                    case .success(let hash): state.hashes[place] = hash
                    case .failure(let error): state.failure = error
                    }
                    state.done += 1
                    return state.done
                }
                progress(done)
            }
        }
        return try state.withLock { state throws(DirectoryError) in
            if let failure = state.failure { throw failure }
            return state.hashes
        }
    }

    private static let hashingThreads = 8
}

import Foundation
import GRDB
import MailTypes
import Pipeline
import Scoring
import Testing

@testable import Directory

@Suite struct LessonStoreTests {
    static let start = Date(timeIntervalSinceReferenceDate: 800_000_000)

    private func open(_ folder: TemporaryFolder, at now: Date = start, most: Int = 1_000) throws -> LessonStore {
        var options = LessonStore.Options()
        options.mostGlobal = most
        options.mostOfMailbox = most
        options.now = { now }
        return try LessonStore.open(folder.file("lessons.sqlite"), options: options)
    }

    static func subject(_ number: Int, _ words: String) -> LessonSubject {
        let text = "Message-ID: <\(number)@a.example>\r\nFrom: a@a.example\r\nSubject: \(words)\r\n\r\n\(words)\r\n"
        // All of these are messages.
        return LessonSubject(try! Message(parsing: Bytes(Array(text.utf8))))
    }

    static func spam(_ count: Int) -> [LessonSubject] {
        (0..<count).map { subject($0, "cheap pills for your lottery prize \($0 % 7)") }
    }

    static func ham(_ count: Int) -> [LessonSubject] {
        (0..<count).map { subject(1_000 + $0, "the minutes of our meeting on compilers \($0 % 7)") }
    }

    private func margin(
        _ store: LessonStore, _ words: String, _ scopes: [LessonScope] = [.global]
    ) async throws -> Double? {
        try await store.answer(LessonQuestion(Self.subject(9_999, words).tokens, scopes: scopes)).margin
    }

    private func taught(_ folder: TemporaryFolder, most: Int = 1_000) throws -> LessonStore {
        let store = try open(folder, most: most)
        try store.teach(Self.spam(30), as: true, in: .global, by: "test")
        try store.teach(Self.ham(30), as: false, in: .global, by: "test")
        #expect(try store.catchUp() == [.global])
        return store
    }

    @Test func `what was taught is known again`() async throws {
        let folder = try TemporaryFolder()
        let store = try taught(folder)
        #expect(try #require(await margin(store, "a lottery prize and cheap pills")) > 0.3)
        #expect(try #require(await margin(store, "minutes of a meeting")) < -0.3)
        let answer = try await store.answer(
            LessonQuestion(Self.subject(1, "cheap pills").tokens, scopes: [.global]))
        #expect(answer.spam == 30 && answer.ham == 30 && answer.scopes == [.global])
        #expect(
            answer.tokens.count <= LessonAnswer.mostTokens && answer.tokens.contains { $0.spam == 30 && $0.ham == 0 })
    }

    @Test func `few lessons say nothing`() async throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        try store.teach(Self.spam(LessonModel.fewestLessons), as: true, in: .global, by: "test")
        try store.teach(Self.ham(LessonModel.fewestLessons - 1), as: false, in: .global, by: "test")
        try store.catchUp()
        #expect(try await margin(store, "cheap pills") == nil)
        try store.teach(Self.ham(LessonModel.fewestLessons), as: false, in: .global, by: "test")
        try store.catchUp()
        #expect(try await margin(store, "cheap pills") != nil)
    }

    @Test func `a message taught twice is one lesson, and as the opposite it changes sides`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        let mail = [Self.subject(1, "cheap pills")]
        #expect(try store.teach(mail, as: true, in: .global, by: "test").taught == 1)
        #expect(try store.teach(mail, as: true, in: .global, by: "test").unchanged == 1)
        #expect(try store.teach(mail, as: false, in: .global, by: "test").changed == 1)
        // Another scope's lesson is another lesson.
        #expect(try store.teach(mail, as: true, in: .domain("a.example"), by: "test").taught == 1)
        let tallies = try store.tallies()
        #expect(tallies.map(\.spam) == [1, 0] && tallies.map(\.ham) == [0, 1])
        let history = try store.history()
        #expect(history.map(\.isSpam) == [true, false, true])
        #expect(history.map(\.end) == [nil, nil, .changed])
        #expect(history.allSatisfy { $0.messageID == "<1@a.example>" && $0.actor == "test" && $0.origin == .command })
    }

    @Test func `a lesson undone is as if it had never been`() async throws {
        let folder = try TemporaryFolder()
        let store = try taught(folder)
        let before = try await store.answer(LessonQuestion(Self.subject(1, "pills").tokens, scopes: [.global]))
        let wrong = [Self.subject(5_000, "the minutes of our meeting, and pills")]
        try store.teach(wrong, as: true, in: .global, by: "test")
        try store.catchUp()
        let between = try await store.answer(LessonQuestion(Self.subject(1, "pills").tokens, scopes: [.global]))
        #expect(between != before)
        #expect(try store.forget(wrong, in: .global).forgotten == 1)
        #expect(try store.forget(wrong, in: .global).unchanged == 1)
        try store.catchUp()
        #expect(try await store.answer(LessonQuestion(Self.subject(1, "pills").tokens, scopes: [.global])) == before)
        #expect(try store.history(limit: 1).first?.end == .forgotten)
    }

    @Test func `a lesson is undone by its number once`() throws {
        let folder = try TemporaryFolder()
        let store = try open(folder)
        try store.teach([Self.subject(1, "pills")], as: true, in: .mailbox("a@b.example"), by: "test")
        let id = try #require(try store.history().first?.id)
        #expect(try store.forget(lesson: id)?.scope == .mailbox("a@b.example"))
        #expect(try store.forget(lesson: id) == nil)
        #expect(try store.forget(lesson: id + 1) == nil)
        try store.catchUp()
        #expect(try store.tallies().isEmpty)
    }

    @Test func `a mailbox has the last word on what it was taught, and on nothing else`() async throws {
        let folder = try TemporaryFolder()
        let store = try taught(folder)
        let box = LessonScope.mailbox("anna@b.example")
        let words = "the minutes of our meeting on compilers, by the newsletter of a shop"
        #expect(try #require(await margin(store, words)) < 0)
        try store.teach([Self.subject(7_000, words)], as: true, in: box, by: "anna", origin: .moved)
        try store.catchUp()
        #expect(try #require(await margin(store, words, [.global, .domain("b.example"), box])) > 0)
        // Others are judged as before, and so is what anna did not speak of.
        #expect(try #require(await margin(store, words)) < 0)
        let other = "the minutes of our meeting on compilers 3"
        #expect(try #require(await margin(store, other, [.global, box])) < -0.3)
        #expect(try await store.answer([.global, .domain("b.example"), box]) == [.global, box])
        #expect(store.immediate([.global, box]) == [.global, box])
    }

    @Test func `the oldest lessons make room`() throws {
        let folder = try TemporaryFolder()
        let store = try taught(folder, most: 60)
        let report = try store.teach(
            (0..<10).map { Self.subject(20_000 + $0, "more pills \($0)") }, as: true, in: .global, by: "test")
        #expect(report.taught == 10 && report.expired == 10)
        let tally = try #require(try store.tallies().first)
        #expect(tally.spam + tally.ham == 60 && tally.spam == 30)
        let ended = try store.history(limit: 100).filter { $0.end == .expired }
        #expect(ended.allSatisfy(\.isSpam) && ended.map(\.id).min() == 1)
    }

    @Test func `old lessons end where a store is opened and caught up, though nobody teaches`() throws {
        let folder = try TemporaryFolder()
        try taught(folder).close()
        let later = try open(folder, at: Self.start + 731 * 86_400)
        _ = try later.catchUp()
        #expect(try later.tallies().reduce(0) { $0 + $1.spam + $1.ham } == 0)
        #expect(try later.history(limit: 100).allSatisfy { $0.end == .expired })
        later.close()
    }

    @Test func `old lessons do not count, and are not listed for ever`() throws {
        let folder = try TemporaryFolder()
        try taught(folder).close()
        let later = try open(folder, at: Self.start + 731 * 86_400)
        let report = try later.teach([Self.subject(1, "pills")], as: true, in: .global, by: "test")
        #expect(report.expired == 60)
        #expect(try later.history(limit: 100).count == 61)
        later.close()
        let latest = try open(folder, at: Self.start + 900 * 86_400)
        try latest.teach([Self.subject(2, "pills")], as: true, in: .global, by: "test")
        #expect(try latest.history(limit: 100).count == 2)
    }

    // MARK: What is on the disk

    @Test func `lessons of older tokens end, are listed, and can be taught again`() async throws {
        let folder = try TemporaryFolder()
        try taught(folder).close()
        let file = try DatabaseQueue(path: folder.file("lessons.sqlite"))
        try await file.write { db in try db.execute(sql: "DELETE FROM grdb_migrations WHERE identifier LIKE '2:%'") }
        try file.close()
        let store = try open(folder)
        try store.catchUp()
        #expect(try await margin(store, "cheap pills") == nil)
        #expect(try store.tallies().isEmpty)
        let history = try store.history(limit: 100)
        #expect(history.count == 60 && history.allSatisfy { $0.end == .outdated })
        #expect(try store.teach(Self.spam(30), as: true, in: .global, by: "test").taught == 30)
        #expect(try store.tallies().map(\.spam) == [30])
    }

    @Test func `a damaged or missing model is made again from the lessons`() async throws {
        let folder = try TemporaryFolder()
        let store = try taught(folder)
        let sound = try await margin(store, "cheap pills")
        store.close()
        let models = try FileManager.default.contentsOfDirectory(atPath: folder.file("lessons"))
            .filter { $0.hasSuffix(".model") }.map { folder.file("lessons/\($0)") }
        let model = try #require(models.first)
        let octets = try Data(contentsOf: URL(fileURLWithPath: model))
        let damages: [(inout Data) -> Void] = [
            { $0[600] ^= 1 }, { $0[3] = 0 }, { $0.removeLast(16) }, { $0 = Data() }, { $0[41] = 0xFF },
            { $0[octets.count - 1] = 7 },
        ]
        for damage in damages {
            var broken = octets
            damage(&broken)
            // As a disk does it: not in the mapped file's place.
            try broken.write(to: URL(fileURLWithPath: model), options: .atomic)
            let again = try open(folder)
            #expect(try await margin(again, "cheap pills") == nil)
            #expect(try again.catchUp() == [.global])
            #expect(try await margin(again, "cheap pills") == sound)
            #expect(try again.catchUp().isEmpty)
            again.close()
        }
        try FileManager.default.removeItem(atPath: model)
        let last = try open(folder)
        #expect(try last.catchUp() == [.global])
        #expect(try await margin(last, "cheap pills") == sound)
    }

    @Test func `damaged lessons are set aside where that is wanted, and else an error that names the file`() throws {
        let folder = try TemporaryFolder()
        try taught(folder).close()
        let path = folder.file("lessons.sqlite")
        // What SQLite keeps beside it may have the same pages, sound.
        for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.write(contentsOf: [UInt8](repeating: 0xA5, count: 200))
        try handle.close()
        let error = #expect(throws: DirectoryError.self) { try LessonStore.open(path) }
        guard case .lessonsUnavailable(path, _, isDamaged: true) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.description.hasPrefix("The lessons in \(path) are damaged: ") == true)
        var options = LessonStore.Options()
        options.now = { Self.start }
        let store = try LessonStore.open(path, options: options, setsDamagedAside: true)
        #expect(store.setAside?.file == "\(path).damaged-20260509T061320Z")
        #expect(store.troubles.count == 1)
        #expect(try store.tallies().isEmpty)
        #expect(FileManager.default.fileExists(atPath: store.setAside?.file ?? ""))
        #expect(store.immediate([.global]) != [.global])
        #expect(try store.teach(Self.spam(2), as: true, in: .global, by: "test").taught == 2)
        store.close()
        let again = try LessonStore.open(path, options: options, setsDamagedAside: true)
        #expect(again.setAside == nil && again.troubles.isEmpty)
        #expect(try again.tallies().map(\.spam) == [2])
    }

    @Test func `a folder that cannot be made is named`() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("lessons.sqlite")
        try Data("mine".utf8).write(to: URL(filePath: folder.file("lessons")))
        let error = #expect(throws: DirectoryError.self) { try LessonStore.open(path) }
        #expect(error?.description.hasPrefix("The lessons in \(folder.file("lessons")) cannot be used now: ") == true)
        #expect(error?.description.contains("NSCocoaErrorDomain") == false)
    }

    @Test func `lessons of another process count as soon as it is done`() async throws {
        let folder = try TemporaryFolder()
        let (server, command) = (try taught(folder), try open(folder))
        #expect(try await margin(server, "brandnew words") != nil)
        #expect(server.immediate(LessonQuestion([2, 4], scopes: [.global])) != nil)
        try command.teach((0..<40).map { Self.subject(30_000 + $0, "brandnew words") }, as: true, in: .global, by: "x")
        try command.catchUp()
        #expect(server.immediate(LessonQuestion([2, 4], scopes: [.global])) == nil)
        #expect(try #require(await margin(server, "brandnew words")) > 0.5)
    }

    @Test func `the same lessons make the same model`() async throws {
        let (one, other) = (try TemporaryFolder(), try TemporaryFolder())
        let question = LessonQuestion(Self.subject(1, "pills and minutes").tokens, scopes: [.global])
        #expect(try await taught(one).answer(question) == taught(other).answer(question))
    }
}

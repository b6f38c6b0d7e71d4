import MailTypes
import Pipeline

/// A list that is put aside, and why.
public struct BlocklistTrouble: Sendable, Hashable {
    public let zone: String
    /// A sentence without its capital and its full stop.
    public let reason: String

    /// For people.
    public var text: String { "The list \(zone) is put aside: \(reason)." }
}

/// Is told what becomes of lists; nothing waits for it.
public struct BlocklistObserver: Sendable {
    /// What came of a question to a list.
    public enum Result: String, Sendable, CaseIterable {
        case listed, clear, unanswered
        case passedOver = "passed-over"
    }

    public var asked: @Sendable (_ zone: String, Result) -> Void = { _, _ in }
    public var putAside: @Sendable (_ zone: String, _ reason: String) -> Void = { _, _ in }
    public var tookBack: @Sendable (_ zone: String) -> Void = { _ in }
    /// How many are put aside now, whenever that may have changed.
    public var counted: @Sendable (_ putAside: Int) -> Void = { _ in }

    public init() {}
}

/// What is known of one list.
struct Standing: Sendable {
    /// What a look at a list, or its answers, have shown.
    enum Verdict {
        case sound
        /// It did not answer about any of a message's names.
        case suspect(String)
        /// Its test points do not answer.
        case silent(String)
        case insane(String)
    }

    let list: Blocklist
    /// When its test points answered as they must, last.
    var proven: ContinuousClock.Instant?
    /// Why it is put aside, if it is.
    var trouble: String?
    /// Not before then are its test points asked again.
    var next: ContinuousClock.Instant?
    /// Questions in a row that had no answer.
    var failures = 0

    init(_ list: Blocklist) { self.list = list }

    mutating func settle(_ verdict: Verdict, at now: ContinuousClock.Instant, _ options: BlocklistDesk.Options) {
        switch verdict {
        case .sound:
            (trouble, proven, failures) = (nil, now, 0)
            // Looked at again while the last look still holds.
            next = now + options.soundFor.duration / 2
        case .suspect(let reason): putAside(reason, until: now)
        case .silent(let reason): putAside(reason, until: now + options.silentPause.duration)
        case .insane(let reason): putAside(reason, until: now + options.insanePause.duration)
        }
    }

    private mutating func putAside(_ reason: String, until next: ContinuousClock.Instant) {
        (trouble, proven, self.next) = (reason, nil, next)
    }

    func isDue(at now: ContinuousClock.Instant, _ options: BlocklistDesk.Options) -> Bool {
        next.map { $0 <= now } ?? true
    }
}

/// What a list says of one name: the answers, none if it does not have it.
struct Reply: Sendable {
    let name: String
    let result: Result<[IPAddress], StageFailure>

    init(name: String, result: Result<[IPAddress], StageFailure>) {
        (self.name, self.result) = (name, result)
    }

    init(name: String, _ answer: DNSAnswer) {
        switch answer {
        case .noName, .noData: self.init(name: name, result: .success([]))
        case .records(let records, _):
            let answers = records.compactMap { if case .address(let answer) = $0 { answer } else { nil } }
            self.init(name: name, result: .success(answers))
        }
    }

    /// The same when all time is used up: what was cut off was silent.
    var late: Reply {
        guard case .failure = result else { return self }
        return Reply(name: name, result: .failure(StageFailure("no answer in time", timedOut: true)))
    }
}

/// What a list says of several names.
struct Survey: Sendable {
    var replies: [Reply] = []

    mutating func order(as names: [String]) {
        let places = Dictionary(zip(names, names.indices), uniquingKeysWith: { first, _ in first })
        replies.sort { places[$0.name, default: 0] < places[$1.name, default: 0] }
    }

    var listings: [Listing] {
        replies.compactMap { reply in
            guard case .success(let answers) = reply.result, !answers.isEmpty else { return nil }
            return Listing(name: reply.name, answers: answers)
        }
    }

    /// Whether there were names, and no answer about any of them.
    var isUnanswered: Bool { !replies.isEmpty && failures.count == replies.count }

    var failures: [(name: String, failure: StageFailure)] {
        replies.compactMap { reply in
            guard case .failure(let failure) = reply.result else { return nil }
            return (reply.name, failure)
        }
    }

    /// What shows that the list has lost its senses, if anything does.
    func fault(_ list: Blocklist) -> String? {
        for case .success(let answers) in replies.map(\.result) {
            if let fault = list.fault(in: answers) { return fault }
        }
        return nil
    }
}

public import MailTypes
public import Pipeline
import Foundation
import Synchronization

/// A world that fits into a test: a clock that is moved by hand, a directory and a DNS that are
/// written down, and a memory that obeys the rules of ``MemoryQuestion``.
public final class MemoryServices: ServiceSource {
    public let time: ManualTime
    private let state: Mutex<State>

    fileprivate struct State {
        var directory: SampleDirectory
        var dns: [DNSQuestion: DNSAnswer] = [:]
        var signatures: [SignatureReport] = []
        var lessons = LessonAnswer()
        var taughtScopes: Set<LessonScope> = []
        var unsoundLists: [String: String] = [:]
        var spamReports: [SpamScanner: SpamReport] = [:]
        var milterReports: [MilterReport] = []
        var policyAction = "DUNNO"
        var callout = CalloutReport.accepted
        var fills: [EmailAddress: MailboxFill] = [:]
        var scan: ScanReport? = ScanReport(by: "scanner")
        var stories: [Key: Story] = [:]
        var uses: [Key: [(at: Date, amount: Int)]] = [:]
        var failure: StageFailure?
        var asked: [Question] = []
    }

    fileprivate struct Key: Hashable {
        let table: String
        let key: String
    }

    fileprivate struct Story {
        var visits: Visits
        var forgottenAt: Date
    }

    public init(directory: SampleDirectory = SampleDirectory(), time: ManualTime = ManualTime()) {
        self.time = time
        state = Mutex(State(directory: directory))
    }

    /// What the directory knows; it may change between two questions.
    public var directory: SampleDirectory {
        get { state.withLock { $0.directory } }
        set { state.withLock { $0.directory = newValue } }
    }

    /// From now on every question but the time fails with this; `nil` makes the world whole again.
    public func fail(with failure: StageFailure?) { state.withLock { $0.failure = failure } }

    /// Every question so far, in order.
    public var asked: [Question] { state.withLock { $0.asked } }

    /// Writes a DNS record set down; names without one do not exist.
    public func set(_ name: String, _ type: DNSQuestion.RecordType, _ answer: DNSAnswer) {
        state.withLock { $0.dns[DNSQuestion(name, type)] = answer }
    }

    /// What is said of every message's signatures.
    public var signatures: [SignatureReport] {
        get { state.withLock { $0.signatures } }
        set { state.withLock { $0.signatures = newValue } }
    }

    /// What scanners say of every message; `nil`: there is none.
    public var scan: ScanReport? {
        get { state.withLock { $0.scan } }
        set { state.withLock { $0.scan = newValue } }
    }

    /// What another program says of every message.
    public func report(_ report: SpamReport, by scanner: SpamScanner) {
        state.withLock { $0.spamReports[scanner] = report }
    }

    /// What milters say of the next steps, one after the other; the last of these they say ever after.
    public func answerAsMilter(_ reports: MilterReport...) {
        state.withLock { $0.milterReports = reports }
    }

    /// What policy servers say.
    public var policyAction: String {
        get { state.withLock { $0.policyAction } }
        set { state.withLock { $0.policyAction = newValue } }
    }

    /// What other servers say of addresses.
    public var callout: CalloutReport {
        get { state.withLock { $0.callout } }
        set { state.withLock { $0.callout = newValue } }
    }

    /// How full mailboxes are; others may hold what they like.
    public var fills: [EmailAddress: MailboxFill] {
        get { state.withLock { $0.fills } }
        set { state.withLock { $0.fills = newValue } }
    }

    /// A list that is passed over, and why; `nil` makes it sound again. What lists have is written down as in DNS.
    public func passOver(_ zone: String, because reason: String?) {
        state.withLock { $0.unsoundLists[zone] = reason }
    }

    /// What lessons say of every message.
    public var lessons: LessonAnswer {
        get { state.withLock { $0.lessons } }
        set { state.withLock { $0.lessons = newValue } }
    }

    /// Scopes that have lessons.
    public var taughtScopes: Set<LessonScope> {
        get { state.withLock { $0.taughtScopes } }
        set { state.withLock { $0.taughtScopes = newValue } }
    }

    public func answer(_ question: Question) async throws(StageFailure) -> Answer {
        let now = time.now
        let answer = state.withLock { state -> Answer in
            state.asked.append(question)
            if case .time = question { return .time(now) }
            if let failure = state.failure { return .failure(failure) }
            return state.answer(question)
        }
        if case .failure(let failure) = answer { throw failure }
        return answer
    }
}

extension MemoryServices.State {
    fileprivate mutating func answer(_ question: Question) -> Answer {
        switch question {
        case .time: .failure(StageFailure("the clock answers for itself"))
        case .directory(let question): .directory(directory.answer(question))
        case .memory(let question): .memory(remember(question))
        case .dns(let question): .dns(dns[question] ?? .noName)
        case .signatures: .signatures(signatures)
        case .senderPolicy: .failure(StageFailure("there is no worker here"))
        case .scan: scan.map(Answer.scan) ?? .failure(StageFailure("there is no scanner here"))
        case .publicSuffix(let domain): .publicSuffix(MemorySuffixes.suffix(of: domain))
        case .asciiDomain(let domain): .asciiDomain(MemorySuffixes.ascii(domain))
        case .listings(let question): .listings(listings(question))
        case .lessons: .lessons(lessons)
        case .lessonScopes(let scopes): .lessonScopes(scopes.filter(taughtScopes.contains))
        case .milter: .milter(milterReport)
        case .policy: .policy(policyAction)
        case .callout: .callout(callout)
        case .mailboxRoom(let mailbox, _): .mailboxRoom(fills[mailbox] ?? .unlimited)
        case .spamScan(let question):
            spamReports[question.scanner].map(Answer.spamReport)
                ?? .failure(StageFailure("there is no \(question.scanner.rawValue) here"))
        }
    }

    private var milterReport: MilterReport {
        mutating get {
            let report = milterReports.first ?? MilterReport(.continue)
            if milterReports.count > 1 { milterReports.removeFirst() }
            return report
        }
    }

    private func listings(_ question: ListingQuestion) -> ListingAnswer {
        if let reason = unsoundLists[question.zone] { return .passedOver(reason) }
        let found = question.names.compactMap { name -> Listing? in
            guard case .records(let records, _)? = dns[DNSQuestion("\(name).\(question.zone)", .a)] else { return nil }
            return Listing(
                name: name, answers: records.compactMap { if case .address(let answer) = $0 { answer } else { nil } })
        }
        return .answered(found, unanswered: [])
    }

    private mutating func remember(_ question: MemoryQuestion) -> MemoryAnswer {
        switch question {
        case .visit(let table, let key, let now, let lifetime):
            let known = story(table, key, now)
            let visits = Visits(first: known?.first ?? now, last: now, count: (known?.count ?? 0) + 1)
            stories[.init(table: table, key: key)] = .init(visits: visits, forgottenAt: now + lifetime.seconds)
            return .visit(known)
        case .peek(let table, let key, let now):
            return .visit(story(table, key, now))
        case .count(let table, let key, let amount, let window, let now):
            let place = MemoryServices.Key(table: table, key: key)
            var recent = (uses[place] ?? []).filter { $0.at > now - window.seconds }
            recent.append((at: now, amount: amount))
            uses[place] = recent
            return .count(recent.reduce(0) { $0 + $1.amount })
        }
    }

    private func story(_ table: String, _ key: String, _ now: Date) -> Visits? {
        stories[.init(table: table, key: key)].flatMap { $0.forgottenAt > now ? $0.visits : nil }
    }
}

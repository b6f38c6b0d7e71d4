public import MailTypes
public import Pipeline
import Synchronization

/// Answers what lists in DNS say, and sees to it that a list which is dead or has gone mad costs nobody mail.
///
/// What a list says counts only while its test points answer as they must (RFC 5782 §5). They are asked regularly
/// (``run()``), and before a name counts as listed if that was too long ago. A list that does not answer costs one
/// wait, and is then passed over until its test points answer again.
public final class BlocklistDesk: Sendable {
    public struct Options: Sendable {
        /// The longest wait for one list's answers, and for its test points.
        public var patience: Interval = "4s"
        /// For how long a look at the test points holds.
        public var soundFor: Interval = "10m"
        /// Until the next look at a list that did not answer.
        public var silentPause: Interval = "1m"
        /// Until the next look at one that answered what no sound list does.
        public var insanePause: Interval = "10m"
        /// Failures in a row, each at once, that count as silence.
        public var mostFailures = 3
        /// Names of one question that are asked at the same time.
        public var mostAtOnce = 32

        public init() {}
    }

    public typealias Known = @Sendable (DNSQuestion) -> DNSAnswer?
    public typealias Resolve = @Sendable (DNSQuestion) async throws(StageFailure) -> DNSAnswer
    public typealias Clock = @Sendable () -> ContinuousClock.Instant

    private struct State {
        var desks: [String: Standing] = [:]
        var order: [String] = []
    }

    private let options: Options
    private let observer: BlocklistObserver
    private let now: Clock
    private let known: Known
    private let resolve: Resolve
    private let state = Mutex(State())

    public init(
        _ options: Options = Options(), observer: BlocklistObserver = BlocklistObserver(),
        now: @escaping Clock = { .now }, known: @escaping Known = { _ in nil }, resolve: @escaping Resolve
    ) {
        self.options = options
        self.observer = observer
        self.now = now
        self.known = known
        self.resolve = resolve
    }

    /// The lists that there are from now on. What is known of one that stays is kept.
    public func watch(_ lists: [Blocklist]) {
        state.withLock { state in
            let old = state.desks
            state.order = lists.map(\.zone)
            state.desks = Dictionary(lists.map { ($0.zone, Standing($0)) }, uniquingKeysWith: { first, _ in first })
            for (zone, known) in old where state.desks[zone]?.list == known.list { state.desks[zone] = known }
        }
        observer.counted(troubles.count)
    }

    /// The lists that are put aside now, in order, each with its reason.
    public var troubles: [BlocklistTrouble] {
        state.withLock { state in
            state.order.compactMap { zone in
                state.desks[zone]?.trouble.map { BlocklistTrouble(zone: zone, reason: $0) }
            }
        }
    }

    // MARK: Answering

    /// What the list says of these names, if all of it is known already: with most messages nobody has to wait.
    public func immediate(_ question: ListingQuestion) -> ListingAnswer? {
        guard let standing = standing(of: question.zone), standing.trouble == nil else { return nil }
        var survey = Survey()
        for name in question.names {
            guard let answer = known(DNSQuestion("\(name).\(question.zone)", .a)) else { return nil }
            survey.replies.append(Reply(name: name, answer))
        }
        // What is not as it should be is for the longer way.
        guard survey.fault(standing.list) == nil, survey.listings.isEmpty || isProven(question.zone) else { return nil }
        note(survey, on: question.zone, waited: .zero)
        observer.asked(question.zone, survey.listings.isEmpty ? .clear : .listed)
        return .answered(survey.listings, unanswered: [])
    }

    /// What the list says of these names; that it cannot be asked is an answer, too.
    public func answer(_ question: ListingQuestion) async -> ListingAnswer {
        guard let standing = standing(of: question.zone) else { return .passedOver("nobody watches over this list") }
        if let trouble = standing.trouble {
            observer.asked(question.zone, .passedOver)
            return .passedOver(trouble)
        }
        let began = now()
        let survey = await survey(question.names, of: standing.list)
        if let fault = survey.fault(standing.list) {
            settle(question.zone, .insane(fault))
            return passedOver(question.zone)
        }
        note(survey, on: question.zone, waited: now() - began)
        if !survey.listings.isEmpty {
            // Nobody is called listed on the word of a list whose soundness is not known.
            if !isProven(question.zone) { await look(at: standing.list) }
            if !isProven(question.zone) { return passedOver(question.zone) }
        }
        let hasFailed = !survey.failures.isEmpty
        observer.asked(question.zone, !survey.listings.isEmpty ? .listed : hasFailed ? .unanswered : .clear)
        return .answered(survey.listings, unanswered: survey.failures.map(\.name))
    }

    private func passedOver(_ zone: String) -> ListingAnswer {
        observer.asked(zone, .passedOver)
        return .passedOver(standing(of: zone)?.trouble ?? "its test points are not known to answer")
    }

    private func standing(of zone: String) -> Standing? { state.withLock { $0.desks[zone] } }

    private func isProven(_ zone: String) -> Bool {
        let now = now()
        return state.withLock { state in
            guard let standing = state.desks[zone], standing.trouble == nil, let proven = standing.proven else {
                return false
            }
            return now - proven < options.soundFor.duration
        }
    }

    /// Silence puts a list aside; a failure at once does when it is not the first in a row. Strangers choose the names
    /// that are asked about, and may know some that a list answers badly: so its test points are asked right after.
    private func note(_ survey: Survey, on zone: String, waited: Duration) {
        guard survey.isUnanswered else {
            state.withLock { $0.desks[zone]?.failures = 0 }
            return
        }
        // Who asks may have less patience than this desk; a moment is no silence.
        if Task.isCancelled, waited < .seconds(1) { return }
        let isSilent = survey.failures.contains { $0.failure.timedOut } || waited >= .seconds(1)
        let failures = state.withLock { state in
            let failures = (state.desks[zone]?.failures ?? 0) + 1
            state.desks[zone]?.failures = failures
            return failures
        }
        guard isSilent || failures >= options.mostFailures, let first = survey.failures.first else { return }
        settle(zone, .suspect("it does not answer: \(first.failure.reason)"))
    }

    // MARK: Looking after the lists

    /// Between two rounds of looking which list is due.
    private static let round = Duration.seconds(15)

    /// Looks after the lists until the task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            await look()
            try? await Task.sleep(for: Self.round)
        }
    }

    /// Looks at every list that is due.
    public func look() async {
        let now = now()
        let due = state.withLock { state in
            state.order.compactMap { state.desks[$0] }.filter { $0.isDue(at: now, options) }.map(\.list)
        }
        await withTaskGroup { group in
            for list in due { group.addTask { await self.look(at: list) } }
        }
    }

    private func look(at list: Blocklist) async {
        // One that has begun to list everybody would be believed as long as a cache keeps its test point's old answer.
        let unlisted = list.unlisted + [list.fresh?.name(.random(in: 0 ... .max))].compactMap(\.self)
        let survey = await survey(list.listed + unlisted, of: list)
        // Cut short by whoever asked, not by the list.
        guard !Task.isCancelled else { return }
        let found = Set(survey.listings.map(\.name))
        if let fault = survey.fault(list) { return settle(list.zone, .insane(fault)) }
        if let wrong = unlisted.first(where: found.contains) {
            return settle(list.zone, .insane("it lists \(wrong), which no sound list does: it may list everything"))
        }
        if let silent = survey.failures.first {
            return settle(list.zone, .silent("its test points do not answer: \(silent.failure.reason)"))
        }
        if let missing = list.listed.first(where: { !found.contains($0) }) {
            let fault = "it does not list \(missing), which every sound list does: it may be empty"
            return settle(list.zone, .insane(fault))
        }
        settle(list.zone, .sound)
    }

    private func settle(_ zone: String, _ verdict: Standing.Verdict) {
        let now = now()
        let (before, after) = state.withLock { state in
            let before = state.desks[zone]?.trouble
            state.desks[zone]?.settle(verdict, at: now, options)
            return (before, state.desks[zone]?.trouble)
        }
        observer.counted(troubles.count)
        if let after, before != after { observer.putAside(zone, after) }
        if before != nil, after == nil { observer.tookBack(zone) }
    }

    // MARK: Asking

    /// Asks about each name at most once, some at the same time, and no longer than patience lasts.
    private func survey(_ names: [String], of list: Blocklist) async -> Survey {
        let patience = options.patience.duration
        return await withTaskGroup(of: Reply?.self) { group in
            var survey = Survey()
            var waiting = names[...]
            var (open, isOver) = (0, false)
            group.addTask {
                try? await Task.sleep(for: patience)
                return nil
            }
            func fill() {
                while open < options.mostAtOnce, !isOver, let name = waiting.popFirst() {
                    open += 1
                    group.addTask { await self.reply(about: name, in: list) }
                }
            }
            fill()
            while open > 0, let reply = await group.next() {
                guard let reply else {
                    isOver = true
                    group.cancelAll()
                    continue
                }
                open -= 1
                survey.replies.append(isOver && !Task.isCancelled ? reply.late : reply)
                fill()
            }
            group.cancelAll()
            let late = StageFailure("no answer in time", timedOut: true)
            survey.replies += waiting.map { Reply(name: $0, result: .failure(late)) }
            survey.order(as: names)
            return survey
        }
    }

    private func reply(about name: String, in list: Blocklist) async -> Reply {
        do throws(StageFailure) {
            return Reply(name: name, try await resolve(DNSQuestion("\(name).\(list.zone)", .a)))
        } catch { return Reply(name: name, result: .failure(error)) }
    }
}

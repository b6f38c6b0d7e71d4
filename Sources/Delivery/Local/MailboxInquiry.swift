import MailTypes
import Pipeline
import Queue
import Synchronization

/// A work for mailboxes, with what the directory has said of them.
struct LocalWork: Sendable {
    var work: Work
    /// By ``EmailAddress/key``.
    var standings: [String: MailboxStanding] = [:]

    init(_ work: Work) { self.work = work }
}

/// Asks the directory about the mailboxes of works that wait for the answer, one after another, so that many of them
/// do not crowd out those who ask for a client that is waiting.
final class MailboxInquiry: Sendable {
    private typealias Question = (work: LocalWork, mailboxes: [EmailAddress])

    private struct State {
        var questions: [Question] = []
        var isAsking = false
    }

    private let hooks: DeliveryHooks
    private let flights: Flights
    private let state = Mutex(State())

    init(hooks: DeliveryHooks, flights: Flights) {
        self.hooks = hooks
        self.flights = flights
    }

    /// Has the standings of `mailboxes` filled in.
    func ask(
        _ work: LocalWork, about mailboxes: [EmailAddress], then answered: @escaping @Sendable ([LocalWork]) -> Void
    ) {
        let isFirst = state.withLock { state in
            state.questions.append((work, mailboxes))
            defer { state.isAsking = true }
            return !state.isAsking
        }
        guard isFirst else { return }
        flights.begin { [self] in
            while let questions = takeQuestions() { answered(await answer(questions)) }
        }
    }

    private func takeQuestions() -> [Question]? {
        state.withLock { state in
            state.isAsking = !state.questions.isEmpty
            guard state.isAsking else { return nil }
            defer { state.questions = [] }
            return state.questions
        }
    }

    private func answer(_ questions: [Question]) async -> [LocalWork] {
        var known: [String: MailboxStanding] = [:]
        var works: [LocalWork] = []
        // Who has not answered once is not asked again in this round: each question may take its time to fail.
        var isSilent = false
        for (work, mailboxes) in questions {
            var work = work
            for mailbox in mailboxes {
                let key = mailbox.key
                if known[key] == nil {
                    do throws(StageFailure) {
                        known[key] = isSilent ? Self.noAnswer : try await hooks.standing(mailbox)
                    } catch {
                        isSilent = true
                        known[key] = Self.noAnswer
                    }
                }
                work.standings[key] = known[key]
            }
            works.append(work)
        }
        return works
    }

    private static let noAnswer = MailboxStanding.refused(
        Reply(451, .directoryFailure, "The directory does not answer"))
}

import Synchronization
public import MailTypes

/// The record of what the world once said, answering in its place.
///
/// Equal questions are answered in the order in which they were answered then. What was never asked
/// has no answer: a changed chain that asks something new gets a failure, and says so.
public final class RecordedSource: ServiceSource {
    private let answers: Mutex<[Question: Answers]>

    private struct Answers {
        var all: [Answer]
        var next = 0
    }

    public init(_ facts: [Fact]) {
        var answers: [Question: Answers] = [:]
        for fact in facts { answers[fact.question, default: Answers(all: [])].all.append(fact.answer) }
        self.answers = Mutex(answers)
    }

    public func immediate(_ question: Question) -> Answer? {
        answers.withLock { answers in
            guard var known = answers[question], let last = known.all.last else {
                return .failure(StageFailure("the record has no answer to this question"))
            }
            let answer = known.next < known.all.count ? known.all[known.next] : last
            known.next += 1
            answers[question] = known
            return answer
        }
    }

    public func answer(_ question: Question) async throws(StageFailure) -> Answer {
        immediate(question) ?? .failure(StageFailure("the record has no answer to this question"))
    }
}

extension Trace {
    /// Judges the transaction of this trace again, on `chain`, with nothing but what is in the trace and
    /// the message as it arrived. On an unchanged chain each step finds what it found before.
    public func judgedAgain(on chain: Chain, hostname: String, message: Message?) async -> Trace {
        let source = RecordedSource(facts)
        var opening = Opening()
        if let first = openings.first {
            _ = await opening.connect(session: first, on: chain, id: id, hostname: hostname, source: source)
        }
        if openings.count > 1, let last = openings.last {
            _ = await opening.hello(session: last, on: chain, id: id, hostname: hostname, source: source)
        }
        let judge = TransactionJudge(
            chain: chain, id: id, hostname: hostname, session: session, opening: opening, started: started,
            source: source)
        guard let envelope else { return judge.trace() }
        var said = envelope
        said.recipients = []
        guard await judge.sender(said).isPositive else { return judge.trace() }
        for recipient in asked { _ = await judge.recipient(recipient) }
        guard let message else { return judge.trace() }
        let outcome = await judge.message(message)
        return judge.trace(replies: outcome.replies, queued: outcome.copies.isEmpty ? [] : queued)
    }
}

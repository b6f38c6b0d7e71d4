import MailTypes
import Pipeline
import Synchronization

/// What DNS has said, for as long as its owners allow.
///
/// libunbound has a cache of its own, but each question to it goes to its thread and back. What is asked with nearly
/// every message is answered from here, on the spot.
final class AnswerCache: Sendable {
    /// Answers that are kept.
    static let mostAnswers = 8192
    /// Octets of an answer's texts and names; larger ones are not kept.
    static let largestAnswer = 4 << 10
    /// However long an answer may be kept, it is not kept longer.
    static let longest = Duration.seconds(3600)

    private struct Entry {
        let answer: DNSAnswer
        let expires: ContinuousClock.Instant
    }

    /// A young and an old half: when the young one is full it becomes the old one, and what is asked for again moves
    /// back. So what is used stays, approximately, and making room costs nothing for each answer.
    private struct Halves {
        var young: [DNSQuestion: Entry] = [:]
        var old: [DNSQuestion: Entry] = [:]

        mutating func insert(_ entry: Entry, for question: DNSQuestion, most: Int) {
            if young.count >= most, young[question] == nil {
                old = young
                young = [:]
            }
            young[question] = entry
        }
    }

    private let halves = Mutex(Halves())
    private let most: Int

    init(mostAnswers: Int = AnswerCache.mostAnswers) { most = max(1, mostAnswers / 2) }

    /// What is known at that time.
    func answer(to question: DNSQuestion, at now: ContinuousClock.Instant = .now) -> DNSAnswer? {
        halves.withLock { halves in
            if let entry = halves.young[question] { return entry.expires > now ? entry.answer : nil }
            guard let entry = halves.old[question], entry.expires > now else { return nil }
            halves.insert(entry, for: question, most: most)
            return entry.answer
        }
    }

    /// Keeps an answer that may be kept for so many seconds.
    func insert(
        _ answer: DNSAnswer, for question: DNSQuestion, seconds: Int, at now: ContinuousClock.Instant = .now
    ) {
        guard seconds > 0, answer.size <= Self.largestAnswer else { return }
        let entry = Entry(answer: answer, expires: now + min(.seconds(seconds), Self.longest))
        halves.withLock { $0.insert(entry, for: question, most: most) }
    }

    var count: Int { halves.withLock { $0.young.count + $0.old.count } }
}

extension DNSAnswer {
    /// Octets of all texts and names in it.
    fileprivate var size: Int {
        guard case .records(let records, _) = self else { return 0 }
        return records.reduce(0) { sum, record in
            switch record {
            case .address(let address): sum + address.octets.count
            case .exchanger(_, let name), .name(let name): sum + name.utf8.count
            case .text(let octets), .tlsa(_, _, _, let octets): sum + octets.count
            }
        }
    }
}

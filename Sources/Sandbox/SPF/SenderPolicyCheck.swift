import MailTypes
import Pipeline

/// One check by libspf2, in steps.
///
/// The library wants each answer of DNS at once, and a worker has none. So it is let run with what is known; at the
/// first question that is not answered yet it is told that DNS failed, what it then says is thrown away, and it runs
/// again when the answer has come. A run costs some microseconds.
final class SenderPolicyCheck {
    enum Step {
        case asks(DNSQuestion)
        case found(SenderPolicyReport)
    }

    let question: SenderPolicyQuestion
    private let library: SPFLibrary
    private var answers: [DNSQuestion: LookUpAnswer] = [:]

    /// What is known of one run.
    private struct Run {
        /// The question without an answer; whatever is asked after it finds none either.
        var wanted: DNSQuestion?
        /// Why it is over before the library thinks so.
        var stop: String?
        var lookUps = 0
        var voidLookUps = 0
        /// Hosts that answers have named: that one of them has no address is not counted. RFC 7208 §4.6.4.
        var hosts: Set<String> = []
    }

    private var run = Run()

    init(_ library: SPFLibrary, _ question: SenderPolicyQuestion) {
        self.library = library
        self.question = question
    }

    /// As far as it gets.
    func step() throws(JobFailure) -> Step {
        run = Run()
        let report = try library.judge(self)
        if let wanted = run.wanted { return .asks(wanted) }
        if let stop = run.stop { return .found(SenderPolicyReport(.permerror, reason: stop)) }
        return .found(report)
    }

    /// What DNS said to the last question.
    func answer(_ answer: LookUpAnswer) {
        guard let wanted = run.wanted else { return }
        answers[wanted] = answer
    }

    // MARK: - What the library asks

    /// What it may ask for. Records of a type of their own are no more. RFC 7208 §3.1.
    static let types: Set<DNSQuestion.RecordType> = [.a, .aaaa, .mx, .ptr, .txt]

    func answer(to name: [UInt8], _ type: UInt16) -> LookUpAnswer {
        guard let type = DNSQuestion.RecordType(rawValue: type), Self.types.contains(type) else { return .nothing }
        guard run.wanted == nil, run.stop == nil else { return .failed }
        // It counts for each record alone, so a few records that include each other could keep it busy for ever.
        run.lookUps += 1
        guard run.lookUps <= PacketLimits.policyQuestions else {
            return stop("more than \(PacketLimits.policyQuestions) questions to DNS")
        }
        let explanation = type == .txt ? BoundedTexts.marked(name) : nil
        guard let name = Self.askable(explanation ?? name) else {
            return counted(.nothing, "a name that cannot be", type)
        }
        let question = DNSQuestion(name, type)
        guard let answer = answers[question] else {
            run.wanted = question
            return .failed
        }
        guard case .records(let records) = answer else { return counted(answer, question.name, type) }
        switch type {
        case .mx, .ptr: run.hosts.formUnion(records.compactMap { Self.askable($0)?.asciiLowercased })
        case .txt where explanation != nil: return .records(records.compactMap(BoundedTexts.explanation))
        case .txt: return policies(records.filter(BoundedTexts.isPolicy), name)
        default: break
        }
        return counted(answer, question.name, type)
    }

    /// Nothing else is of use to the library.
    private func policies(_ records: [[UInt8]], _ name: String) -> LookUpAnswer {
        guard records.allSatisfy({ $0.count <= PacketLimits.longestPolicy }) else {
            return stop("the record of \(name) is longer than \(PacketLimits.longestPolicy) octets")
        }
        let policies = records.compactMap(BoundedTexts.policy)
        guard policies.count == records.count else {
            return stop("the record of \(name) has a term that libspf2 must not see")
        }
        return .records(policies)
    }

    private func stop(_ reason: String) -> LookUpAnswer {
        run.stop = reason
        return .failed
    }

    /// The library has no limit to answers with nothing in them. RFC 7208 §4.6.4.
    private func counted(_ answer: LookUpAnswer, _ name: String, _ type: DNSQuestion.RecordType) -> LookUpAnswer {
        guard answer == .nothing, [.a, .aaaa, .mx].contains(type), !run.hosts.contains(name) else { return answer }
        run.voidLookUps += 1
        guard run.voidLookUps <= question.maxVoidLookups else {
            return stop("more than \(question.maxVoidLookups) lookups without an answer, at \(name)")
        }
        return answer
    }

    /// A name that DNS can have, without the final dot; there is nothing at any other. RFC 1035 §2.3.4.
    private static func askable(_ octets: [UInt8]) -> String? {
        let name = octets.last == UInt8(ascii: ".") ? octets.dropLast() : octets[...]
        let labels = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard name.count <= 253, labels.allSatisfy({ (1...63).contains($0.count) }),
            name.allSatisfy(PacketReader.isPlain)
        else { return nil }
        return String(decoding: name, as: UTF8.self)
    }
}

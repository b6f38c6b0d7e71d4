import MailTypes
import Pipeline
import Scoring

/// How large and how many things in a packet may be. docs/sandbox.md has the grammar.
enum PacketLimits {
    /// Octets of a packet; both ends have a buffer of that size.
    static let packet = 128 << 10
    /// Names that one packet may ask for, so also the signatures that are looked at.
    static let questions = 30
    /// Questions to DNS of one SPF check: beyond what RFC 7208 §4.6.4 allows, ten terms with ten hosts each.
    static let policyQuestions = 120
    /// One for each signature that is looked at, and one for all that are not.
    static let reports = questions + 1
    /// Records of one answer that are passed on; of keys fewer.
    static let records = 100
    static let keys = 4
    /// Octets of a key that are passed on; libopendkim reads 1024.
    static let key = 1025
    /// The longest SPF record that libspf2 is given, and the octets of a record that are passed on.
    static let longestPolicy = 4096
    static let record = longestPolicy + 1
    /// Octets of all records of an answer for libspf2 together.
    static let answer = 8 << 10
    /// Octets of all answers in a packet; what has no room there is no answer.
    static let answers = packet - 1024
    /// Octets of a text; what is longer is cut.
    static let text = 512
    /// Octets of texts for patterns that go in the packet; more go as a file.
    static let patternTexts = 96 << 10
    /// Patterns of one image, and hits of one message.
    static let hits = 8000
}

/// What a worker can do.
enum JobKind: UInt8, Sendable, Hashable {
    /// Verify the DKIM signatures on a message.
    case signatures = 1
    /// Check a client against an SPF policy.
    case senderPolicy = 2
    /// Take the patterns that messages will be held against.
    case patternImage = 3
    /// Find which patterns match.
    case patterns = 4
    /// Look for viruses in a message.
    case scan = 5
}

/// What a worker is to do.
enum JobOrder: Sendable, Hashable {
    /// About the message whose descriptor comes with it; `most` signatures are looked at.
    case signatures(size: Int, most: Int)
    case senderPolicy(SenderPolicyQuestion)
    /// The image with that number, whose descriptor comes with it.
    case patternImage(number: UInt64, size: Int)
    /// The patterns of the image with that number.
    case patterns(image: UInt64, Texts)

    enum Texts: Sendable, Hashable {
        case here([UInt8])
        /// In the descriptor that comes with it.
        case file(size: Int)
    }
    /// Of the message whose descriptor comes with it.
    case scan(size: Int)

    var kind: JobKind {
        switch self {
        case .signatures: .signatures
        case .senderPolicy: .senderPolicy
        case .patternImage: .patternImage
        case .patterns: .patterns
        case .scan: .scan
        }
    }

    /// Questions to DNS that it may have in all.
    var mostQuestions: Int {
        switch self {
        case .signatures: PacketLimits.questions
        case .senderPolicy: PacketLimits.policyQuestions
        case .patternImage, .patterns, .scan: 0
        }
    }

    /// Whether it may ask that at a time: all keys at once, or one thing after the other.
    func allows(_ questions: [DNSQuestion]) -> Bool {
        switch self {
        case .signatures: !questions.isEmpty && questions.allSatisfy { $0.type == .txt }
        case .senderPolicy: questions.count == 1 && questions.allSatisfy { SenderPolicyCheck.types.contains($0.type) }
        case .patternImage, .patterns, .scan: false
        }
    }
}

/// What came out.
enum JobReport: Sendable, Hashable {
    case signatures([SignatureReport])
    case senderPolicy(SenderPolicyReport)
    /// The image with that number is there.
    case patternImage(number: UInt64)
    case patterns([PatternHit])
    /// The names of what was found.
    case scan([String])

    var kind: JobKind {
        switch self {
        case .signatures: .signatures
        case .senderPolicy: .senderPolicy
        case .patternImage: .patternImage
        case .patterns: .patterns
        case .scan: .scan
        }
    }
}

/// What the server sends to a worker; each request has one reply.
enum WorkerRequest: Sendable, Hashable {
    case begin(job: UInt32, JobOrder)
    /// What DNS said, in the order of the questions.
    case answers(job: UInt32, [LookUpAnswer])
    /// Nobody waits for this job any more.
    case drop(job: UInt32)

    var job: UInt32 {
        switch self {
        case .begin(let job, _), .answers(let job, _), .drop(let job): job
        }
    }
}

/// What a worker sends to the server.
enum WorkerReply: Sendable, Hashable {
    /// The sandbox is closed, and every part of it has worked once.
    case ready(version: UInt8)
    case ask(job: UInt32, [DNSQuestion])
    case done(job: UInt32, JobReport)
    case failed(job: UInt32, reason: String)

    /// Of this protocol; server and worker are the same program, so it differs only where something is very wrong.
    static let version: UInt8 = 3
}

/// What DNS said about a name, as far as a worker needs it.
enum LookUpAnswer: Sendable, Hashable {
    /// A text, a name or an address each.
    case records([[UInt8]])
    /// No such name, or no such record.
    case nothing
    /// No answer.
    case failed

    /// As much of an answer as a job of that kind has use for.
    init(_ answer: DNSAnswer, for kind: JobKind) {
        guard case .records(let records, _) = answer else {
            self = .nothing
            return
        }
        let passed: [[UInt8]] =
            switch kind {
            case .signatures: Self.keys(records)
            case .senderPolicy: Self.policyRecords(records)
            case .patternImage, .patterns, .scan: []
            }
        self = passed.isEmpty ? .nothing : .records(passed)
    }

    private static func keys(_ records: [DNSRecord]) -> [[UInt8]] {
        let texts = records.compactMap { record -> [UInt8]? in
            guard case .text(let octets) = record else { return nil }
            return Array(octets.prefix(PacketLimits.key))
        }
        return Array(texts.prefix(PacketLimits.keys))
    }

    /// Policies first, since many other texts may stand beside them.
    private static func policyRecords(_ records: [DNSRecord]) -> [[UInt8]] {
        let octets = records.compactMap { record -> [UInt8]? in
            switch record {
            case .address(let address): address.octets
            case .exchanger(_, let name), .name(let name): Array(name.utf8)
            case .text(let text): text
            case .tlsa: nil
            }
        }
        let policies = octets.filter { $0.prefix(6).equalsIgnoringCase("v=spf1") }
        let others = octets.filter { !$0.prefix(6).equalsIgnoringCase("v=spf1") }
        var room = PacketLimits.answer
        let passed = (policies + others).prefix(PacketLimits.records).map { Array($0.prefix(PacketLimits.record)) }
        return Array(
            passed.prefix { record in
                room -= record.count
                return room >= 0
            })
    }

    /// Octets of it in a packet, at least.
    var size: Int {
        guard case .records(let records) = self else { return 1 }
        return records.reduce(2) { $0 + $1.count + 2 }
    }
}

/// Not a packet of this protocol: its sender is not to be trusted any more.
struct MalformedPacket: Error, Hashable, CustomStringConvertible {
    let reason: String
    var description: String { reason }
}

// MARK: - Writing

extension WorkerRequest {
    var packet: [UInt8] {
        var writer = PacketWriter()
        switch self {
        case .begin(let job, let order):
            writer.put(UInt8(0x01))
            writer.put(job)
            writer.put(order)
        case .answers(let job, let answers):
            writer.put(UInt8(0x02))
            writer.put(job)
            var room = PacketLimits.answers
            writer.put(answers, most: PacketLimits.questions) { writer, answer in
                room -= answer.size
                writer.put(room >= 0 ? answer : .failed)
            }
        case .drop(let job):
            writer.put(UInt8(0x03))
            writer.put(job)
        }
        return writer.octets
    }
}

extension WorkerReply {
    var packet: [UInt8] {
        var writer = PacketWriter()
        switch self {
        case .ready(let version):
            writer.put(UInt8(0x80))
            writer.put(version)
        case .ask(let job, let questions):
            writer.put(UInt8(0x81))
            writer.put(job)
            writer.put(questions, most: PacketLimits.questions) { writer, question in
                writer.put(question.type.rawValue)
                writer.put(question.name)
            }
        case .done(let job, let report):
            writer.put(UInt8(0x82))
            writer.put(job)
            writer.put(report)
        case .failed(let job, let reason):
            writer.put(UInt8(0x83))
            writer.put(job)
            writer.put(reason)
        }
        return writer.octets
    }
}

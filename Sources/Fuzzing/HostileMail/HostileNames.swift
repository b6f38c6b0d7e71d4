import MailTypes
import Pipeline
import SluiceTesting
import Synchronization

/// DNS as an enemy's name server would have it.
enum Mood: String, CaseIterable, Sendable {
    /// What the zone says.
    case honest
    /// … after a while.
    case slow
    /// SERVFAIL, silence, and no such name.
    case dead, silent, empty
    /// 64 KiB of text, or a thousand records.
    case huge
    /// Records that end too early, or have other octets.
    case cut, flipped
    /// The right record among many others, or several of it.
    case crowded
    /// Any octets.
    case strange
    /// Records made of the words of records.
    case wordy
    /// An alias of itself, and of another that leads back.
    case looping
    /// Each question another one of these.
    case mixed

    /// Whether whoever asks hears nothing.
    var isMute: Bool { self == .dead || self == .silent || self == .looping }
}

/// Answers questions of the stages in a mood; signatures are verified by the pool of that mood.
struct HostileNames: ServiceSource {
    let mood: Mood
    let zone: MemoryZone
    let chance: Chance

    /// As long as a domain can be. RFC 1035 §2.3.4.
    static let longest = String(repeating: "a.", count: 122) + "example"

    func answer(_ question: Question) async throws(StageFailure) -> Answer {
        guard case .dns(let asked) = question else { return try await zone.answer(question) }
        return .dns(try await lookUp(asked))
    }

    @Sendable func lookUp(_ question: DNSQuestion) async throws(StageFailure) -> DNSAnswer {
        var random = chance.fork()
        let kinds = Mood.allCases.filter { $0 != .mixed }
        let mood = mood == .mixed ? kinds.randomElement(using: &random) ?? .honest : mood
        switch mood {
        case .honest, .mixed: return try await honest(question)
        case .slow:
            try? await Task.sleep(for: .microseconds(Int.random(in: 1...2000, using: &random)))
            return try await honest(question)
        case .dead: throw StageFailure("SERVFAIL")
        case .silent: throw StageFailure("no answer in time", timedOut: true)
        case .looping: return try await looping(question)
        case .empty: return Bool.random(using: &random) ? .noName : .noData
        case .huge: return Self.huge(question, &random)
        case .cut: return try await changed(question) { $0.prefix(Int.random(in: 0...$0.count, using: &random)) }
        case .flipped: return try await changed(question) { Mill.damaged(Array($0), &random)[...] }
        case .crowded: return try await crowded(question, &random)
        case .strange: return .records([.text(Mill.octets(0...300, &random))], isSecure: false)
        case .wordy: return .records([.text(Self.words(question, &random))], isSecure: false)
        }
    }

    private func honest(_ question: DNSQuestion) async throws(StageFailure) -> DNSAnswer {
        guard case .dns(let answer) = try await zone.answer(.dns(question)) else { throw StageFailure("no answer") }
        return answer
    }

    /// As the zone follows aliases: to the end of its patience.
    private func looping(_ question: DNSQuestion) async throws(StageFailure) -> DNSAnswer {
        var circle = MemoryZone()
        circle.alias(question.name, to: "a.circle.example")
        circle.alias("a.circle.example", to: question.name)
        guard case .dns(let answer) = try await circle.answer(.dns(question)) else { throw StageFailure("no answer") }
        return answer
    }

    private func changed(
        _ question: DNSQuestion, _ change: (ArraySlice<UInt8>) -> ArraySlice<UInt8>
    ) async throws(StageFailure) -> DNSAnswer {
        guard case .records(let records, let isSecure) = try await honest(question) else { return .noData }
        let others = records.map { record -> DNSRecord in
            guard case .text(let octets) = record else { return record }
            return .text(Array(change(octets[...])))
        }
        return .records(others, isSecure: isSecure)
    }

    private func crowded(
        _ question: DNSQuestion, _ random: inout SeededRandom
    ) async throws(StageFailure) -> DNSAnswer {
        var records: [DNSRecord] = []
        if case .records(let found, _) = try await honest(question) { records = found + found }
        for _ in 0..<Int.random(in: 1...100, using: &random) {
            records.insert(.text(Self.words(question, &random)), at: Int.random(in: 0...records.count, using: &random))
        }
        return .records(records, isSecure: false)
    }

    private static func huge(_ question: DNSQuestion, _ random: inout SeededRandom) -> DNSAnswer {
        switch question.type {
        case .txt:
            var text = words(question, &random)
            let unit = Mill.octets(1...40, &random).map { $0 % 0x5F + 0x20 }
            while text.count < 65_000 { text += unit }
            return .records([.text(text)], isSecure: false)
        case .mx:
            let hosts = (0..<1000).map { DNSRecord.exchanger(preference: $0, host: "\($0).\(question.name)") }
            return .records(hosts, isSecure: false)
        case .ptr: return .records((0..<1000).map { .name("\($0).out.example") }, isSecure: false)
        default: return .records((0..<1000).map { _ in .address("198.51.100.1") }, isSecure: false)
        }
    }

    private static let vocabulary: [String: [String]] = [
        "spf": [
            "include:%{d}", "include:loop.example", "a", "mx", "ptr", "a:%{l}.%{d99r}",
            "exists:%{ir}.%{v}.%{s}.x.example",
            "redirect=%{d}", "exp=%{d}", "ip4:192.0.2.0/24", "ip6:::/0", "-all", "~all", "?all", "mx/24//64", "%",
            "x=%{h}", "-", "_", "{d}", "%{d}%{d}%{d}%{d}%{d}%{d}%{d}%{d}", "exp=\u{1}.%{d}", "redirect=\u{1}.%{d}",
            String(repeating: "A", count: 100),
        ],
        "dmarc": [
            "p=reject;", "p=none;", "p=quarantine;", "sp=none;", "np=reject;", "pct=50;", "pct=-1;", "adkim=s;",
            "aspf=r;",
            "rua=mailto:a@out.example!10m;", "fo=1:d:s;", ";", "p;", "=",
        ],
        "key": [
            "v=DKIM1;", "k=rsa;", "k=ed25519;", "p=", "AAAA", "t=y:s;", "t=y;", "h=sha256;", "h=sha1;", "s=*;", "n=a;",
            ";",
        ],
    ]

    private static func words(_ question: DNSQuestion, _ random: inout SeededRandom) -> [UInt8] {
        let kind = question.name.hasPrefix("_dmarc") ? "dmarc" : question.name.contains("_domainkey") ? "key" : "spf"
        let beginning = ["spf": "v=spf1 ", "dmarc": "v=DMARC1; ", "key": ""][kind] ?? ""
        // An explanation begins with anything.
        let isExplanation = kind == "spf" && Int.random(in: 0..<3, using: &random) == 0
        let words = (0..<Int.random(in: 0...60, using: &random)).compactMap { _ in
            vocabulary[kind]?.randomElement(using: &random)
        }
        return Array(((isExplanation ? "" : beginning) + words.joined(separator: " ")).utf8)
    }
}

/// Chance for many at once: each takes a generator of his own from it.
final class Chance: Sendable {
    private let random: Mutex<SeededRandom>

    init(_ seed: UInt64) { random = Mutex(SeededRandom(seed)) }

    func fork() -> SeededRandom { SeededRandom(random.withLock { $0.next() }) }
}

public import struct Foundation.Date
import MailTypes
public import Pipeline

/// Names of a test's own, asked like a caching resolver: CNAMEs are followed, what is not there does not exist,
/// and names that never answer fail.
public struct MemoryZone: ServiceSource {
    private var records: [DNSQuestion: [DNSRecord]] = [:]
    private var aliases: [String: String] = [:]
    private var names: Set<String> = []
    private var silent: Set<String> = []
    /// What the clock says.
    public var time = Date(timeIntervalSince1970: 1_700_000_000)

    /// Chains of aliases end here, as they do in resolvers.
    private static let longestChain = 8

    public init() {}

    /// Makes a name exist.
    public mutating func add(_ name: String) { names.insert(name.asciiLowercased) }

    public mutating func add(_ name: String, _ type: DNSQuestion.RecordType, _ record: DNSRecord) {
        add(name)
        records[DNSQuestion(name, type), default: []].append(record)
    }

    public mutating func add(_ name: String, text: String) { add(name, .txt, .text(Array(text.utf8))) }

    public mutating func alias(_ name: String, to target: String) {
        add(name)
        aliases[name.asciiLowercased] = target.asciiLowercased
    }

    /// Questions about this name for which there is no record find no answer.
    public mutating func silence(_ name: String) {
        add(name)
        silent.insert(name.asciiLowercased)
    }

    public func answer(_ question: Question) async throws(StageFailure) -> Answer {
        switch question {
        case .time: return .time(time)
        case .dns(let question): return .dns(try lookUp(question))
        case .publicSuffix(let domain): return .publicSuffix(MemorySuffixes.suffix(of: domain))
        case .asciiDomain(let domain): return .asciiDomain(MemorySuffixes.ascii(domain))
        // Who asks has a file of keys, if any.
        case .directory(.signing): return .directory(.signing(nil))
        case .directory(.splitDomain): return .directory(.splitDomain(nil))
        case .directory(.thresholds): return .directory(.thresholds(nil))
        case .directory(.listScopes): return .directory(.listScopes([]))
        case .directory(.authorLists): return .directory(.authorLists([]))
        default: throw StageFailure("only names, their suffixes and the time are known here")
        }
    }

    private func lookUp(_ question: DNSQuestion) throws(StageFailure) -> DNSAnswer {
        var name = question.name
        guard Self.isAskable(name) else { return .noName }
        for _ in 0..<Self.longestChain {
            if let found = records[DNSQuestion(name, question.type)] { return .records(found, isSecure: false) }
            if silent.contains(name) { throw StageFailure("no answer in time", timedOut: true) }
            guard let target = aliases[name], question.type != .cname else {
                return names.contains(name) || names.contains { $0.hasSuffix(".\(name)") } ? .noData : .noName
            }
            name = target
        }
        throw StageFailure("SERVFAIL: a chain of aliases without end")
    }

    /// As the resolver has it: no other name has a record anywhere. RFC 1035 §2.3.4.
    private static func isAskable(_ name: String) -> Bool {
        name.utf8.count <= 253
            && name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
                .allSatisfy { (1...63).contains($0.count) }
    }
}

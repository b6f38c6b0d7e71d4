import MailTypes
import Pipeline
import Scoring

/// Reads one packet, to its end.
///
/// Total: whatever stands there, it answers or throws, and reads nothing outside. The server reads with it what a
/// worker says that a stranger's octets may have taken over.
struct PacketReader {
    private let octets: [UInt8]
    private var place = 0

    init(_ octets: [UInt8]) { self.octets = octets }

    static func isPlain(_ octet: UInt8) -> Bool { (0x20...0x7E).contains(octet) }

    // MARK: Packets

    static func request(_ octets: [UInt8]) throws(MalformedPacket) -> WorkerRequest {
        var reader = PacketReader(octets)
        let kind = try reader.octet()
        let job = try reader.integer(UInt32.self)
        let request: WorkerRequest
        switch kind {
        case 0x01:
            request = .begin(job: job, try reader.order())
        case 0x02:
            request = .answers(
                job: job,
                try reader.list { (reader: inout PacketReader) throws(MalformedPacket) in try reader.answer() })
        case 0x03: request = .drop(job: job)
        default: throw MalformedPacket(reason: "unknown request \(kind)")
        }
        try reader.end()
        return request
    }

    static func reply(_ octets: [UInt8]) throws(MalformedPacket) -> WorkerReply {
        var reader = PacketReader(octets)
        let kind = try reader.octet()
        if kind == 0x80 {
            let version = try reader.octet()
            try reader.end()
            return .ready(version: version)
        }
        let job = try reader.integer(UInt32.self)
        let reply: WorkerReply
        switch kind {
        case 0x81:
            reply = .ask(
                job: job,
                try reader.list { (reader: inout PacketReader) throws(MalformedPacket) in try reader.question() })
        case 0x82:
            reply = .done(job: job, try reader.jobReport())
        case 0x83: reply = .failed(job: job, reason: try reader.text())
        default: throw MalformedPacket(reason: "unknown reply \(kind)")
        }
        try reader.end()
        return reply
    }

    // MARK: Parts

    mutating func octet() throws(MalformedPacket) -> UInt8 { try integer(UInt8.self) }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type
    ) throws(MalformedPacket) -> Value {
        try take(Value.bitWidth / 8).reduce(0) { value, octet in value << 8 | Value(octet) }
    }

    private mutating func take(_ count: Int) throws(MalformedPacket) -> ArraySlice<UInt8> {
        guard count <= octets.count - place else { throw MalformedPacket(reason: "it ends too early") }
        defer { place += count }
        return octets[place..<place + count]
    }

    /// A number of octets: as large as memory can be, no more.
    private mutating func size() throws(MalformedPacket) -> Int {
        guard let size = Int(exactly: try integer(UInt64.self)) else {
            throw MalformedPacket(reason: "a size beyond measure")
        }
        return size
    }

    mutating func text() throws(MalformedPacket) -> String {
        let count = Int(try integer(UInt16.self))
        guard count <= PacketLimits.text else { throw MalformedPacket(reason: "a text of \(count) octets") }
        let part = try take(count)
        guard part.allSatisfy(Self.isPlain) else { throw MalformedPacket(reason: "a text with control characters") }
        return String(decoding: part, as: UTF8.self)
    }

    private mutating func list<Element>(
        most: Int = PacketLimits.questions,
        _ element: (inout PacketReader) throws(MalformedPacket) -> Element
    ) throws(MalformedPacket) -> [Element] {
        let count = Int(try octet())
        guard count <= most else { throw MalformedPacket(reason: "a list of \(count)") }
        var elements: [Element] = []
        for _ in 0..<count { elements.append(try element(&self)) }
        return elements
    }

    private mutating func kind() throws(MalformedPacket) -> JobKind {
        guard let kind = JobKind(rawValue: try octet()) else { throw MalformedPacket(reason: "an unknown kind of job") }
        return kind
    }

    private mutating func order() throws(MalformedPacket) -> JobOrder {
        switch try kind() {
        case .signatures: return .signatures(size: try size(), most: Int(try octet()))
        case .scan: return .scan(size: try size())
        case .senderPolicy:
            let octets = try octets(most: 16)
            guard let client = IPAddress(octets: octets), client.octets.count == octets.count else {
                throw MalformedPacket(reason: "an address of \(octets.count) octets")
            }
            let (hello, sender) = (try foreign(), (try foreign(), try foreign()))
            return .senderPolicy(
                SenderPolicyQuestion(
                    client: client, hello: hello, sender: sender, receiver: try foreign(),
                    maxLookups: Int(try octet()), maxVoidLookups: Int(try octet())))
        case .patternImage: return .patternImage(number: try integer(UInt64.self), size: try size())
        case .patterns: return .patterns(image: try integer(UInt64.self), try texts())
        }
    }

    private mutating func texts() throws(MalformedPacket) -> JobOrder.Texts {
        if try flag() { return .file(size: try size()) }
        let count = Int(try integer(UInt32.self))
        guard count <= PacketLimits.patternTexts else { throw MalformedPacket(reason: "texts of \(count) octets") }
        return .here(Array(try take(count)))
    }

    private mutating func hits() throws(MalformedPacket) -> [PatternHit] {
        let count = Int(try integer(UInt16.self))
        guard count <= PacketLimits.hits else { throw MalformedPacket(reason: "\(count) hits") }
        var hits: [PatternHit] = []
        for _ in 0..<count {
            let (pattern, times) = (Int(try integer(UInt16.self)), Int(try integer(UInt16.self)))
            let text = Int(try integer(UInt16.self))
            let (start, end) = (Int(try integer(UInt32.self)), Int(try integer(UInt32.self)))
            guard start <= end else { throw MalformedPacket(reason: "a match that ends before it begins") }
            hits.append(PatternHit(pattern: pattern, count: times, text: text, range: start..<end))
        }
        return hits
    }

    private mutating func foreign() throws(MalformedPacket) -> String {
        let octets = try octets(most: PacketLimits.text)
        guard !octets.contains(0), let text = String(validating: octets, as: UTF8.self) else {
            throw MalformedPacket(reason: "a text that is none")
        }
        return text
    }

    private mutating func octets(most: Int) throws(MalformedPacket) -> [UInt8] {
        let count = Int(try integer(UInt16.self))
        guard count <= most else { throw MalformedPacket(reason: "\(count) octets where \(most) may be") }
        return Array(try take(count))
    }

    private mutating func question() throws(MalformedPacket) -> DNSQuestion {
        let type = try integer(UInt16.self)
        guard let known = DNSQuestion.RecordType(rawValue: type), SenderPolicyCheck.types.contains(known) else {
            throw MalformedPacket(reason: "a question of type \(type)")
        }
        return DNSQuestion(try text(), known)
    }

    private mutating func answer() throws(MalformedPacket) -> LookUpAnswer {
        switch try octet() {
        case 0:
            let records = try list(most: PacketLimits.records) { (reader: inout PacketReader) throws(MalformedPacket) in
                try reader.octets(most: PacketLimits.record)
            }
            return .records(records)
        case 1: return .nothing
        case 2: return .failed
        case let outcome: throw MalformedPacket(reason: "unknown outcome \(outcome)")
        }
    }

    private mutating func jobReport() throws(MalformedPacket) -> JobReport {
        switch try kind() {
        case .signatures:
            return .signatures(
                try list(most: PacketLimits.reports) { (reader: inout PacketReader) throws(MalformedPacket) in
                    try reader.report()
                })
        case .scan:
            return .scan(
                try list(most: ScanReport.mostFindings) { (reader: inout PacketReader) throws(MalformedPacket) in
                    try reader.text()
                })
        case .senderPolicy:
            let word = try text()
            // The one that RFC 7208 does not know.
            guard let result = AuthenticationResults.Result(rawValue: word), result != .policy else {
                throw MalformedPacket(reason: "unknown result")
            }
            let (reason, explanation) = (try text(), try text())
            return .senderPolicy(
                SenderPolicyReport(
                    result, reason: reason.isEmpty ? nil : reason,
                    explanation: explanation.isEmpty ? nil : explanation))
        case .patternImage: return .patternImage(number: try integer(UInt64.self))
        case .patterns: return .patterns(try hits())
        }
    }

    private mutating func report() throws(MalformedPacket) -> SignatureReport {
        var report = SignatureReport()
        report.domain = try text()
        report.selector = try text()
        report.algorithm = try text()
        report.identity = try text()
        report.signature = try text()
        report.keyBits = Int(try integer(UInt32.self))
        if try flag() { report.bodyLength = .init(signed: try size(), whole: try size()) }
        report.uncoveredFroms = Int(try integer(UInt16.self))
        report.isTest = try flag()
        let fault = try text()
        if !fault.isEmpty {
            guard let fault = SignatureReport.Fault(rawValue: fault) else {
                throw MalformedPacket(reason: "unknown fault")
            }
            report.fault = fault
        }
        let reason = try text()
        report.reason = reason.isEmpty ? nil : reason
        return report
    }

    private mutating func flag() throws(MalformedPacket) -> Bool {
        switch try octet() {
        case 0: return false
        case 1: return true
        case let flag: throw MalformedPacket(reason: "a flag of \(flag)")
        }
    }

    func end() throws(MalformedPacket) {
        guard place == octets.count else {
            throw MalformedPacket(reason: "\(octets.count - place) octets too many")
        }
    }
}

/// The reader's entry for fuzz programs: what it takes is written again as the same octets.
public enum JobProtocolFuzzing {
    public static func packet(_ octets: [UInt8]) {
        if let request = try? PacketReader.request(octets) { precondition(request.packet == octets) }
        if let reply = try? PacketReader.reply(octets) {
            // Names are asked in lower case.
            precondition((try? PacketReader.reply(reply.packet)) == reply)
        }
    }
}

import MailTypes
import Pipeline

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
            guard let kind = JobKind(rawValue: try reader.octet()) else {
                throw MalformedPacket(reason: "an unknown kind of job")
            }
            request = .begin(job: job, kind, size: try reader.size(), most: Int(try reader.octet()))
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
            let reports = try reader.list(most: PacketLimits.reports) {
                (reader: inout PacketReader) throws(MalformedPacket) in try reader.report()
            }
            reply = .done(job: job, reports)
        case 0x83: reply = .failed(job: job, reason: try reader.text())
        default: throw MalformedPacket(reason: "unknown reply \(kind)")
        }
        try reader.end()
        return reply
    }

    // MARK: Parts

    private mutating func octet() throws(MalformedPacket) -> UInt8 { try integer(UInt8.self) }

    private mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
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

    private mutating func text() throws(MalformedPacket) -> String {
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

    private mutating func question() throws(MalformedPacket) -> DNSQuestion {
        let type = try integer(UInt16.self)
        // Keys are all that a job asks for.
        guard type == DNSQuestion.RecordType.txt.rawValue else {
            throw MalformedPacket(reason: "a question of type \(type)")
        }
        return DNSQuestion(try text(), .txt)
    }

    private mutating func answer() throws(MalformedPacket) -> LookUpAnswer {
        switch try octet() {
        case 0:
            let records = try list(most: PacketLimits.records) { (reader: inout PacketReader) throws(MalformedPacket) in
                try reader.record()
            }
            return .records(records)
        case 1: return .nothing
        case 2: return .failed
        case let outcome: throw MalformedPacket(reason: "unknown outcome \(outcome)")
        }
    }

    private mutating func record() throws(MalformedPacket) -> [UInt8] {
        let count = Int(try integer(UInt16.self))
        guard count <= PacketLimits.record else { throw MalformedPacket(reason: "a record of \(count) octets") }
        return Array(try take(count))
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

    private func end() throws(MalformedPacket) {
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

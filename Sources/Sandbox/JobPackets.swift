import MailTypes
import Pipeline

/// How large and how many things in a packet may be. docs/sandbox.md has the grammar.
enum PacketLimits {
    /// Octets of a packet; both ends have a buffer of that size.
    static let packet = 128 << 10
    /// Names that one job may ask for, so also the signatures that are looked at.
    static let questions = 30
    /// One for each signature that is looked at, and one for all that are not.
    static let reports = questions + 1
    /// Records of one answer that are passed on.
    static let records = 4
    /// Octets of a record that are passed on; libopendkim reads 1024.
    static let record = 1025
    /// Octets of a text; what is longer is cut.
    static let text = 512
}

/// What a worker can do.
enum JobKind: UInt8, Sendable, Hashable {
    /// Verify the DKIM signatures on a message.
    case signatures = 1
}

/// What the server sends to a worker; each request has one reply.
enum WorkerRequest: Sendable, Hashable {
    /// A job about the message whose descriptor comes with this; `most` signatures are looked at.
    case begin(job: UInt32, JobKind, size: Int, most: Int)
    /// What DNS said, in the order of the questions.
    case answers(job: UInt32, [LookUpAnswer])
    /// Nobody waits for this job any more.
    case drop(job: UInt32)

    var job: UInt32 {
        switch self {
        case .begin(let job, _, _, _), .answers(let job, _), .drop(let job): job
        }
    }
}

/// What a worker sends to the server.
enum WorkerReply: Sendable, Hashable {
    /// The sandbox is closed, and every part of it has worked once.
    case ready(version: UInt8)
    case ask(job: UInt32, [DNSQuestion])
    case done(job: UInt32, [SignatureReport])
    case failed(job: UInt32, reason: String)

    /// Of this protocol; server and worker are the same program, so it differs only where something is very wrong.
    static let version: UInt8 = 1
}

/// What DNS said about a name, as far as a worker needs it.
enum LookUpAnswer: Sendable, Hashable {
    /// The texts of TXT records, cut at ``PacketLimits/record``.
    case records([[UInt8]])
    /// No such name, or no such record.
    case nothing
    /// No answer.
    case failed

    init(_ answer: DNSAnswer) {
        guard case .records(let records, _) = answer else {
            self = .nothing
            return
        }
        let texts = records.compactMap { record -> [UInt8]? in
            guard case .text(let octets) = record else { return nil }
            return Array(octets.prefix(PacketLimits.record))
        }
        self = texts.isEmpty ? .nothing : .records(Array(texts.prefix(PacketLimits.records)))
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
        case .begin(let job, let kind, let size, let most):
            writer.put(UInt8(0x01))
            writer.put(job)
            writer.put(kind.rawValue)
            writer.put(UInt64(clamping: size))
            writer.put(UInt8(clamping: most))
        case .answers(let job, let answers):
            writer.put(UInt8(0x02))
            writer.put(job)
            writer.put(answers, most: PacketLimits.questions) { $0.put($1) }
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
        case .done(let job, let reports):
            writer.put(UInt8(0x82))
            writer.put(job)
            writer.put(reports, most: PacketLimits.reports) { $0.put($1) }
        case .failed(let job, let reason):
            writer.put(UInt8(0x83))
            writer.put(job)
            writer.put(reason)
        }
        return writer.octets
    }
}

/// Integers are big-endian.
private struct PacketWriter {
    private(set) var octets: [UInt8] = []

    mutating func put(_ value: some FixedWidthInteger & UnsignedInteger) {
        withUnsafeBytes(of: value.bigEndian) { octets += $0 }
    }

    mutating func put(_ octets: [UInt8], most: Int) {
        let part = octets.prefix(most)
        put(UInt16(clamping: part.count))
        self.octets += part
    }

    /// Visible ASCII and spaces; anything else becomes `?`, so that the reader need not doubt.
    mutating func put(_ text: String) {
        put(text.utf8.map { PacketReader.isPlain($0) ? $0 : UInt8(ascii: "?") }, most: PacketLimits.text)
    }

    mutating func put<Element>(
        _ elements: [Element], most: Int, _ each: (inout PacketWriter, Element) -> Void
    ) {
        let part = elements.prefix(most)
        put(UInt8(clamping: part.count))
        for element in part { each(&self, element) }
    }

    mutating func put(_ answer: LookUpAnswer) {
        switch answer {
        case .records(let records):
            put(UInt8(0))
            put(records, most: PacketLimits.records) { $0.put($1, most: PacketLimits.record) }
        case .nothing: put(UInt8(1))
        case .failed: put(UInt8(2))
        }
    }

    mutating func put(_ report: SignatureReport) {
        for text in [report.domain, report.selector, report.algorithm, report.identity, report.signature] { put(text) }
        put(UInt32(clamping: report.keyBits))
        put(UInt8(report.bodyLength == nil ? 0 : 1))
        if let length = report.bodyLength {
            put(UInt64(clamping: length.signed))
            put(UInt64(clamping: length.whole))
        }
        put(UInt16(clamping: report.uncoveredFroms))
        put(UInt8(report.isTest ? 1 : 0))
        put(report.fault?.rawValue ?? "")
        put(report.reason ?? "")
    }
}

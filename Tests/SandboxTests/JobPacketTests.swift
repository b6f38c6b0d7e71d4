import MailTypes
import Pipeline
import Testing

@testable import Sandbox

@Suite struct JobPacketTests {
    static let report: SignatureReport = {
        var report = SignatureReport()
        report.domain = "signer.example"
        report.selector = "s"
        report.algorithm = "rsa-sha256"
        report.identity = "@signer.example"
        report.signature = "abcdefgh"
        report.keyBits = 2048
        report.bodyLength = .init(signed: 3, whole: 5)
        report.uncoveredFroms = 1
        report.isTest = true
        report.fault = .body
        report.reason = "why"
        return report
    }()

    static let requests: [WorkerRequest] = [
        .begin(job: 1, .signatures, size: 0, most: 1), .begin(job: .max, .signatures, size: .max, most: 255),
        .drop(job: 7),
        .answers(job: 2, []), .answers(job: 3, [.nothing, .failed, .records([]), .records([[1, 2], []])]),
    ]

    static let replies: [WorkerReply] = [
        .ready(version: 1), .ask(job: 1, []), .ask(job: 2, [DNSQuestion("s._domainkey.a.example", .txt)]),
        .done(job: 3, []), .done(job: 4, [report, SignatureReport()]), .failed(job: 5, reason: "no"),
    ]

    @Test(arguments: requests)
    func `a request is read as it was written`(_ request: WorkerRequest) throws {
        #expect(try PacketReader.request(request.packet) == request)
    }

    @Test(arguments: replies)
    func `a reply is read as it was written`(_ reply: WorkerReply) throws {
        #expect(try PacketReader.reply(reply.packet) == reply)
    }

    @Test func `no packet is read that is cut, has something behind it, or is the other side's`() {
        for packet in Self.requests.map(\.packet) {
            for count in packet.indices {
                #expect(throws: MalformedPacket.self) { try PacketReader.request(Array(packet[..<count])) }
            }
            #expect(throws: MalformedPacket.self) { try PacketReader.request(packet + [0]) }
            #expect(throws: MalformedPacket.self) { try PacketReader.reply(packet) }
        }
        for packet in Self.replies.map(\.packet) {
            for count in packet.indices {
                #expect(throws: MalformedPacket.self) { try PacketReader.reply(Array(packet[..<count])) }
            }
            #expect(throws: MalformedPacket.self) { try PacketReader.reply(packet + [0]) }
            #expect(throws: MalformedPacket.self) { try PacketReader.request(packet) }
        }
    }

    @Test func `every octet may be another one`() {
        for packet in Self.replies.map(\.packet) {
            for place in packet.indices {
                for octet: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
                    var damaged = packet
                    damaged[place] = octet
                    JobProtocolFuzzing.packet(damaged)
                }
            }
        }
    }

    @Test func `a text has no control characters, on either side`() throws {
        #expect(
            try PacketReader.reply(WorkerReply.failed(job: 1, reason: "a\r\nb\u{e9}").packet)
                == .failed(job: 1, reason: "a??b??"))
        #expect(throws: MalformedPacket.self) { try PacketReader.reply([0x83, 0, 0, 0, 1, 0, 1, 0x0A]) }
    }

    @Test func `the longest packets fit into the buffer`() {
        let record = [UInt8](repeating: 1, count: PacketLimits.record * 2)
        let answer = LookUpAnswer.records(Array(repeating: record, count: 9))
        let answers = WorkerRequest.answers(job: 1, Array(repeating: answer, count: 99))
        #expect(answers.packet.count <= PacketLimits.packet)
        let text = String(repeating: "x", count: 2000)
        var long = Self.report
        (long.domain, long.selector, long.algorithm, long.identity) = (text, text, text, text)
        (long.signature, long.reason) = (text, text)
        #expect(WorkerReply.done(job: 1, Array(repeating: long, count: 99)).packet.count <= PacketLimits.packet)
    }

    @Test func `of DNS, as much is passed on as a worker can use`() {
        let long = DNSRecord.text([UInt8](repeating: 1, count: 5000))
        #expect(LookUpAnswer(.noName) == .nothing && LookUpAnswer(.noData) == .nothing)
        #expect(LookUpAnswer(.records([.name("x")], isSecure: false)) == .nothing)
        guard case .records(let records) = LookUpAnswer(.records(Array(repeating: long, count: 9), isSecure: true))
        else {
            Issue.record("no records")
            return
        }
        #expect(records.map(\.count) == Array(repeating: PacketLimits.record, count: PacketLimits.records))
    }
}

import MailTypes
import Pipeline
import Scoring
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
        .begin(job: 1, .signatures(size: 0, most: 1)), .begin(job: .max, .signatures(size: .max, most: 255)),
        .begin(job: 9, .senderPolicy(policy)), .drop(job: 7),
        .begin(job: 0, .patternImage(number: .max, size: 12)),
        .begin(job: 4, .patterns(image: 7, .here([0, 0, 0, 0, 0, 1, 65]))),
        .begin(job: 4, .patterns(image: 7, .file(size: 200_000))),
        .begin(job: 8, .scan(size: 1 << 40)),
        .answers(job: 2, []), .answers(job: 3, [.nothing, .failed, .records([]), .records([[1, 2], []])]),
    ]

    static let policy = SenderPolicyQuestion(
        client: "2001:db8::1", hello: "mx\u{1}.b.example", sender: ("\u{e9}", "b.example"), receiver: "mx",
        maxLookups: 255)

    static let replies: [WorkerReply] = [
        .ready(version: 2), .ask(job: 1, []), .ask(job: 2, [DNSQuestion("s._domainkey.a.example", .txt)]),
        .ask(job: 2, [DNSQuestion("a.example", .a), DNSQuestion("a.example", .mx)]),
        .done(job: 3, .signatures([])), .done(job: 4, .signatures([report, SignatureReport()])),
        .done(job: 6, .senderPolicy(SenderPolicyReport(.fail, reason: "mechanism", explanation: "go away"))),
        .done(job: 7, .senderPolicy(SenderPolicyReport(.none))), .failed(job: 5, reason: "no"),
        .done(job: 8, .patternImage(number: 3)), .done(job: 8, .patterns([])),
        .done(job: 8, .patterns([PatternHit(pattern: 7, count: 2, text: 1, range: 3..<9)])),
        .done(job: 8, .scan([])), .done(job: 8, .scan(["Some.Virus", "Heuristics.Encrypted.Zip"])),
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

    @Test func `what strangers have said ends where a library of C would end it, and is no longer than it may be`()
        throws
    {
        let long = String(repeating: "\u{e9}", count: 400)
        var question = Self.policy
        (question.hello, question.localPart) = ("a\0b", "x" + long)
        guard
            case .begin(1, .senderPolicy(let read)) = try PacketReader.request(
                WorkerRequest.begin(job: 1, .senderPolicy(question)).packet)
        else {
            Issue.record("another order")
            return
        }
        #expect(read.hello == "a?b")
        #expect(read.localPart == "x" + long.prefix(255) && read.localPart.utf8.count < PacketLimits.text)
        for wrong in ["a\0b".utf8.map(\.self), [0xC3], [0x80]] {
            let packet = WorkerRequest.begin(job: 1, .senderPolicy(Self.policy)).packet
            // Behind job, kind and the client's address: the name.
            let place = 6 + 18
            let damaged = packet[..<place] + [0, UInt8(wrong.count)] + wrong + packet[(place + 2 + 13)...]
            #expect(throws: MalformedPacket.self) { try PacketReader.request(Array(damaged)) }
        }
    }

    @Test func `no result is believed that RFC 7208 does not know, and no address that is none`() throws {
        let report = WorkerReply.done(job: 1, .senderPolicy(SenderPolicyReport(.policy))).packet
        #expect(throws: MalformedPacket.self) { try PacketReader.reply(report) }
        for count in [0, 5, 15, 17] {
            let packet = [1, 0, 0, 0, 1, 2, 0, UInt8(count)] + [UInt8](repeating: 7, count: count + 10)
            #expect(throws: MalformedPacket.self) { try PacketReader.request(packet) }
        }
    }

    @Test func `the longest packets fit into the buffer`() throws {
        let record = [UInt8](repeating: 1, count: PacketLimits.record * 2)
        let answer = LookUpAnswer.records(Array(repeating: record, count: 9))
        let answers = WorkerRequest.answers(job: 1, Array(repeating: answer, count: 99))
        #expect(answers.packet.count <= PacketLimits.packet)
        let text = String(repeating: "x", count: 2000)
        var long = Self.report
        (long.domain, long.selector, long.algorithm, long.identity) = (text, text, text, text)
        (long.signature, long.reason) = (text, text)
        let reports = JobReport.signatures(Array(repeating: long, count: 99))
        #expect(WorkerReply.done(job: 1, reports).packet.count <= PacketLimits.packet)
        // What has no room was not answered.
        guard case .answers(1, let read) = try PacketReader.request(answers.packet) else {
            Issue.record("other answers")
            return
        }
        #expect(read.count == PacketLimits.questions && read.last == .failed && read.first != .failed)
        // All that a job may ask for has.
        let key = LookUpAnswer.records(
            Array(repeating: Array(record.prefix(PacketLimits.key)), count: PacketLimits.keys))
        let keys = WorkerRequest.answers(job: 1, Array(repeating: key, count: PacketLimits.questions)).packet
        #expect(keys.count <= PacketLimits.packet)
        #expect(
            try PacketReader.request(keys) == .answers(job: 1, Array(repeating: key, count: PacketLimits.questions)))
    }

    @Test func `of DNS, as much is passed on as a worker can use`() {
        let long = DNSRecord.text([UInt8](repeating: 1, count: 5000))
        func passed(_ records: [DNSRecord], _ kind: JobKind) -> [[UInt8]] {
            guard case .records(let records) = LookUpAnswer(.records(records, isSecure: true), for: kind) else {
                return []
            }
            return records
        }
        for kind in [JobKind.signatures, .senderPolicy] {
            #expect(LookUpAnswer(.noName, for: kind) == .nothing && LookUpAnswer(.noData, for: kind) == .nothing)
        }
        #expect(LookUpAnswer(.records([.name("x")], isSecure: false), for: .signatures) == .nothing)
        let keys = passed(Array(repeating: long, count: 9), .signatures)
        #expect(keys.map(\.count) == Array(repeating: PacketLimits.key, count: PacketLimits.keys))
        // A policy comes first and whole, or is seen to be too long; what has no room beside it is left out.
        let policy = Array("V=SPF1 -all".utf8)
        #expect(
            passed([long, .text(policy), long], .senderPolicy).map(\.count) == [policy.count, PacketLimits.record])
        #expect(
            passed([.address("192.0.2.1"), .exchanger(preference: 1, host: "a"), .name("b")], .senderPolicy)
                == [[192, 0, 2, 1], [97], [98]])
        #expect(
            passed(Array(repeating: .address("192.0.2.1"), count: 300), .senderPolicy).count == PacketLimits.records)
    }

    @Test func `an order asks for what it needs, and nothing else`() {
        let (text, address) = (DNSQuestion("a.example", .txt), DNSQuestion("a.example", .a))
        let (signatures, policy) = (JobOrder.signatures(size: 1, most: 1), JobOrder.senderPolicy(Self.policy))
        #expect(signatures.allows([text, text]) && !signatures.allows([text, address]) && !signatures.allows([]))
        #expect(policy.allows([address]) && policy.allows([text]))
        #expect(
            !policy.allows([text, text]) && !policy.allows([]) && !policy.allows([DNSQuestion("a.example", .tlsa)]))
    }
}

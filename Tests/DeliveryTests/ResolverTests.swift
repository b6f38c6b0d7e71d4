import Adapters
import Foundation
import MailTypes
import NIOCore
import NIOPosix
import Pipeline
import Synchronization
import Testing

/// The resolver against a name server on loopback.
@Suite struct ResolverTests {
    static func resolver(_ server: FakeNameServer, timeout: Interval = "5s") throws -> UnboundResolver {
        var options = UnboundResolver.Options()
        options.servers = [.init("127.0.0.1", port: server.port)]
        options.timeout = timeout
        return try UnboundResolver(options)
    }

    @Test func `records are read, whatever their type`() async throws {
        let server = try await FakeNameServer.start([
            "mx.test/1": [[192, 0, 2, 1]],
            "mx.test/28": [[0x20, 1, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1]],
            "here.test/15": [[0, 10] + FakeNameServer.name("mx.test"), [0, 0, 0]],
            "here.test/16": [[3] + Array("abc".utf8) + [2] + Array("de".utf8)],
            "1.2.0.192.in-addr.arpa/12": [FakeNameServer.name("mx.test")],
            "tlsa.test/52": [[3, 1, 1, 9, 9]],
        ])
        let resolver = try Self.resolver(server)
        func records(_ name: String, _ type: DNSQuestion.RecordType) async throws -> Set<DNSRecord> {
            guard case .records(let records, let isSecure) = try await resolver.answer(DNSQuestion(name, type)) else {
                return []
            }
            #expect(!isSecure)
            return Set(records)
        }
        #expect(try await records("MX.test", .a) == [.address("192.0.2.1")])
        #expect(try await records("mx.test", .aaaa) == [.address("2001:db8::1")])
        #expect(
            try await records("here.test", .mx) == [
                .exchanger(preference: 10, host: "mx.test"), .exchanger(preference: 0, host: ""),
            ])
        #expect(try await records("here.test", .txt) == [.text(Array("abcde".utf8))])
        #expect(try await records("1.2.0.192.in-addr.arpa", .ptr) == [.name("mx.test")])
        #expect(try await records("tlsa.test", .tlsa) == [.tlsa(usage: 3, selector: 1, matching: 1, data: [9, 9])])
        resolver.stop()
    }

    @Test func `what DNS has said is known from then on`() async throws {
        let server = try await FakeNameServer.start(["mx.test/1": [[192, 0, 2, 1]]])
        let resolver = try Self.resolver(server)
        #expect(resolver.known(DNSQuestion("mx.test", .a)) == nil)
        let answer = try await resolver.answer(DNSQuestion("mx.test", .a))
        #expect(resolver.known(DNSQuestion("MX.test", .a)) == answer)
        #expect(resolver.known(DNSQuestion("a..b", .a)) == .noName)
        resolver.stop()
    }

    @Test func `no name and no data are told apart`() async throws {
        let server = try await FakeNameServer.start(["mx.test/1": [[192, 0, 2, 1]]])
        let resolver = try Self.resolver(server)
        #expect(try await resolver.answer(DNSQuestion("mx.test", .mx)) == .noData)
        #expect(try await resolver.answer(DNSQuestion("none.test", .mx)) == .noName)
        for name in [
            "", "a..b", String(repeating: "a", count: 64) + ".test", "a b.test", String(repeating: "a.", count: 130),
        ] {
            #expect(try await resolver.answer(DNSQuestion(name, .a)) == .noName)
        }
        resolver.stop()
    }

    /// THREATS R158.
    @Test func `records of a wrong length are failures, never crashes and never "none"`() async throws {
        let server = try await FakeNameServer.start(["short.test/52": [[3]], "empty.test/52": [[]]])
        let resolver = try Self.resolver(server)
        for name in ["short.test", "empty.test"] {
            await #expect(throws: StageFailure.self) { try await resolver.answer(DNSQuestion(name, .tlsa)) }
        }
        resolver.stop()
    }

    /// THREATS R156.
    @Test func `SERVFAIL is a failure`() async throws {
        let server = try await FakeNameServer.start([:], code: 2)
        let resolver = try Self.resolver(server)
        await #expect(throws: StageFailure.self) { try await resolver.answer(DNSQuestion("x.test", .mx)) }
        resolver.stop()
    }

    @Test func `a silent server costs no more than the time limit, and a cancelled question nothing`() async throws {
        let server = try await FakeNameServer.start([:], code: nil)
        let resolver = try Self.resolver(server, timeout: "300ms")
        let failure = await #expect(throws: StageFailure.self) { try await resolver.answer(DNSQuestion("x.test", .mx)) }
        #expect(failure?.timedOut == true)
        let patient = try Self.resolver(server, timeout: "1h")
        let task = Task { try await patient.answer(DNSQuestion("y.test", .mx)) }
        task.cancel()
        await #expect(throws: StageFailure.self) { try await task.value }
        let pending = Task { try await patient.answer(DNSQuestion("z.test", .mx)) }
        await Task.yield()
        patient.stop()
        await #expect(throws: StageFailure.self) { try await pending.value }
        resolver.stop()
    }

    @Test func `many questions at once are all answered`() async throws {
        let server = try await FakeNameServer.start(["mx.test/1": [[192, 0, 2, 1]]])
        let resolver = try Self.resolver(server)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<500 {
                group.addTask {
                    try await resolver.answer(DNSQuestion("mx.test", .a))
                        == .records([.address("192.0.2.1")], isSecure: false)
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
        resolver.stop()
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1@53"), ("127.0.0.1:5353", "127.0.0.1@5353"), ("::1", "::1@53"),
        ("[::1]:5353", "::1@5353"),
    ])
    func `a server is an address and a port`(text: String, server: String) {
        #expect(UnboundResolver.Server(text)?.description == server)
    }

    @Test(arguments: ["", "localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999", "[::1]"])
    func `anything else is no server`(text: String) {
        #expect(UnboundResolver.Server(text) == nil)
    }
}

/// A name server on loopback that knows a few records, by `name/type`.
final class FakeNameServer: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let zone: [String: [[UInt8]]]
    private let code: UInt8?
    private let channel: Mutex<(any Channel)?> = Mutex(nil)

    init(_ zone: [String: [[UInt8]]], _ code: UInt8?) {
        self.zone = zone
        self.code = code
    }

    /// - Parameter code: 0 answers from the zone, anything else is the answer to every question; `nil`: silence.
    static func start(_ zone: [String: [[UInt8]]], code: UInt8? = 0) async throws -> FakeNameServer {
        let server = FakeNameServer(zone, code)
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { $0.pipeline.addHandler(server) }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    var port: Int { channel.withLock { $0?.localAddress?.port } ?? 0 }

    static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let query = Array(envelope.data.readableBytesView)
        guard let code, query.count > 12 else { return }
        var place = 12
        var labels: [String] = []
        while place < query.count, query[place] > 0 {
            labels.append(String(decoding: query[place + 1...place + Int(query[place])], as: UTF8.self).lowercased())
            place += Int(query[place]) + 1
        }
        let question = query[12..<place + 5]
        let name = labels.joined(separator: ".")
        let records = zone["\(name)/\(query[place + 2])"] ?? []
        let exists = zone.keys.contains { $0.hasPrefix("\(name)/") || $0.contains(".\(name)/") }
        let answer = code != 0 ? code : records.isEmpty && !exists ? 3 : 0
        var reply = query[0..<2] + [0x81, 0x80 | answer, 0, 1, 0, UInt8(records.count), 0, 0, 0, 0]
        reply += question
        for record in records {
            reply +=
                [0xC0, 12] + query[place + 1...place + 4] + [
                    0, 0, 0, 60, UInt8(record.count >> 8), UInt8(record.count & 255),
                ]
            reply += record
        }
        let answerEnvelope = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: reply))
        context.writeAndFlush(wrapOutboundOut(answerEnvelope), promise: nil)
    }
}

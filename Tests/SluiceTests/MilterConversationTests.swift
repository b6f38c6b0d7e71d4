import Adapters
import Foundation
import MailTypes
import Pipeline
import Protocols
import SluiceTesting
import Testing

/// Conversations with milters over sockets: who passes for one, and how it misbehaves. THREATS.md R166.
@Suite struct MilterConversationTests {
    static let bob = EnvelopeRecipient("bob@here.example")

    /// One client's session with one milter.
    struct Client {
        let milters: Milters
        let port: Int
        var resources = SessionResources()
        var patience: Interval = "10s"
        var most = 10

        func ask(
            _ step: MilterQuestion.Step, id: UInt32 = 7, message: Message? = nil
        ) async throws(StageFailure) -> MilterReport {
            var transaction = Transaction(
                id: TransactionID(milliseconds: 1_795_230_000_000, random: id), hostname: "mx.here.example",
                session: .sample(), services: Services(MemoryServices()))
            transaction.resources = resources
            var recipients: [EnvelopeRecipient] = []
            switch step {
            case .connect, .hello: break
            case .sender: transaction.envelope = Envelope(sender: "alice@out.example")
            case .recipient, .message:
                transaction.envelope = Envelope(sender: "alice@out.example")
                recipients = [MilterConversationTests.bob]
            }
            let limits = MilterQuestion.Limits(
                permissions: Set(MilterQuestion.Permission.allCases), replyTimeout: patience, largestBody: 1000,
                mostConnections: most)
            var order = MilterQuestion.Order(
                .host("127.0.0.1", port: port), limits, of: transaction, to: recipients)
            order.message = message
            return try await milters.answer(MilterQuestion(step, order))
        }

        func send(_ message: Message = .sample(), id: UInt32 = 7) async throws(StageFailure) -> MilterReport {
            try await ask(.message(MessageHandle(message), for: [bob.address]), id: id, message: message)
        }

        /// Why there is no answer.
        func failure(_ message: Message = .sample(), id: UInt32 = 7) async -> StageFailure? {
            do throws(StageFailure) {
                _ = try await send(message, id: id)
                return nil
            } catch { return error }
        }
    }

    @Test func `a session has one conversation, which ends with it`() async throws {
        let milter = try await FakeMilter.start()
        do {
            let client = Client(milters: Milters(), port: milter.port)
            for step in [
                MilterQuestion.Step.connect, .hello("mx.out.example"), .sender("alice@out.example"),
                .recipient("bob@here.example"),
            ] {
                #expect(try await client.ask(step) == MilterReport(.continue))
            }
            #expect(milter.codes == ["OCHMR"])
            #expect(try await client.send() == MilterReport(.continue))
            #expect(try await client.send(id: 8) == MilterReport(.continue))
        }
        #expect(await eventually { milter.connections == 0 })
        let fields = String(repeating: "L", count: Message.sample().header.fields.count)
        #expect(milter.codes == ["OCHMRT\(fields)NBEMRT\(fields)NBEQ"])
        let body = milter.heard[0].compactMap { if case .body(let octets) = $0 { octets } else { nil } }
        #expect(body.first == Message.sample().body.array)
        await milter.stop()
    }

    @Test func `who is told late is told all of it`() async throws {
        let milter = try await FakeMilter.start()
        let client = Client(milters: Milters(), port: milter.port)
        _ = try await client.send()
        #expect(milter.codes[0].hasPrefix("OCHMRTL"))
        guard case .connect(let host, let peer)? = milter.heard[0].first(where: { $0.packet.code == UInt8(ascii: "C") })
        else { return }
        #expect(host == "[192.0.2.7]" && peer == .address("192.0.2.7", port: 40_025))
        let macros = milter.heard[0].flatMap { if case .macros(_, let macros) = $0 { macros } else { [MilterMacro]() } }
        for macro in [
            MilterMacro("j", "mx.here.example"), MilterMacro("{client_addr}", "192.0.2.7"),
            MilterMacro("{mail_addr}", "alice@out.example"), MilterMacro("{rcpt_host}", "here.example"),
        ] {
            #expect(macros.contains(macro))
        }
        await milter.stop()
    }

    @Test func `what it changes comes back`() async throws {
        let milter = try await FakeMilter.start(
            FakeMilter.saying { command in
                guard case .endOfMessage = command else { return [] }
                return [.change(.addField(name: "X", value: " v")), .progress, .change(.replaceBody([1])), .accept]
            })
        let report = try await Client(milters: Milters(), port: milter.port).send()
        #expect(
            report == MilterReport(.accept, changes: [.addField(name: "X", value: " v"), .replaceBody(Bytes([1]))]))
        await milter.stop()
    }

    @Test func `connections are bounded, and an idle one makes room`() async throws {
        let milter = try await FakeMilter.start()
        let milters = Milters()
        let clients = (0..<3).map { _ in Client(milters: milters, port: milter.port, most: 2) }
        for client in clients { _ = try await client.ask(.connect) }
        #expect(await eventually { milter.connections == 2 })
        // The first one was the longest idle; it goes on all the same, from the beginning.
        _ = try await clients[0].ask(.sender("alice@out.example"))
        #expect(milter.codes.count == 4 && milter.codes[3] == "OCHM")
        #expect(await eventually { milter.connections == 2 })
        await milter.stop()
    }

    @Test func `where all are busy it is a failure, and nobody waits`() async throws {
        let milter = try await FakeMilter.start { if case .connect = $0 { [] } else { FakeMilter.patient($0) } }
        let milters = Milters()
        let first = Client(milters: milters, port: milter.port, most: 1)
        let waiting = Task { try await first.ask(.connect) }
        #expect(await eventually { milter.codes == ["OC"] })
        let second = Client(milters: milters, port: milter.port, most: 1)
        #expect(await second.failure()?.reason.contains("all 1 connections") == true)
        waiting.cancel()
        await #expect(throws: StageFailure.self) { try await waiting.value }
        #expect(await eventually { milter.connections == 0 })
        // The place is free again.
        #expect(await second.failure(id: 8)?.reason.contains("all 1 connections") != true)
        await milter.stop()
    }

    @Test func `one that was started anew between two steps is told anew`() async throws {
        let milter = try await FakeMilter.start { command in
            if case .mail(_, _) = command { nil } else { FakeMilter.patient(command) }
        }
        let client = Client(milters: Milters(), port: milter.port)
        _ = try await client.ask(.connect)
        _ = try await client.ask(.hello("mx.out.example"))
        // It hangs up at MAIL, and then again, which is no accident.
        #expect(await client.failure()?.reason.contains("hung up") == true)
        #expect(milter.codes.count == 2)
        // It is not waited for in the same transaction, and is in the next.
        #expect(await client.failure()?.reason.contains("before") == true)
        #expect(milter.codes.count == 2)
        _ = await client.failure(id: 8)
        #expect(milter.codes.count == 3)
        await milter.stop()
    }

    static let misbehaviours: [(String, FakeMilter.Answer)] = [
        ("silent", { _ in [] }), ("hangs up at once", { _ in nil }),
        ("silent at the end", { if case .endOfMessage = $0 { [] } else { FakeMilter.patient($0) } }),
        ("hangs up in the middle", FakeMilter.saying { if case .endOfMessage = $0 { nil } else { [] } }),
        (
            "silent after half a body",
            FakeMilter.saying { if case .endOfMessage = $0 { [.change(.replaceBody([1]))] } else { [] } }
        ),
        ("wants more than there is", { _ in [.negotiate(MilterNegotiation(version: 9, actions: .all, steps: []))] }),
        ("two replies", FakeMilter.saying { if case .header = $0 { [.continue, .continue] } else { [] } }),
        (
            "a large body",
            FakeMilter.saying {
                if case .endOfMessage = $0 {
                    [.change(.replaceBody(.init(repeating: 1, count: 1001))), .accept]
                } else {
                    []
                }
            }
        ),
        (
            "does what was not agreed on",
            {
                if case .endOfMessage = $0 {
                    [.change(.addField(name: "X", value: "y")), .accept]
                } else {
                    FakeMilter.patient($0)
                }
            }
        ),
    ]

    @Test(arguments: misbehaviours.indices)
    func `R166: who misbehaves is a failure, soon, and no connection stays`(_ place: Int) async throws {
        let (name, answer) = Self.misbehaviours[place]
        let milter = try await FakeMilter.start(answer)
        let client = Client(milters: Milters(), port: milter.port, patience: "200ms")
        let failure = await client.failure()
        #expect(failure != nil, "\(name)")
        #expect(failure?.reason.hasPrefix("127.0.0.1:\(milter.port): ") == true, "\(failure as Any)")
        #expect(failure?.timedOut == name.hasPrefix("silent"))
        #expect(await eventually { milter.connections == 0 })
        await milter.stop()
    }

    @Test func `nobody there is a failure`() async throws {
        let client = Client(milters: Milters(), port: try Ports.free(1)[0])
        #expect(await client.failure()?.reason.contains("refused") == true)
    }

    @Test func `a sign of life is waited for, and no longer than the stage may take`() async throws {
        let milter = try await FakeMilter.start(
            FakeMilter.saying { if case .endOfMessage = $0 { [.progress, .progress, .accept] } else { [] } })
        #expect(try await Client(milters: Milters(), port: milter.port).send().verdict == .accept)
        await milter.stop()
    }
}

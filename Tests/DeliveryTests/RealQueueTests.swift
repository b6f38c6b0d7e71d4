import Foundation
import Logging
import MailTypes
import Mailboxes
import NIOPosix
import Pipeline
import Queue
import Synchronization
import Testing

@testable import Delivery

/// The agent on the durable queue.
@Suite struct RealQueueTests {
    let root = NSTemporaryDirectory() + "/sluice-delivery-\(UUID().uuidString)"

    func run(
        hooks change: (inout DeliveryHooks, EventBox) -> Void = { _, _ in },
        _ body: (MailQueue, EventBox) async throws -> Void
    ) async throws {
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        let (queue, _) = try MailQueue.open(
            root + "/queue", files: LinuxFileSystem(), options: QueueOptions(), now: Date())
        let events = EventBox()
        var hooks = DeliveryHooks(
            resolve: { _ throws(StageFailure) in .noName },
            routes: { address in
                address.domain == "here.test" ? [Destination(address: address, route: .mailbox(address))] : []
            })
        hooks.report = { events.add($0) }
        change(&hooks, events)
        let agent = DeliveryAgent(
            queue: queue, store: MailStore(root: root + "/mailboxes"), hostname: "mx.here.test",
            surroundings: (
                hooks, MultiThreadedEventLoopGroup.singleton, Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ))
        let task = Task { await agent.run() }
        try await body(queue, events)
        task.cancel()
        await task.value
        queue.close()
    }

    func submission(_ number: UInt32, to route: Route) -> Submission {
        let milliseconds = UInt64(Date().timeIntervalSince1970 * 1000)
        return Submission(
            id: QueueID(TransactionID(milliseconds: milliseconds, random: number)), sender: "anna@here.test",
            recipients: [QueueRecipient("bob@here.test", route: route)],
            content: ["Subject: Hi\r\n\r\n", "Hello\r\n"], received: Date())
    }

    @Test(.timeLimit(.minutes(10)))
    func `mail is delivered, relayed and reported, and the queue is empty`() async throws {
        let server = try await FakeServer.start(group: MultiThreadedEventLoopGroup.singleton) {
            $0["RCPT"] = ["250 Ok", "550 5.1.1 No"]
        }
        try await run { queue, events in
            _ = try await queue.commit([
                submission(1, to: .mailbox("bob@here.test")), submission(2, to: .host(.local(server))),
                submission(3, to: .discard),
            ])
            await events.until { $0.count == 3 }
            _ = try await queue.commit([submission(4, to: .host(.local(server)))])
            // The failure, and its report's delivery.
            await events.until { $0.count == 5 }
            // A report may arrive before the message that it is about is settled.
            while queue.counts().recipients > 0 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(Set(events.all.map(\.outcome)) == [.delivered, .relayed, .discarded, .failed])
        }
        #expect(server.messages.count == 1)
    }

    /// Nothing else comes that would wake the agent.
    @Test(.timeLimit(.minutes(10)))
    func `mail that could not be delivered is tried again when its time has come`() async throws {
        let obstacle = root + "/mailboxes/here.test/bob"
        try await run(hooks: { hooks, events in
            hooks.report = { event in
                try? FileManager.default.removeItem(atPath: obstacle)
                events.add(event)
            }
            hooks.now = { events.all.isEmpty ? Date() : Date(timeIntervalSinceNow: 3600) }
        }) { queue, events in
            try FileManager.default.createDirectory(
                atPath: root + "/mailboxes/here.test", withIntermediateDirectories: true)
            try "not a folder".write(toFile: obstacle, atomically: false, encoding: .utf8)
            _ = try await queue.commit([submission(1, to: .mailbox("bob@here.test"))])
            await events.until { $0.count == 2 }
            #expect(events.all.map(\.outcome) == [.deferred, .delivered])
        }
    }

    @Test func `a burst is delivered whole`() async throws {
        try await run { queue, events in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<1000 {
                    group.addTask {
                        _ = try await queue.commit([submission(UInt32(number), to: .mailbox("bob@here.test"))])
                    }
                }
                try await group.waitForAll()
            }
            await events.until { $0.count == 1000 }
            let folder = root + "/mailboxes/here.test/bob/Maildir/new"
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 1000)
        }
    }
}

/// Events that can be waited for.
final class EventBox: Sendable {
    private let state = Mutex<
        ([DeliveryEvent], [(@Sendable ([DeliveryEvent]) -> Bool, CheckedContinuation<Void, Never>)])
    >(([], []))

    var all: [DeliveryEvent] { state.withLock { $0.0 } }

    func add(_ event: DeliveryEvent) {
        let ready = state.withLock { state in
            state.0.append(event)
            let events = state.0
            defer { state.1.removeAll { $0.0(events) } }
            return state.1.filter { $0.0(events) }.map(\.1)
        }
        for continuation in ready { continuation.resume() }
    }

    func until(_ isDone: @escaping @Sendable ([DeliveryEvent]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isReady = state.withLock { state in
                if isDone(state.0) { return true }
                state.1.append((isDone, continuation))
                return false
            }
            if isReady { continuation.resume() }
        }
    }
}

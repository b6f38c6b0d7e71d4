import Delivery
import Foundation
import Logging
import MailTypes
import NIOCore
import NIOPosix
import Pipeline
import Protocols
import Queue
import Synchronization

@testable import Mailboxes

/// A delivery agent over a memory queue, a memory zone and a temporary mailbox folder.
final class AgentFixture: Sendable {
    let queue = MemoryQueue()
    let root: String
    /// While it runs.
    let agent: Mutex<DeliveryAgent?> = Mutex(nil)
    /// What the mailboxes' disk fails; set before ``run``.
    let fault: Mutex<(@Sendable (String) -> CInt)?> = Mutex(nil)
    let zone: Mutex<[DNSQuestion: Result<DNSAnswer, StageFailure>]> = Mutex([:])
    let events = Mutex<[DeliveryEvent]>([])
    let group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    private let numbers = Atomic<UInt32>(0)

    init(root: String? = nil) { self.root = root ?? NSTemporaryDirectory() + "/sluice-delivery-\(UUID().uuidString)" }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    /// Runs an agent while `body` does.
    func run(
        _ change: (inout DeliveryOptions) -> Void = { _ in },
        hooks changeHooks: (inout DeliveryHooks) -> Void = { _ in },
        _ body: () async throws -> Void
    ) async rethrows {
        var options = DeliveryOptions()
        options.refusesPrivateExchangers = false
        options.connectTimeout = "5s"
        change(&options)
        var hooks = DeliveryHooks(
            // What of an agent outlives its run, timers say, keeps no folder.
            resolve: { [weak self] question throws(StageFailure) in
                try self?.answer(to: question) ?? .noName
            },
            routes: { address in
                address.domain == "here.test" && address.localPart != "nobody"
                    ? [Destination(address: address, route: .mailbox(address))] : []
            })
        hooks.report = { [weak self] event in self?.note(event) }
        changeHooks(&hooks)
        let store = MailStore(
            root: root, options: .init(), calls: DiskCalls { [weak self] call in self?.failure(of: call) ?? 0 })
        let agent = DeliveryAgent(
            queue: queue, store: store, hostname: "mx.here.test", options: options,
            surroundings: (hooks, group, Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        self.agent.withLock { $0 = agent }
        defer { self.agent.withLock { $0 = nil } }
        let task = Task { await agent.run() }
        do { try await body() } catch {
            task.cancel()
            await task.value
            throw error
        }
        task.cancel()
        await task.value
    }

    private func answer(to question: DNSQuestion) throws(StageFailure) -> DNSAnswer {
        try zone.withLock { $0[question] ?? .success(.noName) }.get()
    }

    private func note(_ event: DeliveryEvent) { events.withLock { $0.append(event) } }
    private func failure(of call: String) -> CInt { fault.withLock { $0 }?(call) ?? 0 }

    /// Puts a message into the queue.
    @discardableResult
    func submit(
        to recipients: [(EmailAddress, Route)], from sender: EmailAddress? = "anna@here.test",
        _ text: String = "Subject: Hi\r\nMessage-ID: <1@here.test>\r\n\r\nHello\r\n",
        _ change: (inout Submission) -> Void = { _ in }
    ) -> QueueID {
        let number = numbers.add(1, ordering: .relaxed).newValue
        let id = QueueID(TransactionID(milliseconds: UInt64(Date().timeIntervalSince1970 * 1000), random: number))
        var submission = Submission(
            id: id, sender: sender, recipients: recipients.map { QueueRecipient($0.0, route: $0.1) },
            content: [Bytes(Array(text.utf8))], received: Date())
        change(&submission)
        queue.add(submission)
        return id
    }

    /// Returns when every recipient of a message has an outcome.
    func settled(_ id: QueueID) async -> [Int: RecipientOutcome.Result] {
        await queue.until { entries in
            guard let entry = entries[id] else { return false }
            return entry.outcomes.count == entry.message.recipients.count
        }
        return queue.entries[id]?.outcomes ?? [:]
    }

    func mail(of mailbox: String, _ folder: String = "new") -> [String] {
        let parts = mailbox.split(separator: "@")
        let path = "\(root)/\(parts[1])/\(parts[0])/Maildir/\(folder)"
        return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted().compactMap {
            FileManager.default.contents(atPath: "\(path)/\($0)").map { String(decoding: $0, as: UTF8.self) }
        }
    }
}

extension RelayHost {
    static func local(
        _ server: FakeServer, _ language: Language = .smtp, _ security: Security = .opportunistic
    ) -> RelayHost {
        RelayHost(name: "127.0.0.1", port: server.port, language: language, security: security)
    }
}

extension RecipientOutcome.Result {
    var word: String { MemoryQueue.word(self) }
    var reply: Reply? {
        switch self {
        case .relayed(let reply), .failed(let reply), .deferred(_, let reply, _): reply
        case .delivered, .returned: nil
        }
    }
}

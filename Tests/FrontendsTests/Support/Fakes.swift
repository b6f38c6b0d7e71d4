import Foundation
import Frontends
import Logging
import MailTypes
import Pipeline
import Queue
import Synchronization

/// A world that knows the time and nothing else.
struct FakeServices: ServiceSource {
    func answer(_ question: Pipeline.Question) async throws(StageFailure) -> Answer {
        if case .time = question { return .time(Date(timeIntervalSince1970: 1_772_366_400)) }
        throw StageFailure("not in this test")
    }
}

/// A queue in memory whose disk can fail or be slow.
final class FakeAcceptor: MailAcceptor {
    struct State {
        var taken: [Submission] = []
        var failure: QueueFailure?
        var refusal: QueueFailure?
        var isHeld = false
        var held: [@Sendable () -> Void] = []
    }

    let state = Mutex(State())

    var taken: [Submission] { state.withLock { $0.taken } }
    func fail(_ failure: QueueFailure?) { state.withLock { $0.failure = failure } }
    func refuse(_ failure: QueueFailure?) { state.withLock { $0.refusal = failure } }

    /// Keeps commits back until ``letGo()``.
    func hold() { state.withLock { $0.isHeld = true } }
    var heldCount: Int { state.withLock { $0.held.count } }

    func letGo() {
        let held = state.withLock { state in
            defer { (state.isHeld, state.held) = (false, []) }
            return state.held
        }
        for one in held { one() }
    }

    func refusal(forSize octets: Int) -> QueueFailure? { state.withLock { $0.refusal } }

    func commit(
        _ submissions: [Submission], completion: @escaping @Sendable (Result<[QueueID], QueueFailure>) -> Void
    ) {
        let finish: @Sendable () -> Void = { [self] in
            let result = state.withLock { state -> Result<[QueueID], QueueFailure> in
                if let failure = state.failure { return .failure(failure) }
                state.taken += submissions
                return .success(submissions.map(\.id))
            }
            completion(result)
        }
        let isHeld = state.withLock { state in
            if state.isHeld { state.held.append(finish) }
            return state.isHeld
        }
        if !isHeld { DispatchQueue.global().async { finish() } }
    }
}

/// Knows one user: anna with the password `secret`.
final class FakeAuthenticator: Authenticator {
    private let tries = Mutex(0)
    var count: Int { tries.withLock { $0 } }

    func authenticate(login: String, password: [UInt8]) async -> LoginAnswer {
        tries.withLock { $0 += 1 }
        if login == "broken" { return .temporary("no database") }
        return login == "anna@here.test" && password == Array("secret".utf8) ? .success("anna@here.test") : .refused
    }
}

/// Knows nobody, and says so when it is told to.
final class SlowAuthenticator: Authenticator {
    private struct State {
        var waiting: [CheckedContinuation<Void, Never>] = []
        var count = 0
        var isFree = false
    }
    private let state = Mutex(State())

    var waiting: Int { state.withLock { $0.waiting.count } }
    var count: Int { state.withLock { $0.count } }

    func letGo() {
        let waiting = state.withLock { state in
            defer { (state.waiting, state.isFree) = ([], true) }
            return state.waiting
        }
        for one in waiting { one.resume() }
    }

    func authenticate(login: String, password: [UInt8]) async -> LoginAnswer {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                state.count += 1
                if !state.isFree { state.waiting.append(continuation) }
                return state.isFree
            }
            if isFree { continuation.resume() }
        }
        return .refused
    }
}

/// Takes mail for `here.test`; `slow` names take their time, `no` is refused.
struct TakesMail: RecipientStage {
    static let name: StageName = "takes-mail"
    static let effects: Effects = [.routes, .rejects]
    struct Configuration: Decodable, Sendable {}
    init(_ configuration: Configuration) {}

    func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let address = recipient.address
        guard address.domain == "here.test", address.localPart != "no" else {
            return Finding(.reject(Reply(550, .badDestinationMailbox, "No such mailbox")))
        }
        if address.localPart == "slow" { try? await Task.sleep(for: .milliseconds(50)) }
        return Finding(edits: [.resolve(address, to: [Destination(address: address, route: .mailbox(address))])])
    }
}

/// Refuses clients of 203.0.113.0/24 and those who call themselves `bad.test`; refuses spam per recipient.
struct Strict: ConnectStage, HelloStage, SenderStage, MessageStage {
    static let name: StageName = "strict"
    static let effects: Effects = [.rejects, .quarantines]
    struct Configuration: Decodable, Sendable {}
    init(_ configuration: Configuration) {}

    func connect(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        let isBad = ("203.0.113.0/24" as Network).contains(transaction.session.client)
        return isBad ? Finding(.reject(Reply(554, .deliveryNotAuthorized, "Go away"))) : .none
    }

    func hello(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        guard transaction.session.hello == "bad.test" else { return .none }
        return Finding(.reject(Reply(550, .deliveryNotAuthorized, "Bad name")))
    }

    func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        guard transaction.sender?.domain == "bad.test" else { return .none }
        return Finding(.reject(Reply(550, .deliveryNotAuthorized, "Bad sender")))
    }

    func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        switch message.header["Subject"]?.value {
        case "spam": Finding(.reject(Reply(550, .deliveryNotAuthorized, "Spam")))
        case "odd": Finding(.quarantine(reason: "odd"))
        default: .none
        }
    }
}

/// A log that tests can read.
final class MemoryLog: LogSink {
    private let text = Mutex("")
    func write(_ line: [UInt8]) { text.withLock { $0 += String(decoding: line, as: UTF8.self) } }
    var lines: [Substring] { text.withLock { $0 }.split(separator: "\n") }
}

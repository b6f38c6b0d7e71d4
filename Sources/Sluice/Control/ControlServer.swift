import Foundation
import Logging
import MailTypes
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Takes commands from the command line: a thread that accepts, and one for each of a few connections.
final class ControlServer: Sendable {
    /// Connections that are served at the same time; further ones wait to be accepted.
    static let mostConnections = 16
    /// How long a request may take to come. Whoever connects has it ready.
    static let requestPatience: Interval = "5s"
    /// Octets of a request.
    static let longestRequest = 64 << 10

    private let path: String
    private let descriptor: CInt
    private let logger: Logger
    private let answer: @Sendable (ControlRequest) async -> ControlAnswer
    private let isStopping = Mutex(false)
    private let places = Places(mostConnections)

    init(
        _ data: DataFolder, logger: Logger, answer: @escaping @Sendable (ControlRequest) async -> ControlAnswer
    ) throws(SystemError) {
        path = data.control
        self.logger = logger
        self.answer = answer
        // The queue's lock says that no other server is alive here, so what lies there is a dead one's.
        unlink(path)
        let made = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard made >= 0 else { throw SystemError(call: "socket", code: errno) }
        let before = umask(0o177)
        let bound = try UnixAddress(path).with { bind(made, $0, $1) }
        umask(before)
        guard bound == 0, listen(made, 16) == 0 else {
            let code = errno
            close(made)
            throw SystemError(call: "bind", path: path, code: code)
        }
        descriptor = made
    }

    func start() {
        let thread = Thread { [self] in
            var isFailing = false
            while true {
                places.take()
                let connection = accept(descriptor, nil, nil)
                let reason = errno
                if connection >= 0, !isStopping.withLock({ $0 }) {
                    isFailing = false
                    serve(connection)
                    continue
                }
                places.give()
                if connection >= 0 { close(connection) }
                if isStopping.withLock({ $0 }) { return }
                if reason != EINTR, reason != ECONNABORTED {
                    // Out of descriptors or of memory: that passes, and then commands are wanted more than ever.
                    if !isFailing { report(SystemError(call: "accept", path: path, code: reason)) }
                    isFailing = true
                    Thread.sleep(forTimeInterval: Self.pause)
                }
            }
        }
        thread.name = "control"
        thread.start()
    }

    /// Seconds until the next try where nothing can be accepted.
    private static let pause = 0.2

    private func report(_ error: SystemError) {
        logger.error("commands cannot be taken", metadata: ["reason": "\(error)"])
    }

    /// Ends the thread's waiting and takes the socket away.
    func stop() {
        isStopping.withLock { $0 = true }
        shutdown(descriptor, CInt(SHUT_RDWR))
        unlink(path)
    }

    /// On a thread of its own, so that nobody waits for somebody who is silent, or whose command takes long.
    private func serve(_ connection: CInt) {
        let thread = Thread { [self] in
            serve(ControlSocket(descriptor: connection))
            places.give()
        }
        thread.name = "command"
        thread.start()
    }

    private func serve(_ socket: consuming ControlSocket) {
        do {
            let line = try socket.receive(longest: Self.longestRequest, within: Self.requestPatience)
            guard let line else { return }
            let answered = wait(for: try JSONDecoder().decode(ControlRequest.self, from: line))
            try socket.send(try JSONEncoder().encode(answered))
        } catch {
            logger.warning("a command could not be answered", metadata: ["reason": "\(error)"])
        }
    }

    /// This thread is there to wait; what it asks runs elsewhere.
    private func wait(for request: ControlRequest) -> ControlAnswer {
        let slot = AnswerSlot()
        Task { slot.fill(await answer(request)) }
        return slot.wait()
    }
}

/// Places for threads, of which one is waited for.
private final class Places: Sendable {
    private let condition = NSCondition()
    private let free: Mutex<Int>

    init(_ count: Int) { free = Mutex(count) }

    func take() {
        condition.lock()
        defer { condition.unlock() }
        while !takeIfFree() { condition.wait() }
    }

    private func takeIfFree() -> Bool {
        free.withLock { free in
            guard free > 0 else { return false }
            free -= 1
            return true
        }
    }

    func give() {
        condition.lock()
        defer { condition.unlock() }
        free.withLock { $0 += 1 }
        condition.signal()
    }
}

/// Where a thread waits for an answer that a task brings.
private final class AnswerSlot: Sendable {
    private let condition = NSCondition()
    private let answer = Mutex<ControlAnswer?>(nil)

    func fill(_ value: ControlAnswer) {
        answer.withLock { $0 = value }
        condition.lock()
        condition.broadcast()
        condition.unlock()
    }

    func wait() -> ControlAnswer {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let value = answer.withLock({ $0 }) { return value }
            condition.wait()
        }
    }
}

import Foundation
import Logging
import MailTypes
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Takes commands from the command line, one connection at a time, on a thread of its own.
final class ControlServer: Sendable {
    private let path: String
    private let descriptor: CInt
    private let logger: Logger
    private let answer: @Sendable (ControlRequest) async -> ControlAnswer
    private let isStopping = Mutex(false)

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
                let connection = accept(descriptor, nil, nil)
                let reason = errno
                if isStopping.withLock({ $0 }) { return }
                if connection >= 0 {
                    isFailing = false
                    serve(ControlSocket(descriptor: connection))
                } else if reason != EINTR, reason != ECONNABORTED {
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

    private func serve(_ socket: consuming ControlSocket) {
        do {
            guard let line = try socket.receive() else { return }
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

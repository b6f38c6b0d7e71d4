import Foundation
import MailTypes

#if canImport(Glibc)
    import Glibc
#endif

/// A connection over the data folder's socket, which only the server's own user may open.
/// Blocking: each side has a thread to wait with.
struct ControlSocket: ~Copyable {
    /// Octets of one request or answer.
    static let longestMessage = 64 << 20
    /// How long either side waits for the other.
    static let patience: Interval = "60s"

    private let descriptor: CInt

    init(descriptor: CInt) {
        self.descriptor = descriptor
        var timeout = timeval(tv_sec: Int(Self.patience.seconds), tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, size)
    }

    /// Connects to a server; `nil` if none is running there.
    init?(connectingTo path: String) throws(SystemError) {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(call: "socket", code: errno) }
        let result = try UnixAddress(path).with { connect(descriptor, $0, $1) }
        guard result == 0 else {
            let code = errno
            close(descriptor)
            if code == ENOENT || code == ECONNREFUSED { return nil }
            throw SystemError(call: "connect", path: path, code: code)
        }
        self.init(descriptor: descriptor)
    }

    deinit { _ = Glibc.close(descriptor) }

    /// The other side's next line, all of which has come `within` that time; `nil` at its end.
    func receive(
        longest: Int = longestMessage, within limit: Interval = patience
    ) throws(SystemError) -> Data? {
        let deadline = ContinuousClock.now + .seconds(limit.seconds)
        var line = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while line.count < longest {
            try wait(until: deadline)
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError(call: "read", code: errno)
            }
            if count == 0 { return nil }
            line.append(contentsOf: buffer[0..<count])
            if buffer[count - 1] == .lf { return line }
        }
        throw SystemError(call: "read", code: EMSGSIZE)
    }

    /// Waits until there is something to read.
    private func wait(until deadline: ContinuousClock.Instant) throws(SystemError) {
        while true {
            let left = max(.zero, deadline - .now) / .milliseconds(1)
            var readable = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let count = poll(&readable, 1, CInt(clamping: Int(left.rounded(.up))))
            if count > 0 { return }
            if count == 0 { throw SystemError(call: "read", code: ETIMEDOUT) }
            guard errno == EINTR else { throw SystemError(call: "poll", code: errno) }
        }
    }

    func send(_ line: Data) throws(SystemError) {
        let octets = Array(line) + [.lf]
        var sent = 0
        while sent < octets.count {
            let count = octets[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError(call: "send", code: errno)
            }
            sent += count
        }
    }
}

/// A path as a socket address.
struct UnixAddress {
    private var address = sockaddr_un()

    init(_ path: String) throws(SystemError) {
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else { throw SystemError(call: "bind", path: path, code: ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    }

    func with<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = address
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }
}

/// Asks the server that runs on a data folder.
struct ControlClient {
    let data: DataFolder

    /// The answer; `nil` if no server is running.
    func ask(_ request: ControlRequest, within limit: Interval = ControlSocket.patience) throws -> ControlAnswer? {
        do {
            guard let socket = try ControlSocket(connectingTo: data.control) else { return nil }
            try socket.send(try JSONEncoder().encode(request))
            guard let line = try socket.receive(within: limit) else {
                throw CommandFailure.again("The server has hung up; it may be stopping.")
            }
            return try JSONDecoder().decode(ControlAnswer.self, from: line)
        } catch let error as SystemError where error.code == EACCES || error.code == EPERM {
            throw CommandFailure.wrong("Only the server's own user may give it commands (\(data.control)).")
        } catch let error as SystemError {
            throw CommandFailure.again("The server cannot be asked: \(error).")
        } catch is DecodingError {
            throw CommandFailure.again("The server has answered something else; is it of another version?")
        }
    }
}

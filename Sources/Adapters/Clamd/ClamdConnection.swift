import Glibc
public import MailTypes
import Protocols

/// One session with a clamd server. Blocking, up to a deadline: each has a thread to wait with.
struct ClamdConnection: ~Copyable {
    private let descriptor: CInt
    private let deadline: ContinuousClock.Instant
    private var session = ClamdSession()

    init(to server: ClamdServer, until deadline: ContinuousClock.Instant) throws(ClamdFault) {
        self.deadline = deadline
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        descriptor = socket(server.family, type, 0)
        guard descriptor >= 0 else { throw Self.fault("socket", errno) }
        let result = try server.withAddress { connect(descriptor, $0, $1) }
        guard result != 0 else { return }
        guard errno == EINPROGRESS || errno == EAGAIN else { throw Self.fault("connect", errno) }
        // A socket in the file system answers at once, or its line is full.
        if errno == EAGAIN { throw Self.fault("connect", EAGAIN) }
        _ = try wait(for: POLLOUT)
        var code: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0, code == 0 else {
            throw Self.fault("connect", code)
        }
    }

    deinit { if descriptor >= 0 { _ = close(descriptor) } }

    private static func fault(_ call: String, _ code: CInt) -> ClamdFault {
        ClamdFault(reason: "\(SystemError(call: call, code: code))")
    }

    // MARK: Commands

    /// Asks something that needs no more than its name.
    mutating func ask(_ command: ClamdSession.Command) throws(ClamdFault) -> ClamdSession.Reply {
        let octets = session.begin(command)
        if let early = try send([octets]) { return early }
        return try receive()
    }

    /// Has these octets scanned.
    mutating func scan(_ pieces: [Bytes]) throws(ClamdFault) -> ClamdSession.Reply {
        if let early = try send([session.begin(.stream)]) { return early }
        for piece in pieces {
            var rest = piece
            while !rest.isEmpty {
                let chunk = rest[0..<ClamdSession.largestChunk]
                rest = rest[chunk.count..<rest.count]
                // A server that has had enough says so and hears nothing any more.
                if let early = try send([ClamdSession.chunk(of: chunk.array)]) { return early }
            }
        }
        if let early = try send([ClamdSession.lastChunk]) { return early }
        return try receive()
    }

    /// Takes leave; whether it is heard does not matter.
    mutating func finish() { _ = try? send([ClamdSession.end]) }

    // MARK: Octets

    /// Sends everything, unless a reply comes before.
    private mutating func send(_ pieces: [[UInt8]]) throws(ClamdFault) -> ClamdSession.Reply? {
        for octets in pieces {
            var sent = 0
            while sent < octets.count {
                if try wait(for: POLLIN | POLLOUT) & POLLIN != 0, let reply = try read() { return reply }
                let count = octets[sent...].withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                }
                if count >= 0 {
                    sent += count
                } else if errno == EPIPE || errno == ECONNRESET {
                    // What it said before it hung up may still be there.
                    return try receive()
                } else if errno != EINTR, errno != EAGAIN {
                    throw Self.fault("send", errno)
                }
            }
        }
        return nil
    }

    private mutating func receive() throws(ClamdFault) -> ClamdSession.Reply {
        while true {
            _ = try wait(for: POLLIN)
            if let reply = try read() { return reply }
        }
    }

    private mutating func read() throws(ClamdFault) -> ClamdSession.Reply? {
        var buffer = [UInt8](repeating: 0, count: ClamdSession.longestReply + 1)
        let count = Glibc.recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == EINTR || errno == EAGAIN { return nil }
        guard count >= 0 else { throw Self.fault("recv", errno) }
        guard count > 0 else { throw ClamdFault(reason: "it has hung up") }
        return try session.received(buffer.prefix(count))
    }

    /// Waits until one of these is possible; answers which are.
    private func wait(for events: Int32) throws(ClamdFault) -> Int32 {
        while true {
            let left = (deadline - .now) / .milliseconds(1)
            guard left > 0 else { throw ClamdFault(reason: "no answer in time") }
            var source = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let count = poll(&source, 1, CInt(clamping: Int(left.rounded(.up))))
            if count > 0 { return Int32(source.revents) }
            if count < 0, errno != EINTR { throw Self.fault("poll", errno) }
        }
    }
}

/// Where a clamd listens.
public enum ClamdServer: Sendable, Hashable, CustomStringConvertible {
    case unix(path: String)
    case tcp(IPAddress, port: Int)

    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .tcp(let address, let port): address.isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)"
        }
    }

    fileprivate var family: CInt {
        switch self {
        case .unix: AF_UNIX
        case .tcp(let address, _): address.isIPv6 ? AF_INET6 : AF_INET
        }
    }

    fileprivate func withAddress(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) throws(ClamdFault) -> CInt {
        switch self {
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
                throw ClamdFault(reason: "the path is too long")
            }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            return Self.pass(&address, body)
        case .tcp(let host, let port) where host.isIPv6:
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = in_port_t(clamping: port).bigEndian
            withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: host.octets) }
            return Self.pass(&address, body)
        case .tcp(let host, let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(clamping: port).bigEndian
            withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: host.octets) }
            return Self.pass(&address, body)
        }
    }

    private static func pass<Address>(
        _ address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<Address>.size)) }
        }
    }
}

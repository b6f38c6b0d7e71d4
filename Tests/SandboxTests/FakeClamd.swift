import Foundation
import MailTypes
import Synchronization

@testable import Adapters

/// Something at a clamd's place that behaves as it is told.
final class FakeClamd: Sendable {
    enum Behaviour: Sendable {
        /// Tells its version, and finds `Fake.Virus` in everything.
        case honest
        case hangUp, silent
        /// Tells its version, reads the stream, and says this.
        case says(String, thenHangsUp: Bool = false)
        /// Tells its version, and answers the stream with letters for ever.
        case floods
        /// Tells its version, reads that much of the stream, and hangs up.
        case reads(octets: Int)
        /// Says this before it is asked.
        case greets(String)
    }

    let path: String
    private let descriptor: CInt
    private let count = Mutex(0)

    var server: ClamdServer { .unix(path: path) }
    var sessions: Int { count.withLock { $0 } }

    /// With no behaviour nobody listens.
    init(_ behaviour: Behaviour?, path: String = "/tmp/clamd-\(UUID().uuidString)") throws {
        self.path = path
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw SystemError(call: "bind", path: path, code: errno) }
        guard let behaviour, listen(descriptor, 8) == 0 else { return }
        let listener = self.descriptor
        Thread { [weak self] in
            while true {
                let session = accept(listener, nil, nil)
                guard session >= 0 else { return }
                self?.count.withLock { $0 += 1 }
                Thread { Self.serve(session, behaviour) }.start()
            }
        }.start()
    }

    deinit {
        shutdown(descriptor, CInt(SHUT_RDWR))
        close(descriptor)
        unlink(path)
    }

    /// A port of 127.0.0.1 at which nobody listens.
    static func freePort() throws -> Int {
        let probe = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(probe) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failed = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(probe, $0, size) != 0 || getsockname(probe, $0, &size) != 0
            }
        }
        guard !failed else { throw SystemError(call: "bind", code: errno) }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    // MARK: A session

    private static func serve(_ session: CInt, _ behaviour: Behaviour) {
        defer { close(session) }
        func say(_ text: String) { _ = text.withCString { send(session, $0, text.utf8.count, CInt(MSG_NOSIGNAL)) } }
        /// Reads until this has come; false at the end.
        var heard: [UInt8] = []
        func read(until isEnough: ([UInt8]) -> Bool) -> Bool {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while !isEnough(heard) {
                let count = recv(session, &buffer, buffer.count, 0)
                guard count > 0 else { return false }
                heard += buffer.prefix(count)
            }
            return true
        }
        func isOver(_ octets: [UInt8]) -> Bool { octets.suffix(4) == [0, 0, 0, 0] }
        switch behaviour {
        case .hangUp: return
        case .silent:
            _ = read { _ in false }
            return
        case .greets(let text):
            say(text)
            _ = read { _ in false }
            return
        case .honest, .says, .floods, .reads: break
        }
        guard read(until: { $0.last == 0 && $0.count >= 20 }) else { return }
        say("1: ClamAV 9.9/1/now\0")
        heard = []
        switch behaviour {
        case .reads(let octets):
            _ = read { $0.count >= octets }
            return
        case .floods:
            guard read(until: isOver) else { return }
            let block = [UInt8](repeating: 0x41, count: 65_536)
            while send(session, block, block.count, CInt(MSG_NOSIGNAL)) > 0 {}
        case .says(let text, let thenHangsUp):
            guard read(until: isOver) else { return }
            say(text)
            if !thenHangsUp { _ = read { _ in false } }
        default:
            var number = 2
            while read(until: isOver) {
                say("\(number): stream: Fake.Virus FOUND\0")
                (heard, number) = ([], number + 1)
            }
        }
    }
}

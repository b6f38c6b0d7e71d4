import Foundation
import Synchronization

/// Ports of this machine that nobody uses.
enum Ports {
    struct None: Error {}

    /// What was given away already: who got it may not have bound it yet.
    private static let given = Mutex<Set<Int>>([])

    /// That many different ports, found by binding port 0 on 127.0.0.1.
    static func free(_ count: Int) throws -> [Int] {
        var ports: [Int] = []
        while ports.count < count {
            let candidates = try unbound(count - ports.count)
            ports += given.withLock { given in candidates.filter { given.insert($0).inserted } }
        }
        return ports
    }

    private static func unbound(_ count: Int) throws -> [Int] {
        var open: [Int32] = []
        defer { for one in open { close(one) } }
        return try (0..<count).map { _ in
            let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard made >= 0 else { throw None() }
            open.append(made)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let port: Int? = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                    guard bind(made, generic, size) == 0, getsockname(made, generic, &size) == 0 else { return nil }
                    return Int(UInt16(bigEndian: pointer.pointee.sin_port))
                }
            }
            guard let port else { throw None() }
            return port
        }
    }
}

import Glibc
import Synchronization

/// Ports for servers that tests start.
enum Ports {
    struct None: Error {}

    /// Below those that the system gives to clients, of which some test is one at any moment, and above those that
    /// belong to somebody.
    private static let range = 12_000..<32_000
    /// Another run on this machine begins elsewhere. No port is given twice: who got one may not have bound it yet.
    private static let next = Atomic(Int.random(in: 0..<range.count))

    /// That many different ports that nobody listens on at 127.0.0.1.
    static func free(_ count: Int) throws -> [Int] {
        var ports: [Int] = []
        for _ in range where ports.count < count {
            let port = range.lowerBound + next.wrappingAdd(1, ordering: .relaxed).newValue % range.count
            if isFree(port) { ports.append(port) }
        }
        guard ports.count == count else { throw None() }
        return ports
    }

    private static func isFree(_ port: Int) -> Bool {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard made >= 0 else { return false }
        defer { close(made) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(made, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

import Configuration
import Delivery
import MailTypes

#if canImport(Glibc)
    import Glibc
#endif

extension ServerConfiguration {
    /// Where this server takes mail: the listeners' addresses, for one that listens on all those that this machine has.
    var ownEndpoints: Set<ServerEndpoint> {
        let machine = LocalAddresses.all
        var found: Set<ServerEndpoint> = []
        for case .address(let address, let port) in listeners.flatMap(\.bind) {
            guard address.octets.allSatisfy({ $0 == 0 }) else {
                found.insert(ServerEndpoint(address, port))
                continue
            }
            // `[::]` is not asked whether it takes IPv4 as well: nobody else can have the port there then.
            for own in machine where own.isIPv6 == address.isIPv6 || address.isIPv6 {
                found.insert(ServerEndpoint(own, port))
            }
        }
        return found
    }
}

/// The addresses of this machine's network interfaces.
enum LocalAddresses {
    static var all: Set<IPAddress> {
        var found: Set<IPAddress> = ["127.0.0.1", "::1", "0.0.0.0", "::"]
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return found }
        defer { freeifaddrs(first) }
        var next = first
        while let one = next {
            next = one.pointee.ifa_next
            if let text = text(of: one.pointee.ifa_addr), let address = IPAddress(text) { found.insert(address) }
        }
        return found
    }

    private static func text(of address: UnsafeMutablePointer<sockaddr>?) -> String? {
        guard let address else { return nil }
        let size: Int
        switch Int32(address.pointee.sa_family) {
        case AF_INET: size = MemoryLayout<sockaddr_in>.size
        case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        guard
            getnameinfo(
                address, socklen_t(size), &name, socklen_t(name.count), nil, 0, NI_NUMERICHOST) == 0
        else { return nil }
        let text = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // A link-local address names its interface behind a percent sign.
        return text.split(separator: "%").first.map(String.init)
    }
}

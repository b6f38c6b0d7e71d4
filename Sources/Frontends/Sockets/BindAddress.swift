public import NIOCore

/// Where a listener listens.
public enum BindAddress: Sendable, Hashable {
    /// An IP address and a port; port 0 lets the system choose.
    case ip(String, port: Int)
    /// A socket in the file system, for LMTP.
    case unix(path: String)
}

extension BindAddress: CustomStringConvertible {
    public var description: String {
        switch self {
        case .ip(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Reads `127.0.0.1:25`, `[::]:25` and `unix:/run/sluice/lmtp`.
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), path.utf8.count <= Self.longestPath else { return nil }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard (try? SocketAddress(ipAddress: String(host), port: Int(port))) != nil else { return nil }
        self = .ip(String(host), port: Int(port))
    }

    /// What `sun_path` holds. unix(7).
    private static let longestPath = 107

    var isIPv6: Bool { if case .ip(let host, _) = self { host.contains(":") } else { false } }

    func socketAddress() throws -> SocketAddress {
        switch self {
        case .ip(let host, let port): try SocketAddress(ipAddress: host, port: port)
        case .unix(let path): try SocketAddress(unixDomainSocketPath: path)
        }
    }
}

extension SocketAddress {
    /// As a listener's `bind` has it: `127.0.0.1:25`, `[::1]:25`, `unix:/run/sluice/lmtp`.
    public var text: String {
        if let ip = ipAddress, let port { return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)" }
        return pathname.map { "unix:\($0)" } ?? description
    }
}

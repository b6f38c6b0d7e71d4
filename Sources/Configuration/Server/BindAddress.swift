public import MailTypes

/// Where a listener waits: an address and port, or a socket in the file system.
public enum BindAddress: Sendable, Hashable {
    case address(IPAddress, port: Int)
    case unix(path: String)

    public static func loopback(port: Int) -> BindAddress { .address("127.0.0.1", port: port) }
}

extension BindAddress: CustomStringConvertible {
    public var description: String {
        switch self {
        case .address(let address, let port): "\(ServerAddress(address: address, port: port))"
        case .unix(let path): "unix:\(path)"
        }
    }
}

/// An address and port of a server: `127.0.0.1:53`, `[2001:db8::1]:53`.
public struct ServerAddress: Sendable, Hashable {
    public var address: IPAddress
    public var port: Int

    public init(address: IPAddress, port: Int) {
        self.address = address
        self.port = port
    }
}

extension ServerAddress: CustomStringConvertible {
    public var description: String { address.isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}

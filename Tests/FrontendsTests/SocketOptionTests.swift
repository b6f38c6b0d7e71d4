import Foundation
import Testing

/// What the system is told of a connection's socket.
@Suite struct SocketOptionTests {
    @Test func `a connection says at once what it has to say, and asks whether a silent peer is alive`() async throws {
        let server = try await LiveServer()
        let client = try await server.client()
        _ = try await client.reply()
        let ours = Self.connections(to: server.port)
        #expect(ours.count == 1)
        for socket in ours {
            #expect(Self.option(TCP_NODELAY, CInt(IPPROTO_TCP), of: socket) != 0)
            #expect(Self.option(SO_KEEPALIVE, SOL_SOCKET, of: socket) != 0)
        }
    }

    /// The sockets of this process that are the server's end of a connection.
    private static func connections(to port: Int) -> [CInt] {
        (0..<4096).filter { socket in
            var address = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            return withUnsafeMutableBytes(of: &address) { raw in
                guard let place = raw.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return false }
                let isConnected = getpeername(socket, place, &size) == 0
                guard isConnected, getsockname(socket, place, &size) == 0 else { return false }
                return place.pointee.sa_family == sa_family_t(AF_INET)
                    && raw.load(as: sockaddr_in.self).sin_port == in_port_t(truncatingIfNeeded: port).bigEndian
            }
        }
    }

    private static func option(_ name: CInt, _ level: CInt, of socket: CInt) -> CInt {
        var value: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(socket, level, name, &value, &size) == 0 ? value : -1
    }
}

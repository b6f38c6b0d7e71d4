import NIOCore
import Protocols
import Testing

@Suite struct ClientHelloTests {
    /// A ClientHello with these extensions, not yet in records.
    private static func message(_ extensions: [(UInt16, [UInt8])]?) -> [UInt8] {
        var body: [UInt8] = [3, 3] + Array(repeating: 7, count: 32) + [0] + [0, 2, 0x13, 0x01] + [1, 0]
        if let extensions {
            let octets = extensions.flatMap { type, content in
                [UInt8(type >> 8), UInt8(type & 0xFF)] + counted(content)
            }
            body += counted(octets)
        }
        return [1, 0] + counted(body)
    }

    /// With its length in two octets before it.
    private static func counted(_ octets: [UInt8]) -> [UInt8] {
        [UInt8(octets.count >> 8), UInt8(octets.count & 0xFF)] + octets
    }

    /// In records of at most so many octets.
    private static func records(_ message: [UInt8], of size: Int = 16384) -> ByteBuffer {
        var buffer = ByteBuffer()
        for start in stride(from: 0, to: message.count, by: size) {
            let part = Array(message[start..<min(start + size, message.count)])
            buffer.writeBytes([22, 3, 1] + counted(part))
        }
        return buffer
    }

    private static func names(_ list: [String]) -> [UInt8] {
        counted(list.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) })
    }

    private static func host(_ name: String) -> [UInt8] { counted([0] + counted(Array(name.utf8))) }

    @Test(
        arguments: [
            (nil, ClientHello()), ([], ClientHello()),
            ([(0, host("mx.here.test"))], ClientHello(serverName: "mx.here.test")),
            ([(16, names(["h2", "http/1.1"]))], ClientHello(protocols: ["h2", "http/1.1"])),
            (
                [(43, [2, 3, 4]), (16, names(["smtp"])), (0, host("a.test"))],
                ClientHello(serverName: "a.test", protocols: ["smtp"])
            ),
            ([(0, host("böse.test"))], ClientHello()), ([(0, host("two words"))], ClientHello()),
        ] as [([(UInt16, [UInt8])]?, ClientHello)])
    func `a client says which server and which protocols it wants`(
        _ extensions: [(UInt16, [UInt8])]?, _ wanted: ClientHello
    ) throws {
        let message = Self.message(extensions)
        for size in [16384, 40, 7] {
            let whole = Self.records(message, of: size)
            #expect(ClientHello.read(whole) == .hello(wanted), "in records of \(size)")
            for count in 0..<whole.readableBytes {
                let part = try #require(whole.getSlice(at: whole.readerIndex, length: count))
                #expect(ClientHello.read(part) == .wait, "\(count) octets")
            }
        }
    }

    @Test(
        arguments: [
            [(16, [])], [(16, [0, 0])], [(16, [0, 1, 0])], [(16, [0, 3, 4, 1, 1])], [(16, [0, 2, 1, 65, 0])],
            [(0, [])], [(0, [0, 0])], [(0, [0, 4, 1, 0, 1, 65])], [(0, [0, 4, 0, 0, 2, 65])],
            [(16, names(["smtp"])), (16, names(["h2"]))],
        ] as [[(UInt16, [UInt8])]])
    func `broken extensions are no greeting`(_ extensions: [(UInt16, [UInt8])]) {
        #expect(ClientHello.read(Self.records(Self.message(extensions))) == .malformed)
    }

    @Test(
        arguments: [
            Array("EHLO x\r\n".utf8), Array("GET / HTTP/1.1\r\n".utf8), [21, 3, 3, 0, 2, 2, 40],
            [22, 2, 0, 0, 4, 1, 0, 0, 0], [22, 3, 1, 0, 0], [22, 3, 1, 0x40, 1, 1], [22, 3, 1, 0, 4, 2, 0, 0, 0],
            [22, 3, 1, 0, 4, 1, 0, 0x40, 1], [22, 3, 1, 0, 4, 1, 0, 0, 0],
        ] as [[UInt8]])
    func `other octets are no greeting`(_ octets: [UInt8]) {
        #expect(ClientHello.read(ByteBuffer(bytes: octets)) == .malformed)
    }

    @Test func `a length that does not fit is no greeting`() {
        var message = Self.message([(16, Self.names(["smtp"]))])
        message[43] += 1
        #expect(ClientHello.read(Self.records(message)) == .malformed)
    }

    @Test func `one octet for each record is too little`() {
        #expect(ClientHello.read(Self.records(Self.message(nil), of: 1)) == .malformed)
    }
}

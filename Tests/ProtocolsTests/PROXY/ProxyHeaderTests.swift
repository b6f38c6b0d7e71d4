import MailTypes
import NIOCore
import SluiceTesting
import Testing

@testable import Protocols

/// THREATS R22. HAProxy's proxy-protocol.txt.
@Suite struct ProxyHeaderTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let octets: [UInt8]
        let expected: ProxyHeader?
        let testDescription: String

        init(_ name: String, _ octets: [UInt8], _ expected: ProxyHeader?) {
            self.octets = octets
            self.expected = expected
            testDescription = name
        }

        init(_ line: String, _ expected: ProxyHeader?) {
            self.init(line.debugDescription, Array(line.utf8), expected)
        }
    }

    static let four = ProxyHeader.proxied(
        source: .init("192.0.2.7", 56324), destination: .init("198.51.100.1", 25))
    static let six = ProxyHeader.proxied(
        source: .init("2001:db8::7", 65535), destination: .init("2001:db8::1", 0))

    static func binary(_ version: UInt8, _ family: UInt8, _ body: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? body.count
        return ProxyHeader.signature + [version, family, UInt8(length >> 8), UInt8(length & 0xFF)] + body
    }
    static let fourBody: [UInt8] = [192, 0, 2, 7, 198, 51, 100, 1, 0xDC, 0x04, 0, 25]
    static let sixBody =
        ("2001:db8::7" as IPAddress).octets + ("2001:db8::1" as IPAddress).octets + [0xFF, 0xFF, 0, 0]

    static let rows = [
        Row("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n", four),
        Row("PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n", six),
        Row("PROXY UNKNOWN\r\n", .local),
        Row("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", .local),
        Row("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\n", nil),
        Row("PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n", nil),
        Row("PROXY TCP4 192.0.2.7 198.51.100.1 56324 25 \r\n", nil),
        Row("PROXY TCP4  192.0.2.7 198.51.100.1 56324 25\r\n", nil),
        Row("PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n", nil),
        Row("PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n", nil),
        Row("PROXY TCP4 192.0.2.7 198.51.100.1 025 25\r\n", nil),
        Row("PROXY TCP4 192.0.2.777 198.51.100.1 1 25\r\n", nil),
        Row("PROXY TCP4 2001:db8::7 2001:db8::1 1 25\r\n", nil),
        Row("PROXY TCP6 192.0.2.7 198.51.100.1 1 25\r\n", nil),
        Row("PROXY UDP4 192.0.2.7 198.51.100.1 1 25\r\n", nil),
        Row("PROXY \r\n", nil),
        Row("proxy TCP4 192.0.2.7 198.51.100.1 1 25\r\n", nil),
        Row("EHLO client.example\r\n", nil),
        Row("PROXY UNKNOWN " + String(repeating: "x", count: 200) + "\r\n", nil),
        Row("v2 IPv4", binary(0x21, 0x11, fourBody), four),
        Row("v2 IPv6", binary(0x21, 0x21, sixBody), six),
        Row("v2 with TLVs", binary(0x21, 0x11, fourBody + [0x04, 0, 3, 1, 2, 3]), four),
        Row("v2 with a torn TLV", binary(0x21, 0x11, fourBody + [0x04, 0xFF]), four),
        Row("v2 LOCAL", binary(0x20, 0x11, fourBody), .local),
        Row("v2 LOCAL without addresses", binary(0x20, 0x00, []), .local),
        Row("v2 UNSPEC", binary(0x21, 0x00, [1, 2, 3]), .local),
        Row("v2 too short", binary(0x21, 0x11, Array(fourBody.dropLast())), nil),
        Row("v2 IPv6 with IPv4's octets", binary(0x21, 0x21, fourBody), nil),
        Row("v2 UDP", binary(0x21, 0x12, fourBody), nil),
        Row("v2 UNIX", binary(0x21, 0x31, [UInt8](repeating: 0, count: 216)), nil),
        Row("version 1 in binary", binary(0x11, 0x11, fourBody), nil),
        Row("unknown command", binary(0x22, 0x11, fourBody), nil),
        Row("absurd length", binary(0x21, 0x11, fourBody, length: 65535), nil),
        Row("TLS", [0x16, 0x03, 0x01], nil),
    ]

    @Test(arguments: rows)
    func `a header is read whole, and what follows is left`(_ row: Row) {
        var input = ByteBuffer(bytes: row.octets + Array("EHLO".utf8))
        let result = ProxyHeader.parse(&input)
        #expect(result == row.expected.map(ProxyHeader.Result.header) ?? .refused)
        if row.expected != nil { #expect(String(buffer: input) == "EHLO") }
    }

    @Test(arguments: rows.filter { $0.expected != nil })
    func `a part of a header is waited for, and untouched`(_ row: Row) {
        for count in 0..<row.octets.count {
            var input = ByteBuffer(bytes: row.octets[..<count])
            #expect(ProxyHeader.parse(&input) == .wait)
            #expect(input.readableBytes == count)
        }
    }

    @Test func `no octets make it trap`() {
        var random = SeededRandom(22)
        for _ in 0..<20_000 {
            var octets = Self.rows.randomElement(using: &random)?.octets ?? []
            for _ in 0..<3 where !octets.isEmpty {
                let place = Int.random(in: 0..<octets.count, using: &random)
                octets[place] = UInt8.random(in: .min ... .max, using: &random)
            }
            var input = ByteBuffer(bytes: octets)
            _ = ProxyHeader.parse(&input)
        }
    }
}

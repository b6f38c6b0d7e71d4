import MailTypes
import NIOCore
import SluiceTesting
import Testing

@testable import Protocols

/// THREATS R20: what is stuffed with dots, sent in pieces and read is what it was. RFC 5321 §4.5.2.
@Suite struct DotStuffingTests {
    static let rounds = 20_000

    @Test func `any message survives stuffing and any cuts`() {
        var random = SeededRandom(20)
        for _ in 0..<Self.rounds {
            let message = Self.message(&random)
            var pieces = Self.cut(Self.stuffed(message) + Array(".\r\nNEXT".utf8), &random)
            var input = ByteBuffer()
            var reader = SMTPContentReader(.plain)
            var read: [UInt8] = []
            reading: while true {
                switch reader.data(&input) {
                case .content(let octets): read += octets.readableBytesView
                case .wait:
                    guard !pieces.isEmpty else {
                        Issue.record("no end")
                        return
                    }
                    input.writeBytes(pieces.removeFirst())
                case .failed:
                    Issue.record("failed")
                    return
                case .end: break reading
                }
            }
            let left = Array(input.readableBytesView) + pieces.joined()
            guard read == message, reader.size == message.count, left == Array("NEXT".utf8) else {
                Issue.record("\(message) became \(read), left \(left)")
                return
            }
        }
    }

    @Test func `without dots to take out, nothing is copied`() {
        var input = ByteBuffer(string: "Subject: x\r\n\r\nbody\r\n.\r\n")
        let before = input.withVeryUnsafeBytes { $0.baseAddress }
        var reader = SMTPContentReader(.plain)
        guard case .content(let octets) = reader.data(&input) else {
            Issue.record("no content")
            return
        }
        #expect(String(buffer: octets) == "Subject: x\r\n\r\nbody\r\n")
        #expect(octets.withVeryUnsafeBytes { $0.baseAddress } == before)
        #expect(reader.data(&input) == .end)
        #expect(input.readableBytes == 0)
    }

    @Test(arguments: 0..<80)
    func `special octets are found wherever they stand`(_ place: Int) {
        for octet in [UInt8(0), .cr, .lf] {
            var bytes = [UInt8](repeating: .tab, count: 80)
            bytes[place] = octet
            let found = bytes.withUnsafeBytes { SMTPContentReader.firstSpecial(in: $0, from: 0) }
            #expect(found == place)
        }
        let plain = [UInt8](repeating: 14, count: place)
        #expect(plain.withUnsafeBytes { SMTPContentReader.firstSpecial(in: $0, from: 0) } == place)
    }

    /// Lines mostly of dots, ended by CR LF.
    private static func message(_ random: inout SeededRandom) -> [UInt8] {
        var message: [UInt8] = []
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                message.append(Array("...ab".utf8).randomElement(using: &random) ?? 0x2E)
            }
            if Int.random(in: 0..<8, using: &random) == 0 { message += [UInt8](repeating: 0x61, count: 70) }
            message += [.cr, .lf]
        }
        return message
    }

    private static func stuffed(_ message: [UInt8]) -> [UInt8] {
        var stuffed: [UInt8] = []
        var isAtStart = true
        for octet in message {
            if isAtStart, octet == UInt8(ascii: ".") { stuffed.append(octet) }
            stuffed.append(octet)
            isAtStart = octet == .lf
        }
        return stuffed
    }

    private static func cut(_ octets: [UInt8], _ random: inout SeededRandom) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var start = 0
        while start < octets.count {
            let end = min(octets.count, start + Int.random(in: 1...5, using: &random))
            pieces.append(octets[start..<end])
            start = end
        }
        return pieces
    }
}

extension SMTPContentReader.Rules {
    static let plain = Self(maxSize: 0, maxLine: 0, cleansLineEnds: false, isBinary: false)
}

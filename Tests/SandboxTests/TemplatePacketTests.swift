import Testing

@testable import Sandbox

/// What the server and the template of scanners say to each other.
@Suite struct TemplatePacketTests {
    static let requests: [TemplateRequest] = [
        .start(0), .start(.max), .collect(1, waits: false), .collect(.max, waits: true),
    ]
    static let replies: [TemplateReply] = [
        .ready(version: "ClamAV 1.4.6", signatures: 8_700_000), .ready(version: "", signatures: 0),
        .started(process: 4711), .collected(status: 0), .collected(status: -1), .collected(status: nil),
        .failed(reason: "fork: 11"),
    ]

    @Test func `what is written is read back, and by the other side only`() throws {
        for request in Self.requests {
            #expect(try TemplateRequest(request.packet).packet == request.packet)
            #expect(throws: MalformedPacket.self) { try TemplateReply(request.packet) }
        }
        for reply in Self.replies {
            #expect(try TemplateReply(reply.packet).packet == reply.packet)
            #expect(throws: MalformedPacket.self) { try TemplateRequest(reply.packet) }
        }
    }

    @Test func `no packet is read that is cut or has something behind it, and any octet may be another one`() {
        for packet in Self.requests.map(\.packet) + Self.replies.map(\.packet) {
            for cut in packet.indices.map({ Array(packet[..<$0]) }) + [packet + [0]] {
                #expect(throws: MalformedPacket.self) { try TemplateRequest(cut) }
                #expect(throws: MalformedPacket.self) { try TemplateReply(cut) }
            }
            for place in packet.indices {
                for octet: UInt8 in [0, 1, 0x0A, 0x7F, 0x80, 0x84, 0xFF] {
                    var damaged = packet
                    damaged[place] = octet
                    ScannerTemplateFuzzing.packet(damaged)
                }
            }
        }
    }

    @Test func `no process has the number nought, or one that no process can have`() {
        for number: UInt32 in [0, 0x8000_0000, .max] {
            let octets = withUnsafeBytes(of: number.bigEndian, Array.init)
            for kind: UInt8 in [2, 3] { #expect(throws: MalformedPacket.self) { try TemplateRequest([kind] + octets) } }
            #expect(throws: MalformedPacket.self) { try TemplateReply([0x81] + octets) }
        }
    }
}

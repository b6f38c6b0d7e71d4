import MailTypes
import Testing

@testable import Protocols

/// Packets, commands and replies: the same rows for writing and reading.
@Suite struct MilterCodecTests {
    static func text(_ octets: [UInt8]) -> String { String(decoding: octets, as: UTF8.self) }

    static let offer = MilterNegotiation(
        actions: [.addHeaders, .nameMacros], steps: [.noBody, .skip], macros: [.connect: ["j", "{daemon_name}"]])

    static let commands: [(MilterCommand, String)] = [
        (
            .negotiate(offer),
            "O\0\0\0\u{6}\0\0\u{1}\u{1}\0\0\u{4}\u{10}\0\0\0\0j {daemon_name}\0"
        ),
        (.macros(for: UInt8(ascii: "M"), [MilterMacro("i", "7"), MilterMacro("{x}", "")]), "DMi\07\0{x}\0\0"),
        (.connect(host: "mx.out.example", .address("192.0.2.7", port: 0x1234)), "Cmx.out.example\04\u{12}4192.0.2.7\0"),
        (.connect(host: "a", .address("2001:db8::1", port: 25)), "Ca\06\0\u{19}IPv6:2001:db8::1\0"),
        (.connect(host: "a", .local(path: "/run/s")), "Ca\0L\0\0/run/s\0"), (.connect(host: "a", .unknown), "Ca\0U"),
        (.hello("mx"), "Hmx\0"), (.mail("<a@b.example>", ["SIZE=7"]), "M<a@b.example>\0SIZE=7\0"),
        (.recipient("<c@d.example>", []), "R<c@d.example>\0"), (.data, "T"),
        (.header(name: "Subject", value: "one\n two"), "LSubject\0one\n two\0"), (.endOfHeader, "N"),
        (.body(Array("text\0".utf8)), "Btext\0"), (.endOfMessage([]), "E"), (.abort, "A"),
        (.unknown("VRFY x"), "UVRFY x\0"), (.quit, "Q"), (.quitForNext, "K"),
    ]

    static let replies: [(MilterReply, String)] = [
        (.continue, "c"), (.accept, "a"), (.reject, "r"), (.tempfail, "t"), (.discard, "d"), (.skip, "s"),
        (.progress, "p"), (.shutdown, "4"), (.connectionFailure, "f"),
        (.refuse(Reply(550, .deliveryNotAuthorized, "100% no")), "y550 5.7.1 100%% no\0"),
        (
            .refuse(Reply(451, .deliveryNotAuthorized, lines: ["one", "two"])),
            "y451-4.7.1 one\r\n451 4.7.1 two\0"
        ),
        (.refuse(Reply(554, "Plain")), "y554 Plain\0"),
        (.change(.addField(name: "X", value: " v")), "hX\0 v\0"),
        (.change(.insertField(at: 3, name: "X", value: "")), "i\0\0\0\u{3}X\0\0"),
        (.change(.changeField(number: 1, name: "X", value: "a\n\tb")), "m\0\0\0\u{1}X\0a\n\tb\0"),
        (.change(.replaceBody([0, 10])), "b\0\n"), (.change(.addRecipient("<a@b>", parameters: nil)), "+<a@b>\0"),
        (.change(.addRecipient("<a@b>", parameters: "NOTIFY=NEVER")), "2<a@b>\0NOTIFY=NEVER\0"),
        (.change(.deleteRecipient("a@b")), "-a@b\0"), (.change(.changeSender("<>", parameters: nil)), "e<>\0"),
        (.change(.changeSender("<a@b>", parameters: "SIZE=1")), "e<a@b>\0SIZE=1\0"),
        (.change(.quarantine("why")), "qwhy\0"),
    ]

    static func framed(_ text: String) -> [UInt8] {
        let count = text.utf8.count
        return [0, 0, UInt8(count >> 8), UInt8(count & 0xFF)] + text.utf8
    }

    @Test func `commands and replies are written and read alike`() throws {
        for (command, text) in Self.commands {
            #expect(command.packet.octets == Self.framed(text), "\(command)")
            #expect(try MilterCommand(command.packet) == command)
        }
        for (reply, text) in Self.replies {
            #expect(reply.packet.octets == Self.framed(text), "\(reply)")
            #expect(try MilterReply(reply.packet) == reply)
        }
    }

    @Test func `packets are the same however they are cut`() throws {
        let packets = Self.commands.map(\.0.packet)
        let octets = packets.flatMap(\.octets)
        for length in [1, 2, 3, 7, octets.count] {
            var (reader, read) = (MilterPacketReader(), [MilterPacket]())
            for start in stride(from: 0, to: octets.count, by: length) {
                reader.append(octets[start..<min(start + length, octets.count)])
                while let packet = try reader.next() { read.append(packet) }
            }
            #expect(read == packets && reader.pending == 0)
        }
    }

    @Test(arguments: [
        "\0\0\0\0", "\u{7F}\u{7F}\u{7F}\u{7F}", "\0\u{10}\0\u{2}c",
    ])
    func `a packet without a code or without end is a fault`(_ text: String) {
        var reader = MilterPacketReader()
        reader.append(text.utf8)
        #expect(throws: MilterFault.self) { try reader.next() }
    }

    /// Data that is cut short, goes on behind the end, or is none of that code.
    @Test(arguments: [
        "", "z", "cc", "a\0", "hX", "hX\0v", "hX\0v\0w", "iX\0v\0", "i\0\0\0", "m\0\0\0\u{1}X\0", "+a@b", "2a", "e",
        "O\0\0\0\u{6}\0\0", "O\0\0\0\u{6}\0\0\0\0\0\0\0\0\0\0\0\u{9}j\0", "q", "y", "y250 2.0.0 fine\0", "y55 no\0",
        "y550 one\r\n550 two\0", "y550-one\0", "y550 no", "y5500 no\0", "yno\0",
        "O\0\0\0\u{6}\0\0\0\0\0\0\0\0\0\0\0\0j\0\0\0\0\0i\0",
    ])
    func `R166: a reply that does not fit is a fault`(_ text: String) throws {
        guard let code = text.utf8.first else { return }
        #expect(throws: MilterFault.self) {
            try MilterReply(MilterPacket(code: code, data: Array(text.utf8.dropFirst())))
        }
    }

    @Test(arguments: [
        "z", "M", "M<a>", "Ca", "Ca\0", "Ca\04\0\u{19}", "Ca\04\0\u{19}x\0", "Ca\0x\0\u{19}192.0.2.1\0", "DMi\0", "D",
        "Tx",
    ])
    func `a command that does not fit is a fault`(_ text: String) {
        #expect(throws: MilterFault.self) {
            try MilterCommand(MilterPacket(code: text.utf8.first ?? 0, data: Array(text.utf8.dropFirst())))
        }
    }

    @Test func `what could end a text early does not get into it`() throws {
        let packet = MilterCommand.header(name: "X\0Y", value: "a\0b").packet
        #expect(try MilterCommand(packet) == .header(name: "X", value: "a"))
    }
}

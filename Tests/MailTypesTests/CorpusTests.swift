import Foundation
import MailTypes
import SluiceTesting
import Testing

/// What holds for any octets at all.
enum Invariants {
    static func check(_ octets: [UInt8], _ comment: Comment? = nil) {
        guard let message = try? Message(parsing: Bytes(octets)) else { return }
        let stored = message.pieces.flatMap(\.array)
        #expect(stored.count == message.size, comment)
        if message.header.defects.isEmpty { #expect(stored == octets, comment) }
        check(message, comment)
        for field in message.header.fields { read(field) }
    }

    static func check(_ message: Message, _ comment: Comment?) {
        let structure = MIMEStructure(of: message)
        #expect(structure.parts.count <= message.body.count + 2, comment)
        for (index, part) in structure.parts.enumerated() {
            #expect(part.content.lowerBound >= 0 && part.content.upperBound <= message.body.count, comment)
            #expect(part.header.upperBound <= part.content.lowerBound, comment)
            if let parent = part.parent {
                #expect(parent < index, comment)
                let outer = structure.parts[parent]
                #expect(part.depth == outer.depth + 1, comment)
                #expect(part.header.lowerBound >= outer.content.lowerBound, comment)
                #expect(part.content.upperBound <= max(outer.content.upperBound, part.content.lowerBound), comment)
            }
            _ = part.fileName
            #expect(part.decoded(from: message.body).count <= part.content.count, comment)
        }
    }

    /// Reads the field as everything that a field can be.
    static func read(_ field: HeaderField) {
        for address in AddressList(field).addresses {
            #expect((try? AddressParser.mailbox(address.description)) == address)
        }
        if let date = MailDate(parsing: field.rawValue) {
            #expect(MailDate(parsing: Array(date.description.utf8)[...]) == date)
        }
        _ = MessageID.list(parsing: field.rawValue)
        _ = MessageID(parsing: field.rawValue)
        _ = ParsedAuthenticationResults(field).claims(host: "mx.example.org")
        _ = ContentType(parsing: field.rawValue)
        _ = EncodedWord.decode(field.value)
        let again = HeaderField(name: field.name, value: field.value)
        #expect(again.raw.suffix(2).elementsEqual([.cr, .lf]))
    }
}

@Suite struct CorpusTests {
    @Test(.enabled(if: Suites.has("mime"), "the mime suite is not here"))
    func `every message of the mime suite parses and comes out as it went in`() {
        let messages = Suites.messages("mime")
        #expect(messages.count > 150)
        for (name, octets) in messages {
            Invariants.check(octets, "\(name)")
            Invariants.check(LineEnds.canonical(octets), "\(name) with CR LF")
        }
    }

    @Test(.enabled(if: Suites.has("mime"), "the mime suite is not here"))
    func `messages that break off anywhere are messages`() {
        for (name, octets) in Suites.messages("mime") {
            let octets = LineEnds.canonical(octets)
            let step = max(1, min(octets.count, 8000) / 40)
            for length in stride(from: 0, to: min(octets.count, 8000), by: step) {
                Invariants.check(Array(octets.prefix(length)), "\(name) up to \(length)")
            }
        }
    }
}

/// A stand-in for the fuzzers that runs with every test: the same mutations each time.
@Suite struct MutationTests {
    static let seeds: [String] = [
        "From: a@b\r\nTo: G: \"x y\" <c@d>, e@f (g);\r\nDate: Fri, 21 Nov 1997 09:55:06 -0600\r\n\r\nbody\r\n",
        """
        Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r
        Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?x?=\r
        Content-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r
        Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r
        --bb--\r\n--b\r\nContent-Disposition: attachment; filename*0*=utf-8''%C3; filename*1=a\r
        Content-Transfer-Encoding: quoted-printable\r\n\r\na=\r\nb=41\r\n--b--\r\n
        """,
        "Authentication-Results: (c) mx.example.org 1; spf=pass reason=\"x\" smtp.mailfrom=\"a b\"@c; dkim/1=fail\r\n"
            + "References: <a@b> <c@d>\r\nMessage-ID: <x@[192.0.2.1]>\r\n\r\n",
    ]
    static let paths = [
        "<@a,@[192.0.2.1]:\"u\\\"@T\"@s.example> SIZE=1", "<u@[IPv6:2001:db8::1]>", "<é@ü.example>", "<>",
    ]
    static let tokens: [[UInt8]] =
        [
            "\r\n", "\n", "\r", "\0", "--b", "--b--", ":", ";", "=", "\"", "(", ")", "<", ">", "@", "\\", "*", "%", "'",
            "=?", "?=", " ", "\t", "é", "From ",
        ]
        .map { Array($0.utf8) } + [[0xFF], [0xC3], [0x80]]

    static func mutated(_ seed: [UInt8], _ chance: inout SeededRandom) -> [UInt8] {
        var octets = seed
        for _ in 0..<Int.random(in: 1...6, using: &chance) {
            let place = Int.random(in: 0...octets.count, using: &chance)
            switch Int.random(in: 0..<5, using: &chance) {
            case 0: octets.insert(contentsOf: tokens.randomElement(using: &chance) ?? [], at: place)
            case 1: octets.removeSubrange(place..<min(octets.count, place + Int.random(in: 0..<20, using: &chance)))
            case 2: if place < octets.count { octets[place] = UInt8.random(in: 0...255, using: &chance) }
            case 3:
                let length = min(octets.count - place, Int.random(in: 0..<60, using: &chance))
                octets.insert(
                    contentsOf: Array(octets[place..<place + length]),
                    at: Int.random(in: 0...octets.count, using: &chance))
            default: octets.removeSubrange(place...)
            }
            if octets.isEmpty { break }
        }
        return octets
    }

    @Test func `the seeds of the fuzzers break no parser`() {
        let seeds = Suites.files(in: Suites.package.appendingPathComponent("Fuzz/seeds"))
        #expect(seeds.count > 20)
        for (name, octets) in seeds {
            Invariants.check(octets, "\(name)")
            Invariants.read(HeaderField(name: "X-Seed", value: String(decoding: octets, as: UTF8.self)))
            _ = try? AddressParser.path(octets[...], .forward, options: .stored)
        }
    }

    @Test func `20,000 mutations break no parser`() {
        var chance = SeededRandom(1997)
        let seeds = Self.seeds.map { Array($0.utf8) }
        let paths = Self.paths.map { Array($0.utf8) }
        for round in 0..<10_000 {
            Invariants.check(Self.mutated(seeds[round % seeds.count], &chance), "message \(round)")
            let path = Self.mutated(paths[round % paths.count], &chance)
            for direction in [AddressParser.Direction.reverse, .forward] {
                guard let (parsed, rest) = try? AddressParser.path(path[...], direction, options: .stored) else {
                    continue
                }
                #expect(rest.endIndex == path.count)
                guard let mailbox = parsed.mailbox else { continue }
                #expect((try? AddressParser.mailbox(mailbox.description)) == mailbox, "path \(round)")
                #expect(mailbox.description.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
            }
        }
    }
}

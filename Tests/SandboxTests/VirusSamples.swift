import Foundation
import MailTypes

/// Messages with the EICAR test string, which is put together only here, and databases that know it.
enum VirusSamples {
    /// In halves, so that no scanner finds it in this file.
    static let eicar = Array(
        (["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND", "ARD-ANTIVIRUS-TEST-FILE!$H+H*"].joined()).utf8)

    /// A folder with databases of our own: of the EICAR string, and more by name and content.
    static func databases(_ more: [String: String] = [:]) throws -> String {
        let folder = NSTemporaryDirectory() + "/databases-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let digits = eicar.map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined()
        let all = ["eicar.ndb": "Eicar-Test-Signature:0:*:\(digits)\n"].merging(more) { $1 }
        for (name, content) in all {
            try content.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
        }
        return folder
    }

    // MARK: Messages

    static func message(_ lines: [String], fields: [String] = []) throws -> Message {
        try message(Array((lines.joined(separator: "\r\n") + "\r\n").utf8), fields: fields)
    }

    static func message(_ body: [UInt8], fields: [String] = []) throws -> Message {
        let header = ["From: a@out.example", "To: b@here.example", "Subject: sample"] + fields + ["", ""]
        return try Message(parsing: Bytes(Array(header.joined(separator: "\r\n").utf8) + body))
    }

    static func base64(_ octets: [UInt8], lines: Int = 76) -> [String] {
        let text = Array(Data(octets).base64EncodedString())
        return stride(from: 0, to: text.count, by: lines).map { String(text[$0..<min($0 + lines, text.count)]) }
    }

    /// A text and a file in base64.
    static func attached(_ octets: [UInt8], name: String = "file.bin", fields: [String] = []) throws -> Message {
        try message(
            ["--parts", "Content-Type: text/plain", "", "See the file.", "--parts"]
                + part(octets, name: name) + ["--parts--"],
            fields: ["MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=parts"] + fields)
    }

    /// A part's header and content in base64.
    static func part(_ octets: [UInt8], name: String = "file.bin") -> [String] {
        [
            "Content-Type: application/octet-stream; name=\"\(name)\"",
            "Content-Disposition: attachment; filename=\"\(name)\"", "Content-Transfer-Encoding: base64", "",
        ] + base64(octets)
    }

    // MARK: Where a virus may lie

    /// The test string in what every scanner must look into.
    static func bad() throws -> [(String, Message)] {
        let nested = try attached(zip(zip(eicar)))
        return try [
            ("plain", try message(eicar)), ("base64", try attached(eicar)), ("zip in zip", nested),
            ("tar.gz", try attached(gzip(tar(eicar)))),
            (
                "nested message",
                try message(
                    nested.pieces.flatMap(\.array), fields: ["MIME-Version: 1.0", "Content-Type: message/rfc822"])
            ),
        ] + tricks()
    }

    private static func mixed(
        _ lines: [String], type: String = "multipart/mixed; boundary=parts"
    ) throws -> Message {
        try message(lines, fields: ["MIME-Version: 1.0", "Content-Type: \(type)"])
    }

    /// One part behind each boundary, of which one has the virus.
    private static func between(_ good: String, _ bad: String) -> [String] {
        ["--\(good)", "Content-Type: text/plain", "", "Hello.", "--\(bad)"] + part(eicar) + [
            "--\(bad)--", "--\(good)--",
        ]
    }

    /// A part with that encoding field, or those.
    private static func encoded(_ fields: [String], _ content: [String]) throws -> Message {
        try mixed(["--parts", "Content-Type: application/octet-stream"] + fields + [""] + content + ["--parts--"])
    }

    /// What is done to a message so that scanners and mail programs do not take it apart alike.
    static func tricks() throws -> [(String, Message)] {
        let code = base64(eicar)
        let hidden = String(repeating: "x", count: 1000)
        let quoted = eicar.map { String(format: "=%02X", $0) }
        let deep = (0..<60).flatMap { ["--b\($0)", "Content-Type: multipart/mixed; boundary=b\($0 + 1)", ""] }
        let inside = try attached(zip(eicar)).pieces.flatMap(\.array)
        return [
            (
                "the first of two boundaries",
                try mixed(between("last", "first"), type: "multipart/mixed; boundary=first; boundary=last")
            ),
            (
                "the last of two boundaries",
                try mixed(between("first", "last"), type: "multipart/mixed; boundary=first; boundary=last")
            ),
            (
                "a boundary of a kilobyte",
                try mixed(
                    ["--\(hidden)"] + part(eicar) + ["--\(hidden)--"], type: "multipart/mixed; boundary=\(hidden)")
            ),
            ("an empty boundary", try mixed(["--"] + part(eicar) + ["----"], type: "multipart/mixed; boundary=\"\"")),
            ("no boundary", try mixed(["--parts"] + part(eicar) + ["--parts--"], type: "multipart/mixed")),
            (
                "a boundary that begins another",
                try mixed(
                    ["--parts", "Content-Type: multipart/mixed; boundary=partsandmore", "", "--partsandmore"]
                        + part(eicar)
                        + ["--partsandmore--", "--parts--"])
            ),
            (
                "a boundary within itself",
                try mixed(
                    ["--parts", "Content-Type: multipart/mixed; boundary=parts", "", "--parts"] + part(eicar)
                        + ["--parts--"])
            ),
            ("no final boundary", try mixed(["--parts"] + part(eicar))),
            (
                "base64 with other octets",
                try encoded(["Content-Transfer-Encoding: base64"], [code[0].replacing("J", with: "J*! "), code[1]])
            ),
            (
                "base64 without its end",
                try encoded(["Content-Transfer-Encoding: base64"], [code[0], code[1].replacing("=", with: "")])
            ),
            ("base64 in short lines", try encoded(["Content-Transfer-Encoding: base64"], base64(eicar, lines: 5))),
            (
                "base64 in one line",
                try encoded(
                    ["Content-Transfer-Encoding: base64"],
                    base64(eicar + [UInt8](repeating: 10, count: 2000), lines: 9000))
            ),
            ("an encoding in odd letters", try encoded(["content-transfer-encoding:\r\n BaSe64 (quite so)"], code)),
            ("an encoding with a blank before its colon", try encoded(["Content-Transfer-Encoding : base64"], code)),
            (
                "two encodings, the first of them true",
                try encoded(["Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: 7bit"], code)
            ),
            (
                "two encodings, the last of them true",
                try encoded(["Content-Transfer-Encoding: 7bit", "Content-Transfer-Encoding: base64"], code)
            ),
            (
                "quoted-printable",
                try encoded(
                    ["Content-Transfer-Encoding: quoted-printable"],
                    stride(from: 0, to: quoted.count, by: 20).map {
                        quoted[$0..<min($0 + 20, quoted.count)].joined() + ($0 + 20 < quoted.count ? "=" : "")
                    })
            ),
            (
                "sixty parts in one another",
                try mixed(deep + ["--b60"] + part(eicar) + ["--b60--"], type: "multipart/mixed; boundary=b0")
            ),
            (
                "a message in base64",
                try message(
                    base64(inside),
                    fields: ["MIME-Version: 1.0", "Content-Type: message/rfc822", "Content-Transfer-Encoding: base64"])
            ),
            (
                "a name in pieces",
                try encoded(
                    [
                        "Content-Disposition: attachment; filename*1=\"xe\"; filename*0=\"a.e\"",
                        "Content-Transfer-Encoding: base64",
                    ], code)
            ),
            (
                "a field before all others that nobody knows",
                try Message(parsing: Bytes(Array("Aaa: b\r\n".utf8) + attached(eicar).pieces.flatMap(\.array)))
            ),
            (
                "an unknown kind of multipart",
                try mixed(["--parts"] + part(eicar) + ["--parts--"], type: "multipart/x-unheard; boundary=parts")
            ),
            (
                "a line that looks like a mailbox's",
                try mixed(
                    [
                        "--parts", "Content-Type: text/plain", "", "x", "", "From nobody Thu Jan  1 00:00:00 1970", "y",
                        "--parts",
                    ] + part(eicar) + ["--parts--"])
            ),
        ]
    }

    // MARK: Archives

    /// A zip with one file, not compressed; `flags` as in its header, 1 for encrypted.
    static func zip(_ octets: [UInt8], name: String = "a.txt", flags: UInt16 = 0) -> [UInt8] {
        let file = Array(name.utf8)
        let sizes = le32(crc32(octets)) + le32(octets.count) + le32(octets.count) + le16(file.count)
        let common = le16(20) + le16(Int(flags)) + le16(0) + le16(0) + le16(0x21) + sizes + le16(0)
        let local = [0x50, 0x4B, 3, 4] + common + file + octets
        let central = [0x50, 0x4B, 1, 2] + le16(20) + common + le16(0) + le16(0) + le16(0) + le32(0) + le32(0) + file
        let end = [0x50, 0x4B, 5, 6] + le16(0) + le16(0) + le16(1) + le16(1) + le32(central.count) + le32(local.count)
        return local + central + end + le16(0)
    }

    /// A tar with one file.
    static func tar(_ octets: [UInt8], name: String = "a.txt") -> [UInt8] {
        func field(_ text: String, _ size: Int) -> [UInt8] {
            Array(text.utf8) + [UInt8](repeating: 0, count: size - text.utf8.count)
        }
        var header = field(name, 100) + field("0000644", 8) + field("0000000", 8) + field("0000000", 8)
        header += field(octal(octets.count, 11), 12) + field("00000000000", 12) + Array("        0".utf8)
        header += field("", 100) + Array("ustar".utf8) + [0] + Array("00".utf8)
        header += field("", 512 - header.count)
        let sum = header.reduce(0) { $0 + Int($1) }
        header.replaceSubrange(148..<156, with: Array(octal(sum, 6).utf8) + [0, 0x20])
        let padding = [UInt8](repeating: 0, count: (512 - octets.count % 512) % 512 + 1024)
        return header + octets + padding
    }

    /// A gzip file whose content is stored, not compressed. RFC 1952, RFC 1951 §3.2.4.
    static func gzip(_ octets: [UInt8]) -> [UInt8] {
        var blocks: [UInt8] = []
        var rest = octets[...]
        repeat {
            let block = rest.prefix(0xFFFF)
            rest = rest.dropFirst(block.count)
            blocks += [rest.isEmpty ? 1 : 0] + le16(block.count) + le16(~block.count & 0xFFFF) + block
        } while !rest.isEmpty
        return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3] + blocks + le32(crc32(octets)) + le32(octets.count)
    }

    private static func octal(_ number: Int, _ digits: Int) -> String {
        let text = String(number, radix: 8)
        return String(repeating: "0", count: digits - text.count) + text
    }

    private static func le16(_ number: Int) -> [UInt8] { [UInt8(number & 0xFF), UInt8(number >> 8 & 0xFF)] }
    private static func le32(_ number: some BinaryInteger) -> [UInt8] {
        le16(Int(number) & 0xFFFF) + le16(Int(number) >> 16 & 0xFFFF)
    }

    static func crc32(_ octets: [UInt8]) -> UInt32 {
        ~octets.reduce(~UInt32(0)) { sum, octet in
            (0..<8).reduce(sum ^ UInt32(octet)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
    }
}

public import MailTypes
import NIOCore

/// What a milter answers. docs/milter.md has the table.
public enum MilterReply: Sendable, Hashable {
    case negotiate(MilterNegotiation)
    case `continue`
    case accept
    case reject
    case tempfail
    case discard
    /// A refusal in the milter's own words.
    case refuse(Reply)
    case skip
    case progress
    case shutdown
    case connectionFailure
    case change(MilterChange)
}

/// What a milter wants to be different about a message, in the order in which it says so.
public enum MilterChange: Sendable, Hashable {
    /// At the end of the header.
    case addField(name: String, value: String)
    /// Before the field at this place, from 0 at the top.
    case insertField(at: UInt32, name: String, value: String)
    /// The field that is the so manieth of its name, from 1; an empty value takes it out.
    case changeField(number: UInt32, name: String, value: String)
    /// A piece of the body that takes the old one's place; pieces follow one another.
    case replaceBody([UInt8])
    case addRecipient(String, parameters: String?)
    case deleteRecipient(String)
    case changeSender(String, parameters: String?)
    case quarantine(String)

    /// What a milter must have been allowed to say so.
    public var action: MilterActions {
        switch self {
        case .addField, .insertField: .addHeaders
        case .changeField: .changeHeaders
        case .replaceBody: .changeBody
        case .addRecipient(_, nil): .addRecipients
        case .addRecipient: .addRecipientsWithParameters
        case .deleteRecipient: .deleteRecipients
        case .changeSender: .changeSender
        case .quarantine: .quarantine
        }
    }

    /// Octets that it takes in memory, about.
    var size: Int {
        switch self {
        case .addField(let name, let value), .insertField(_, let name, let value),
            .changeField(_, let name, let value):
            name.utf8.count + value.utf8.count
        case .replaceBody(let octets): octets.count
        case .addRecipient(let text, let parameters), .changeSender(let text, let parameters):
            text.utf8.count + (parameters?.utf8.count ?? 0)
        case .deleteRecipient(let text), .quarantine(let text): text.utf8.count
        }
    }
}

extension MilterReply {
    public var packet: MilterPacket {
        switch self {
        case .negotiate(let answer): answer.packet
        case .continue: MilterPacket("c")
        case .accept: MilterPacket("a")
        case .reject: MilterPacket("r")
        case .tempfail: MilterPacket("t")
        case .discard: MilterPacket("d")
        case .refuse(let reply): .texts("y", [MilterReplyText.write(reply)])
        case .skip: MilterPacket("s")
        case .progress: MilterPacket("p")
        case .shutdown: MilterPacket("4")
        case .connectionFailure: MilterPacket("f")
        case .change(let change): change.packet
        }
    }

    /// Reads a reply, as a mail server gets it.
    public init(_ packet: MilterPacket) throws(MilterFault) {
        var data = MilterDataReader(packet)
        switch Character(Unicode.Scalar(packet.code)) {
        case "O": self = .negotiate(try MilterNegotiation(&data))
        case "c": self = .continue
        case "a": self = .accept
        case "r": self = .reject
        case "t": self = .tempfail
        case "d": self = .discard
        case "y": self = .refuse(try MilterReplyText.read(try data.text()))
        case "s": self = .skip
        case "p": self = .progress
        case "4": self = .shutdown
        case "f": self = .connectionFailure
        default:
            guard let change = try MilterChange(packet, &data) else {
                throw MilterFault("\(packet.name) is no reply")
            }
            self = .change(change)
        }
        try data.end()
    }
}

extension MilterChange {
    var packet: MilterPacket {
        switch self {
        case .addField(let name, let value): .texts("h", [name, value])
        case .insertField(let place, let name, let value): .numbered("i", place, [name, value])
        case .changeField(let number, let name, let value): .numbered("m", number, [name, value])
        case .replaceBody(let octets): MilterPacket("b", octets)
        case .addRecipient(let path, nil): .texts("+", [path])
        case .addRecipient(let path, let parameters?): .texts("2", [path, parameters])
        case .deleteRecipient(let path): .texts("-", [path])
        case .changeSender(let path, let parameters): .texts("e", [path] + (parameters.map { [$0] } ?? []))
        case .quarantine(let reason): .texts("q", [reason])
        }
    }

    /// `nil` for what is no change.
    init?(_ packet: MilterPacket, _ data: inout MilterDataReader) throws(MilterFault) {
        switch Character(Unicode.Scalar(packet.code)) {
        case "h": self = .addField(name: try data.text(), value: try data.text())
        case "i": self = .insertField(at: try data.number(), name: try data.text(), value: try data.text())
        case "m": self = .changeField(number: try data.number(), name: try data.text(), value: try data.text())
        case "b": self = .replaceBody(data.remaining())
        case "+": self = .addRecipient(try data.text(), parameters: nil)
        case "2":
            let path = try data.text()
            self = .addRecipient(path, parameters: data.isAtEnd ? "" : try data.text())
        case "-": self = .deleteRecipient(try data.text())
        case "e":
            let path = try data.text()
            self = .changeSender(path, parameters: data.isAtEnd ? nil : try data.text())
        case "q": self = .quarantine(try data.text())
        default: return nil
        }
    }
}

extension MilterPacket {
    fileprivate static func numbered(_ code: Character, _ number: UInt32, _ words: [String]) -> MilterPacket {
        var data: [UInt8] = []
        data.append(number: number)
        for text in words { data.append(text: text) }
        return MilterPacket(code, data)
    }
}

/// The words of a refusal: `550 5.7.1 text`, several lines with CR LF between them.
enum MilterReplyText {
    /// Lines of a reply that are taken.
    private static let mostLines = 32

    static func write(_ reply: Reply) -> String {
        let status = reply.status.map { "\($0) " } ?? ""
        let last = reply.lines.count - 1
        return reply.lines.enumerated().map { index, line in
            let words = line.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%%")
            return "\(reply.code)\(index < last ? "-" : " ")\(status)\(words)"
        }.joined(separator: "\r\n")
    }

    /// A refusal and nothing else: only 4yz and 5yz may be said.
    static func read(_ text: String) throws(MilterFault) -> Reply {
        var parser = SMTPReplyParser()
        parser.maxLines = mostLines
        var octets = unescaped(text.utf8)
        if octets.last != .lf { octets += [.cr, .lf] }
        var input = ByteBuffer(bytes: octets)
        let reply: Reply?
        do throws(SMTPReplyParser.Malformed) { reply = try parser.next(&input) } catch {
            throw MilterFault("its words are \(error.reason)")
        }
        guard let reply, input.readableBytes == 0, reply.code >= 400 else {
            throw MilterFault("its words are no refusal")
        }
        return reply
    }

    /// A reply is a format where filters come from, so a percent sign is written twice.
    private static func unescaped(_ text: String.UTF8View) -> [UInt8] {
        var octets: [UInt8] = []
        var isEscaped = false
        for octet in text {
            if octet == UInt8(ascii: "%"), !isEscaped {
                isEscaped = true
                continue
            }
            isEscaped = false
            octets.append(octet)
        }
        return octets
    }
}

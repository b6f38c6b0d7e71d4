public import MailTypes

/// What a mail server says to a milter. docs/milter.md has the table.
public enum MilterCommand: Sendable, Hashable {
    case negotiate(MilterNegotiation)
    /// For the command of this code, which follows.
    case macros(for: UInt8, [MilterMacro])
    case connect(host: String, MilterPeer)
    case hello(String)
    /// The path in angle brackets, and its parameters.
    case mail(String, [String])
    case recipient(String, [String])
    case data
    /// Name and value, in any octets. Lines of a folded value are separated by LF alone.
    case header([UInt8], [UInt8])
    case endOfHeader
    case body([UInt8])
    case endOfMessage([UInt8])
    case abort
    case unknown(String)
    case quit
    /// The connection stays, for another client.
    case quitForNext
}

/// A value that a server tells of itself or a session.
public struct MilterMacro: Sendable, Hashable {
    public var name: String
    public var value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// Who has connected to the server.
public enum MilterPeer: Sendable, Hashable {
    case unknown
    case address(IPAddress, port: UInt16)
    /// A socket of the server's own system.
    case local(path: String)
}

extension MilterCommand {
    /// Parameters of MAIL or RCPT, and macros of a command.
    static let mostWords = 256

    /// A field that is text.
    public static func header(name: String, value: String) -> Self { .header(Array(name.utf8), Array(value.utf8)) }

    public var packet: MilterPacket {
        switch self {
        case .negotiate(let offer): offer.packet
        case .macros(let code, let macros): Self.packet(code, macros)
        case .connect(let host, let peer): Self.packet(host, peer)
        case .hello(let name): .texts("H", [name])
        case .mail(let path, let parameters): .texts("M", [path] + parameters)
        case .recipient(let path, let parameters): .texts("R", [path] + parameters)
        case .data: MilterPacket("T")
        case .header(let name, let value): .texts("L", [name, value])
        case .endOfHeader: MilterPacket("N")
        case .body(let octets): MilterPacket("B", octets)
        case .endOfMessage(let octets): MilterPacket("E", octets)
        case .abort: MilterPacket("A")
        case .unknown(let line): .texts("U", [line])
        case .quit: MilterPacket("Q")
        case .quitForNext: MilterPacket("K")
        }
    }

    private static func packet(_ code: UInt8, _ macros: [MilterMacro]) -> MilterPacket {
        var data = [code]
        for macro in macros {
            data.append(text: macro.name)
            data.append(text: macro.value)
        }
        return MilterPacket("D", data)
    }

    private static func packet(_ host: String, _ peer: MilterPeer) -> MilterPacket {
        var data: [UInt8] = []
        data.append(text: host)
        switch peer {
        case .unknown: data.append(UInt8(ascii: "U"))
        case .address(let address, let port):
            data.append(UInt8(ascii: address.isIPv6 ? "6" : "4"))
            data += [UInt8(port >> 8), UInt8(port & 0xFF)]
            data.append(text: address.isIPv6 ? "IPv6:\(address)" : "\(address)")
        case .local(let path):
            data.append(UInt8(ascii: "L"))
            data += [0, 0]
            data.append(text: path)
        }
        return MilterPacket("C", data)
    }

    /// Reads a command, as a milter gets it.
    public init(_ packet: MilterPacket) throws(MilterFault) {
        var data = MilterDataReader(packet)
        switch Character(Unicode.Scalar(packet.code)) {
        case "O": self = .negotiate(try MilterNegotiation(&data))
        case "D": self = try Self.readMacros(&data)
        case "C": self = try Self.readConnect(&data)
        case "H": self = .hello(try data.text())
        case "M": self = .mail(try data.text(), try data.texts(most: Self.mostWords))
        case "R": self = .recipient(try data.text(), try data.texts(most: Self.mostWords))
        case "T": self = .data
        case "L": self = .header(try data.textOctets(), try data.textOctets())
        case "N": self = .endOfHeader
        case "B": self = .body(data.remaining())
        case "E": self = .endOfMessage(data.remaining())
        case "A": self = .abort
        case "U": self = .unknown(try data.text())
        case "Q": self = .quit
        case "K": self = .quitForNext
        default: throw MilterFault("\(packet.name) is no command")
        }
        try data.end()
    }

    private static func readMacros(_ data: inout MilterDataReader) throws(MilterFault) -> Self {
        let code = try data.octet()
        let words = try data.texts(most: 2 * mostWords)
        guard words.count.isMultiple(of: 2) else { throw MilterFault("a macro without a value") }
        return .macros(
            for: code, stride(from: 0, to: words.count, by: 2).map { MilterMacro(words[$0], words[$0 + 1]) })
    }

    private static func readConnect(_ data: inout MilterDataReader) throws(MilterFault) -> Self {
        let host = try data.text()
        let family = try data.octet()
        guard family != UInt8(ascii: "U") else { return .connect(host: host, .unknown) }
        let port = UInt16(truncatingIfNeeded: try data.number(octets: 2))
        let text = try data.text()
        if family == UInt8(ascii: "L") { return .connect(host: host, .local(path: text)) }
        let literal = text.asciiLowercased.hasPrefix("ipv6:") ? String(text.dropFirst(5)) : text
        // An IPv4 address mapped into IPv6 is the IPv4 address, whatever family is said.
        guard [UInt8(ascii: "4"), UInt8(ascii: "6")].contains(family), let address = IPAddress(literal) else {
            throw MilterFault("the client has no address")
        }
        return .connect(host: host, .address(address, port: port))
    }
}

extension MilterNegotiation {
    var packet: MilterPacket {
        var data: [UInt8] = []
        for number in [version, actions.rawValue, steps.rawValue] { data.append(number: number) }
        for place in MilterPlace.allCases {
            guard let names = macros[place] else { continue }
            data.append(number: place.rawValue)
            data.append(text: names.joined(separator: " "))
        }
        return MilterPacket("O", data)
    }

    init(_ data: inout MilterDataReader) throws(MilterFault) {
        self.init(
            version: try data.number(), actions: MilterActions(rawValue: try data.number()),
            steps: MilterSteps(rawValue: try data.number()))
        while !data.isAtEnd {
            guard let place = MilterPlace(rawValue: try data.number()) else {
                throw MilterFault("macros for a place that there is not")
            }
            let names = try data.text().split { " ,".contains($0) }.map(String.init)
            guard names.count <= Self.mostMacros, macros[place] == nil else {
                throw MilterFault("too many macros are asked for")
            }
            macros[place] = names
        }
    }
}

extension MilterPacket {
    static func texts(_ code: Character, _ texts: [String]) -> MilterPacket { .texts(code, texts.map { $0.utf8 }) }

    static func texts(_ code: Character, _ texts: [some Sequence<UInt8>]) -> MilterPacket {
        var data: [UInt8] = []
        for text in texts { data.append(text: text) }
        return MilterPacket(code, data)
    }
}

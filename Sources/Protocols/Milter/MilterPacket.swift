import MailTypes

/// One packet of the milter protocol: a code and its data. docs/milter.md.
///
///     packet = length code data        ; length: four octets, big-endian, of code and data together
public struct MilterPacket: Sendable, Hashable {
    /// Octets of a packet's data that are taken.
    public static let longestData = 1 << 20
    /// Octets of a body in one packet; libmilter takes no more.
    public static let longestChunk = 65535

    public var code: UInt8
    public var data: [UInt8]

    public init(_ code: Character, _ data: [UInt8] = []) {
        self.init(code: code.asciiValue ?? 0, data: data)
    }

    init(code: UInt8, data: [UInt8]) {
        self.code = code
        self.data = data
    }

    /// The octets on the wire.
    public var octets: [UInt8] {
        var octets: [UInt8] = []
        write(to: &octets)
        return octets
    }

    func write(to octets: inout [UInt8]) {
        octets.reserveCapacity(octets.count + data.count + 5)
        octets.append(number: UInt32(clamping: data.count + 1))
        octets.append(code)
        octets += data
    }

    /// The code as people write it.
    var name: String {
        code.isVisible ? "'\(Character(Unicode.Scalar(code)))'" : "code \(code)"
    }
}

/// What cannot be said in the milter protocol: whoever says it is not to be believed any more.
public struct MilterFault: Error, Sendable, Hashable {
    public let reason: String
    public init(_ reason: String) { self.reason = reason }
}

/// Takes packets out of what arrives, however it is cut.
public struct MilterPacketReader: Sendable {
    private var heard: [UInt8] = []
    private var start = 0

    public init() {}

    /// Octets that have come and are no whole packet yet.
    public var pending: Int { heard.count - start }

    public mutating func append(_ octets: some Sequence<UInt8>) {
        if start > 0 {
            heard.removeFirst(start)
            start = 0
        }
        heard += octets
    }

    /// The next packet, if all of it is here.
    public mutating func next() throws(MilterFault) -> MilterPacket? {
        guard pending >= 4 else { return nil }
        let length = heard[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length > 0 else { throw MilterFault("a packet without a code") }
        guard length <= MilterPacket.longestData + 1 else { throw MilterFault("a packet of \(length) octets") }
        guard pending >= 4 + length else { return nil }
        let packet = MilterPacket(code: heard[start + 4], data: Array(heard[start + 5..<start + 4 + length]))
        start += 4 + length
        return packet
    }
}

/// Reads the data of one packet, from its beginning to its end.
struct MilterDataReader {
    private let packet: MilterPacket
    private var rest: ArraySlice<UInt8>

    init(_ packet: MilterPacket) {
        self.packet = packet
        rest = packet.data[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    private var fault: MilterFault { MilterFault("the data of \(packet.name) does not fit it") }

    mutating func octet() throws(MilterFault) -> UInt8 {
        guard let octet = rest.popFirst() else { throw fault }
        return octet
    }

    mutating func number(octets count: Int = 4) throws(MilterFault) -> UInt32 {
        guard rest.count >= count else { throw fault }
        let number = rest.prefix(count).reduce(0) { $0 << 8 | UInt32($1) }
        rest = rest.dropFirst(count)
        return number
    }

    mutating func text() throws(MilterFault) -> String { String(decoding: try textOctets(), as: UTF8.self) }

    mutating func textOctets() throws(MilterFault) -> [UInt8] {
        guard let end = rest.firstIndex(of: 0) else { throw fault }
        defer { rest = rest[(end + 1)...] }
        return Array(rest[..<end])
    }

    /// Texts up to the end.
    mutating func texts(most: Int) throws(MilterFault) -> [String] {
        var texts: [String] = []
        while !isAtEnd {
            guard texts.count < most else { throw MilterFault("too many words in \(packet.name)") }
            texts.append(try text())
        }
        return texts
    }

    mutating func remaining() -> [UInt8] {
        defer { rest = [] }
        return Array(rest)
    }

    func end() throws(MilterFault) {
        guard rest.isEmpty else { throw fault }
    }
}

extension [UInt8] {
    mutating func append(number: UInt32) {
        for shift in [24, 16, 8, 0] { append(UInt8(truncatingIfNeeded: number >> UInt32(shift))) }
    }

    /// What of a text can be said: it ends at a NUL.
    mutating func append(text: some Sequence<UInt8>) {
        self += text.prefix { $0 != 0 }
        append(0)
    }

    mutating func append(text: String) { append(text: text.utf8) }
}

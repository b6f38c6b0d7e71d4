import Adapters
import Foundation
import NIOCore
import Pipeline

/// A zone that is signed while it answers: RSA/SHA-256, one key, and for what is not there an NSEC record that says so
/// of this one name. RFC 4034, RFC 4035, RFC 5702, RFC 4470 §3.
public struct SignedZone: Sendable {
    /// A record's type and its data as on the wire.
    public struct Record: Sendable, Hashable {
        public var type: UInt16
        public var data: [UInt8]

        public init(_ type: UInt16, _ data: [UInt8]) {
            self.type = type
            self.data = data
        }

        public static func a(_ address: String) -> Record {
            Record(1, address.split(separator: ".").compactMap { UInt8($0) })
        }
        public static func alias(_ name: String) -> Record { Record(5, SignedZone.wire(name)) }
        public static func mx(_ preference: UInt8, _ host: String) -> Record {
            Record(15, [0, preference] + SignedZone.wire(host))
        }
        public static func text(_ text: String) -> Record { Record(16, [UInt8(text.utf8.count)] + Array(text.utf8)) }
        public static func tlsa(_ usage: UInt8, _ selector: UInt8, _ matching: UInt8, _ data: [UInt8]) -> Record {
            Record(52, [usage, selector, matching] + data)
        }
    }

    /// How answers about a name are spoilt on their way.
    public enum Spoiling: Sendable, Hashable {
        /// The signature is not that of the records.
        case forged
        /// There is none.
        case stripped
        /// The server fails.
        case failing
    }

    public let name: String
    private let key: any SigningKey
    private let keyData: [UInt8]

    public init(_ name: String) throws {
        self.name = name
        let library = LibcryptoSignatures()
        key = try library.signingKey(pem: library.newKey(.rsaSHA256, bits: 2048))
        keyData = [1, 1, 3, 8] + Self.publicKey(key.publicKey)
    }

    /// A line for the file of trust anchors.
    public var trustAnchor: String {
        "\(name). IN DNSKEY 257 3 8 \(Data(keyData.dropFirst(4)).base64EncodedString())\n"
    }

    /// The exponent's length, the exponent and the modulus out of a SubjectPublicKeyInfo. RFC 3110 §2.
    private static func publicKey(_ info: [UInt8]) -> [UInt8] {
        // The modulus of 2048 bits and its leading zero stand before the exponent, which is 65537.
        let exponent = Array(info.suffix(3))
        return [3] + exponent + info.dropLast(5).suffix(256)
    }

    static func wire(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    // MARK: Answers

    /// The records of one name and type with their signature, as they stand in an answer.
    func signed(_ owner: String, _ records: [Record], isForged: Bool = false) throws -> (count: Int, octets: [UInt8]) {
        guard let type = records.first?.type else { return (0, []) }
        let octets = records.flatMap { Self.entry(owner, $0) }
        var signature = try signature(owner, type, records)
        if isForged { signature[signature.count - 1] ^= 1 }
        return (records.count + 1, octets + Self.entry(owner, Record(46, signature)))
    }

    /// Who says that a name has these types of records and no others.
    func denial(_ owner: String, _ types: Set<UInt16>) throws -> (count: Int, octets: [UInt8]) {
        let soa = Self.wire("ns.\(name)") + Self.wire("root.\(name)") + [UInt8](repeating: 0, count: 19) + [60]
        let start = try signed(name, [Record(6, soa)])
        var bits = [UInt8](repeating: 0, count: 32)
        for type in types.union([46, 47]) where type < 256 { bits[Int(type) / 8] |= 0x80 >> (type % 8) }
        let next = [1, 0] + Self.wire(owner)
        let nsec = try signed(owner, [Record(47, next + [0, 32] + bits)])
        return (start.count + nsec.count, start.octets + nsec.octets)
    }

    var key257: Record { Record(48, keyData) }

    static func entry(_ owner: String, _ record: Record) -> [UInt8] {
        wire(owner) + number(record.type) + [0, 1] + lifetime + number(UInt16(record.data.count)) + record.data
    }

    /// A minute.
    private static let lifetime: [UInt8] = [0, 0, 0, 60]

    private static func number(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }

    private static func number(_ value: UInt32) -> [UInt8] {
        number(UInt16(value >> 16)) + number(UInt16(value & 0xFFFF))
    }

    /// RFC 4034 §3.1.8.1.
    private func signature(_ owner: String, _ type: UInt16, _ records: [Record]) throws -> [UInt8] {
        let now = UInt32(Date().timeIntervalSince1970)
        let labels = UInt8(owner.split(separator: ".").count)
        var data = Self.number(type) + [8, labels] + Self.lifetime
        data += Self.number(now + 86_400) + Self.number(now - 86_400) + Self.number(keyTag)
        data += Self.wire(name)
        let sorted = records.sorted { $0.data.lexicographicallyPrecedes($1.data) }
        return data + (try key.sign(data + sorted.flatMap { Self.entry(owner, $0) }))
    }

    /// RFC 4034, appendix B.
    private var keyTag: UInt16 {
        var sum: UInt32 = 0
        for (place, octet) in keyData.enumerated() { sum += place % 2 == 0 ? UInt32(octet) << 8 : UInt32(octet) }
        sum += sum >> 16
        return UInt16(sum & 0xFFFF)
    }
}

import MailTypes
import Pipeline

/// Turns the octets of a record into a value. They come from strangers: each read is bounded, and what
/// is too short or too long for its type is no record at all. RFC 1035 §3.3, RFC 6698 §2.1.
enum RecordParser {
    /// The most records of one answer that are looked at.
    static let maxRecords = 1024

    static func record(_ octets: [UInt8], _ type: DNSQuestion.RecordType) -> DNSRecord? {
        switch type {
        case .a:
            return octets.count == 4 ? IPAddress(octets: octets).map { .address($0) } : nil
        case .aaaa:
            return octets.count == 16 ? IPAddress(octets: octets).map { .address($0) } : nil
        case .mx:
            guard octets.count >= 3, let host = name(octets[2...]) else { return nil }
            return .exchanger(preference: Int(octets[0]) << 8 | Int(octets[1]), host: host)
        case .cname, .ptr:
            return name(octets[...]).map { .name($0) }
        case .txt:
            return text(octets).map { .text($0) }
        case .tlsa:
            guard octets.count > 3 else { return nil }
            return .tlsa(usage: octets[0], selector: octets[1], matching: octets[2], data: Array(octets[3...]))
        }
    }

    /// An uncompressed name in lower case, without the final dot; the root is empty. A name with an octet that
    /// no host name has is none. RFC 1035 §3.1.
    private static func name(_ octets: ArraySlice<UInt8>) -> String? {
        var rest = octets
        var labels: [String] = []
        while let length = rest.popFirst() {
            if length == 0 { return rest.isEmpty ? labels.joined(separator: ".") : nil }
            let label = rest.prefix(Int(length))
            guard
                length <= 63, label.count == Int(length), labels.count < 128,
                label.allSatisfy({ $0.isVisible && $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "\\") })
            else { return nil }
            labels.append(String(decoding: label.map(\.asciiLowercased), as: UTF8.self))
            rest = rest.dropFirst(Int(length))
        }
        return nil
    }

    /// The strings of a TXT record, joined.
    private static func text(_ octets: [UInt8]) -> [UInt8]? {
        var rest = octets[...]
        var joined: [UInt8] = []
        joined.reserveCapacity(octets.count)
        while let length = rest.popFirst() {
            guard rest.count >= Int(length) else { return nil }
            joined += rest.prefix(Int(length))
            rest = rest.dropFirst(Int(length))
        }
        return joined
    }
}

/// RFC 1035 §4.1.1, RFC 2136 §2.2.
enum ResponseCode {
    static func name(_ code: CInt) -> String {
        let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]
        return names.indices.contains(Int(code)) ? names[Int(code)] : "code \(code)"
    }
}

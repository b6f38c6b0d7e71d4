import MailTypes
import Pipeline

extension IPAddress {
    var addressType: DNSQuestion.RecordType { isIPv6 ? .aaaa : .a }

    /// `192.0.2.1`, or 32 hexadecimal digits with dots, in the upper case of the field's other checkers. RFC 7208 §7.3.
    var dottedDigits: [UInt8] {
        guard isIPv6 else { return Array(description.utf8) }
        let hex = Array("0123456789ABCDEF".utf8)
        return Array(
            octets.flatMap { [[hex[Int($0 >> 4)]], [hex[Int($0 & 15)]]] }.joined(separator: [UInt8(ascii: ".")]))
    }

    /// The name under which a PTR record stands. RFC 1035 §3.5, RFC 3596 §2.5.
    var reverseName: String {
        let parts = dottedDigits.split(separator: UInt8(ascii: ".")).reversed()
        let reversed = parts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".")
        return reversed + (isIPv6 ? ".ip6.arpa" : ".in-addr.arpa")
    }
}

extension String {
    var withoutFinalDot: String { hasSuffix(".") ? String(dropLast()) : self }
}

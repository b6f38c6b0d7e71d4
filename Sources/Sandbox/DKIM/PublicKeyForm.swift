import MailTypes

/// The two forms of an RSA key in `p=`.
///
/// RFC 6376 §3.6.1 names RSAPublicKey (RFC 8017 §A.1.1); what everybody publishes, and libopendkim reads, is that
/// within the SubjectPublicKeyInfo of certificates. The first is made the second here.
enum PublicKeyForm {
    /// AlgorithmIdentifier of rsaEncryption.
    private static let algorithm: [UInt8] = [
        0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00,
    ]

    /// The record as libopendkim reads it; any other than that of a bare RSA key is left as it is.
    static func readable(_ record: [UInt8]) -> [UInt8] {
        var tags = record.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).map(Array.init)
        for (place, tag) in tags.enumerated() {
            let name = tag.prefix { $0 != UInt8(ascii: "=") }
            guard name.count < tag.count, name.filter({ $0 > 0x20 }) == [UInt8(ascii: "p")] else { continue }
            guard let key = decode(tag.dropFirst(name.count + 1)), isBare(key) else { return record }
            tags[place] = name + [UInt8(ascii: "=")] + encode(wrapped(key))
            return Array(tags.joined(separator: [UInt8(ascii: ";")]))
        }
        return record
    }

    /// A SEQUENCE that begins with an INTEGER, the modulus; the other form begins with a SEQUENCE.
    private static func isBare(_ key: [UInt8]) -> Bool {
        guard key.count > 4, key[0] == 0x30 else { return false }
        let start = key[1] < 0x80 ? 2 : 2 + Int(key[1] & 0x7F)
        return start < key.count && key[start] == 0x02
    }

    private static func wrapped(_ key: [UInt8]) -> [UInt8] {
        let bits = [0x03] + length(key.count + 1) + [0x00] + key
        return [0x30] + length(algorithm.count + bits.count) + algorithm + bits
    }

    /// In DER; a key in a record is short.
    private static func length(_ count: Int) -> [UInt8] {
        if count < 0x80 { return [UInt8(count)] }
        if count < 0x100 { return [0x81, UInt8(count)] }
        return [0x82, UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
    }

    // MARK: Base64. RFC 4648 §4

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var (octets, value, bits): ([UInt8], UInt32, UInt32) = ([], 0, 0)
        for letter in text where letter > 0x20 && letter != UInt8(ascii: "=") {
            guard let digit = alphabet.firstIndex(of: letter) else { return nil }
            value = (value << 6 | UInt32(digit)) & 0xFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                octets.append(UInt8(truncatingIfNeeded: value >> bits))
            }
        }
        return octets
    }

    private static func encode(_ octets: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        for start in stride(from: 0, to: octets.count, by: 3) {
            let group = octets[start..<min(start + 3, octets.count)]
            let value = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 {
                let isFilled = place <= group.count
                text.append(isFilled ? alphabet[value >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
            }
        }
        return text
    }
}

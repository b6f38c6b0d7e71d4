import MailTypes
import Pipeline

/// What a fuzzer calls: tag lists, keys and canonical forms, with any octets. They answer; they never trap.
public enum SignatureFuzzing {
    /// Octets in the place of a tag list, a key record, a key, and the value of each kind of signature. What is read
    /// as a list is the same list again when it is written anew.
    public static func tags(_ octets: [UInt8]) {
        _ = try? KeyRecord(octets)
        _ = RSAPublicKey.read(octets)
        _ = ARCField.resultsInstance(octets[...])
        guard let tags = try? TagList(octets[...]) else { return }
        let written = tags.tags.flatMap { tag -> [UInt8] in
            Array("\(tag.name) = ".utf8) + tag.value + [UInt8(ascii: ";")]
        }
        let again = try? TagList(written[...])
        precondition(again?.tags.map(\.name) == tags.tags.map(\.name))
        precondition(again?.tags.map { Array($0.value) } == tags.tags.map { Array($0.value) })
        _ = try? SignatureBase(tags)
        let field = HeaderField(name: "DKIM-Signature", value: String(decoding: octets, as: UTF8.self))
        _ = try? MessageSignature(field, .dkim, tags)
        _ = try? ARCSeal(field, tags)
    }

    /// Octets in the place of a message: its fields, seals and body. The canonical form of a canonical form is itself.
    public static func message(_ octets: [UInt8]) {
        guard let message = try? Message(parsing: Bytes(octets)) else { return }
        _ = try? ARCChain(message.header)
        for mode in Canonicalization.allCases {
            let body = canonical(message.body, mode)
            precondition(canonical(Bytes(body), mode) == body)
            precondition(body.isEmpty || body.suffix(2) == [.cr, .lf])
            for field in message.header.fields {
                var text: [UInt8] = []
                HeaderCanonicalization.append(field, mode, to: &text)
                HeaderCanonicalization.appendSignature(field, mode, to: &text)
            }
        }
    }

    static func canonical(_ body: Bytes, _ mode: Canonicalization) -> [UInt8] {
        var output: [UInt8] = []
        BodyCanonicalization.feed(body, mode) { output += $0 }
        return output
    }
}

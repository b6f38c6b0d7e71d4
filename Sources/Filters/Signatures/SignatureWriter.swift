import MailTypes
import Pipeline

/// Makes the value of a field that holds a signature. RFC 6376 §3.5, §3.7.
///
/// The field is what ``HeaderField`` makes of name and value, and is signed in just that shape. `b=` stands last and as
/// a word of its own, so that the lines are folded alike before and after the signature is put in.
struct SignatureWriter {
    private(set) var value = ""

    /// Adds a tag; blanks in `text` are where lines may be folded.
    mutating func add(_ name: String, _ text: String) { value += "\(name)=\(text); " }

    mutating func add(_ name: String, _ octets: [UInt8]) {
        add(name, String(decoding: Base64.encode(octets), as: UTF8.self))
    }

    /// Names for `h=`.
    mutating func add(signed names: [String]) { add("h", names.joined(separator: ": ")) }

    /// The whole value, with a signature over `octets` and the field itself.
    func signed(
        _ octets: [UInt8], name: String, _ mode: Canonicalization, by key: any SigningKey
    ) throws(CryptographyFailure) -> String {
        let unsigned = "\(value)b="
        var octets = octets
        HeaderCanonicalization.appendSignature(HeaderField(name: name, value: unsigned), mode, to: &octets)
        let signature = Base64.encode(try key.sign(octets))
        var lines: [String] = []
        for start in stride(from: 0, to: signature.count, by: Self.lineLength) {
            let line = signature[start..<min(start + Self.lineLength, signature.count)]
            lines.append(String(decoding: line, as: UTF8.self))
        }
        return ([unsigned] + lines).joined(separator: " ")
    }

    private static let lineLength = 72
}

/// Which fields are signed, and how often each is named. RFC 6376 §5.4, §8.15.
struct SigningPlan: Sendable, Hashable {
    /// Names in order, each once.
    let names: [String]
    /// Those named once more than they are there: a second one would break the signature. In lower case.
    let oversigned: Set<String>

    init(_ names: [String], oversigned: [String] = []) {
        var known: Set<String> = []
        self.names = (names + oversigned).filter { known.insert($0.asciiLowercased).inserted }
        self.oversigned = Set(oversigned.map(\.asciiLowercased))
    }

    func names(for header: Header) -> [String] {
        var counts: [[UInt8]: Int] = [:]
        for field in header.fields { counts[field.nameBytes.map(\.asciiLowercased), default: 0] += 1 }
        return names.flatMap { name in
            let count = (counts[name.utf8.map(\.asciiLowercased)] ?? 0) + (isOversigned(name) ? 1 : 0)
            return [String](repeating: name, count: count)
        }
    }

    private func isOversigned(_ name: String) -> Bool { oversigned.contains(name.asciiLowercased) }

    /// Names that are none, or that change on the way of every message. RFC 6376 §5.4.1, RFC 8617 §4.1.2.
    static func unfit(_ names: [String]) -> [String] {
        names.filter { name in
            name.isEmpty || !name.utf8.allSatisfy { $0.isVisible && $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: ";") }
                || changing.contains(name.asciiLowercased)
        }
    }

    private static let changing: Set = [
        "received", "return-path", "authentication-results", "arc-seal", "arc-message-signature",
        "arc-authentication-results", "delivered-to", "bcc", "resent-bcc", "x-sluice-unchecked",
    ]
}

/// Keys for signing, as the wiring gives them.
extension StageTools {
    /// The key of a selector, which must be of a size that is worth something.
    func key(domain: String, selector: String, leastBits: Int) throws(SignatureFault) -> any SigningKey {
        guard DomainName.isName(domain) else { throw SignatureFault("\"\(domain)\" is no domain") }
        guard DomainName.isName(selector) else { throw SignatureFault("\"\(selector)\" is no selector") }
        do throws(CryptographyFailure) {
            let key = try cryptography.signingKey(pem: try keys.contents(domain: domain, selector: selector))
            guard key.algorithm != .rsaSHA256 || key.bits >= leastBits else {
                throw CryptographyFailure("it has \(key.bits) bits, and min_key_bits is \(leastBits)")
            }
            return key
        } catch { throw SignatureFault("the key \(selector) of \(domain) cannot be used: \(error.reason)") }
    }
}

/// The least size of an RSA key that a stage can be told to take.
public enum KeyBitsBounds: Bounds { public static let range = 1024...8192 }

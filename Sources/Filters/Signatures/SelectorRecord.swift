import MailTypes
public import Pipeline

/// What the TXT record of a selector says: `v=DKIM1; k=rsa; p=…`. RFC 6376 §3.6.1, RFC 8463 §4.
public struct SelectorRecord: Sendable, Hashable {
    /// What DNS has where a selector's record should be.
    public enum Publication: Sendable, Hashable {
        case right
        /// There is no TXT record.
        case missing
        /// Each reason completes the sentence "the record is wrong: …".
        case wrong([String])
    }

    public var algorithm: SignatureAlgorithm
    /// `p=`, in base64.
    public var publicKey: String
    /// `t=y`: verifiers are to treat the mail as if it were not signed.
    public var isTest = false
    /// `g=`, which RFC 4871 had and RFC 6376 has not.
    public var granularity: String?
    /// `n=`: for people.
    public var notes: String?

    /// Octets of one string of a TXT record. RFC 1035 §3.3.
    public static let longestString = 255

    public init(algorithm: SignatureAlgorithm, publicKey: String) {
        self.algorithm = algorithm
        self.publicKey = publicKey
    }

    public static func base64(_ octets: [UInt8]) -> String { String(decoding: Base64.encode(octets), as: UTF8.self) }

    /// In one piece, as the forms of DNS providers want it.
    public var text: String {
        var tags = ["v=DKIM1", "k=\(algorithm == .rsaSHA256 ? "rsa" : "ed25519")"]
        if isTest { tags.append("t=y") }
        if let granularity { tags.append("g=\(granularity)") }
        if let notes { tags.append("n=\(Self.quotedPrintable(notes))") }
        return (tags + ["p=\(publicKey)"]).joined(separator: "; ")
    }

    /// In the pieces that a record consists of.
    public var strings: [String] {
        let octets = Array(text.utf8)
        return stride(from: 0, to: octets.count, by: Self.longestString).map { start in
            String(decoding: octets[start..<min(start + Self.longestString, octets.count)], as: UTF8.self)
        }
    }

    /// As zone files have it: quoted strings, within parentheses if there is more than one. RFC 1035 §5.1.
    public func zoneLine(name: String) -> String {
        // No quotation mark and no backslash can be in them.
        let quoted = strings.map { "\"\($0)\"" }
        guard quoted.count > 1 else { return "\(name). IN TXT \(quoted.joined())" }
        return "\(name). IN TXT (\n" + quoted.map { "    \($0)\n" }.joined() + ")"
    }

    // qp-section = [*(ptext / SPACE) ptext], without what ends a tag or a zone file's string
    private static func quotedPrintable(_ text: String) -> String {
        let kept = Array(text.utf8)
        var result = ""
        for (place, octet) in kept.enumerated() {
            let isInnerBlank = octet == UInt8(ascii: " ") && place > 0 && place < kept.count - 1
            if isInnerBlank || octet.isVisible && !special.contains(octet) {
                result.unicodeScalars.append(Unicode.Scalar(octet))
            } else {
                let digits = String(octet, radix: 16, uppercase: true)
                result += "=" + (octet < 0x10 ? "0" : "") + digits
            }
        }
        return result
    }

    private static let special = Array(";=\"\\".utf8)

    // MARK: What DNS has

    /// Whether a verifier finds this key with this meaning. A name must have one record: of several, any may be taken.
    /// RFC 6376 §3.6.2.2.
    ///
    /// - Parameter signsBelow: Whether authors of domains below stand in `i=`, which `t=s` forbids. RFC 6376 §3.6.1.
    public func publication(_ answer: DNSAnswer, signsBelow: Bool = false) -> Publication {
        guard case .records(let records, _) = answer else { return .missing }
        let texts = records.compactMap { record -> [UInt8]? in
            guard case .text(let octets) = record else { return nil }
            return octets
        }
        guard let first = texts.first else { return .missing }
        guard texts.count == 1 else { return .wrong(["there are \(texts.count) TXT records, and there must be one"]) }
        let faults = faults(of: first, signsBelow: signsBelow)
        return faults.isEmpty ? .right : .wrong(faults)
    }

    private func faults(of octets: [UInt8], signsBelow: Bool) -> [String] {
        let record: KeyRecord
        do throws(KeyRecord.Fault) { record = try KeyRecord(octets) } catch { return ["\(error)"] }
        var faults: [String] = []
        if record.key.algorithm != algorithm {
            faults.append("k= is for \(record.key.algorithm.rawValue), the key for \(algorithm.rawValue)")
        } else if record.key != key {
            faults.append("p= is another key")
        }
        if record.isTesting, !isTest { faults.append("t=y tells verifiers to take signatures for none") }
        if record.isStrict, signsBelow {
            faults.append("t=s makes signatures of authors below the domain worthless (identity and subdomains are on)")
        }
        if !record.isTesting, isTest { faults.append("t=y is missing") }
        let published = (try? TagList(octets[...]))?.text("g") ?? "*"
        if published != granularity ?? "*" {
            faults.append("g= is \(published.isEmpty ? "empty" : published), and should be \(granularity ?? "*")")
        }
        return faults
    }

    private var key: VerificationKey? {
        guard let octets = Array(publicKey.utf8)[...].foldedBase64 else { return nil }
        return algorithm == .rsaSHA256 ? RSAPublicKey.read(octets) : .ed25519(octets)
    }
}

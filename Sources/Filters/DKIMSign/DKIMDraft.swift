import MailTypes
import Pipeline

/// What is signed, and how: everything but the key. RFC 6376 §3.5.
struct DKIMDraft {
    static let fieldName = "DKIM-Signature"

    let domain: String
    /// Who stands in `i=`.
    let identity: EmailAddress?
    let settings: DKIMSign.Settings
    /// `h=`.
    let names: [String]
    let time: Int
    /// Seconds for which the signature is good.
    let expires: Int?

    /// The values of one DKIM-Signature field per key; none of them signs another.
    func values(
        for message: Message, by signers: [DKIMSign.Signer], _ cryptography: any SignatureCryptography
    ) async throws(CryptographyFailure) -> [String] {
        let digest = try await BodyDigest.of(message.body, settings.bodyMode, cryptography)
        let octets = SignedFields.canonicalized(names, of: message.header, settings.headerMode)
        var values: [String] = []
        for signer in signers {
            let writer = writer(for: signer, digest)
            values.append(
                try writer.signed(octets, name: Self.fieldName, settings.headerMode, by: signer.key))
        }
        return values
    }

    private func writer(for signer: DKIMSign.Signer, _ digest: BodyDigest) -> SignatureWriter {
        var writer = SignatureWriter()
        writer.add("v", "1")
        writer.add("a", signer.key.algorithm.rawValue)
        writer.add("c", "\(settings.headerMode.rawValue)/\(settings.bodyMode.rawValue)")
        writer.add("d", domain)
        writer.add("s", signer.selector)
        writer.add("t", "\(time)")
        if let expires { writer.add("x", "\(time + expires)") }
        if let identity { writer.add("i", Self.quotedPrintable(identity.description)) }
        if settings.length { writer.add("l", "\(digest.covered)") }
        writer.add(signed: names)
        writer.add("bh", digest.value)
        return writer
    }

    /// dkim-quoted-printable: whatever could end a tag is written in hexadecimal. RFC 6376 §2.11.
    static func quotedPrintable(_ text: String) -> String {
        var result = ""
        for octet in text.utf8 {
            if octet.isVisible, octet != UInt8(ascii: ";"), octet != UInt8(ascii: "=") {
                result.unicodeScalars.append(Unicode.Scalar(octet))
            } else {
                let digits = String(octet, radix: 16, uppercase: true)
                result += "=" + (octet < 0x10 ? "0" : "") + digits
            }
        }
        return result
    }
}

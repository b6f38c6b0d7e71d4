import CIDN2
import MailTypes

/// Domains in the letters of their people, and as DNS holds them. RFC 5890 §2.3.
public enum InternationalDomain {
    /// Octets of a domain's longest spelling worth converting: 255 A-label octets are fewer letters.
    static let longest = 1_024

    /// `domain` in A-labels and lower case (IDNA2008, with the mapping of UTS #46, non-transitional);
    /// `nil` if it has no such form.
    public static func toASCII(_ domain: String) -> String? {
        let octets = Array(domain.utf8)
        guard !octets.isEmpty, octets.count <= longest, !octets.contains(0) else { return nil }
        // LDH names, and their underscored cousins, need no tables; libidn2 would refuse the latter.
        if octets.allSatisfy({ $0.isLetter || $0.isDigit || Self.isPlain($0) }), !domain.hasLabelWithACEPrefix {
            return domain.asciiLowercased
        }
        var output: UnsafeMutablePointer<CChar>?
        let flags = CInt(IDN2_NONTRANSITIONAL.rawValue) | CInt(IDN2_NFC_INPUT.rawValue)
        guard idn2_to_ascii_8z(domain, &output, flags) == CInt(IDN2_OK.rawValue), let output else { return nil }
        defer { idn2_free(output) }
        let name = String(cString: output).asciiLowercased
        // The mapping turns a wide @ into @, and a wide / into /.
        return name.utf8.allSatisfy { $0.isLetter || $0.isDigit || isPlain($0) } ? name : nil
    }

    private static func isPlain(_ octet: UInt8) -> Bool {
        octet == UInt8(ascii: "-") || octet == UInt8(ascii: ".") || octet == UInt8(ascii: "_")
    }
}

extension String {
    /// `xn--…`: what claims to be an A-label is checked to be one.
    fileprivate var hasLabelWithACEPrefix: Bool {
        utf8.split(separator: UInt8(ascii: ".")).contains { $0.prefix(4).equalsIgnoringCase("xn--") }
    }
}

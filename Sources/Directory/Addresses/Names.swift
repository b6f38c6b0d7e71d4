import Foundation
import MailTypes

/// Names as a person typed them, checked and in the one spelling that is stored.
struct Names {
    let domainToASCII: @Sendable (String) -> String?

    /// Octets of a local part and of a domain. RFC 5321 §4.5.3.1.
    private static let longestLocalPart = 64
    private static let longestDomain = 255
    private static let longestLabel = 63

    func address(_ text: String) throws(DirectoryError) -> EmailAddress {
        let parsed: EmailAddress
        do { parsed = try AddressParser.mailbox(text) } catch {
            throw .malformed(text: text.shown, reason: "is not an address such as anna@example.org")
        }
        guard !parsed.localPart.isEmpty, !parsed.domain.isEmpty, !parsed.domain.hasPrefix("[") else {
            throw .malformed(text: text.shown, reason: "is not an address such as anna@example.org")
        }
        guard parsed.localPart.utf8.count <= Self.longestLocalPart else {
            throw .malformed(text: text.shown, reason: "has more than \(Self.longestLocalPart) octets before the @")
        }
        guard parsed.localPart.unicodeScalars.allSatisfy({ !$0.isControl }) else {
            throw .malformed(text: text.shown, reason: "has a control character before the @")
        }
        return EmailAddress(
            localPart: parsed.localPart.precomposedStringWithCanonicalMapping, domain: try domain(parsed.domain))
    }

    /// An address that mail is filed under, and that so becomes the name of a folder.
    func mailbox(_ text: String) throws(DirectoryError) -> EmailAddress {
        let address = try address(text)
        guard !address.localPart.utf8.contains(UInt8(ascii: "/")), !address.localPart.hasPrefix(".") else {
            throw .malformed(text: text.shown, reason: "cannot be a mailbox: no / and no dot at the beginning, please")
        }
        return address
    }

    /// A host name of at least one label, in A-labels and lower case. RFC 1123 §2.1, RFC 5890 §2.3. Underscores
    /// pass, as they do in ``AddressParser``.
    func domain(_ text: String) throws(DirectoryError) -> String {
        let trimmed = text.hasSuffix(".") ? String(text.dropLast()) : text
        guard let ascii = domainToASCII(trimmed)?.asciiLowercased, ascii.utf8.count <= Self.longestDomain else {
            throw .malformed(text: text.shown, reason: "is not a domain such as example.org")
        }
        let labels = ascii.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let isGood = labels.allSatisfy { label in
            (1...Self.longestLabel).contains(label.count) && label.first != Self.hyphen && label.last != Self.hyphen
                && label.allSatisfy { $0.isLetter || $0.isDigit || $0 == Self.hyphen || $0 == Self.underscore }
        }
        // 192.0.2.1 is an address, not a domain. RFC 3696 §2.
        guard isGood, labels.last?.allSatisfy(\.isDigit) == false else {
            throw .malformed(text: text.shown, reason: "is not a domain such as example.org")
        }
        return ascii
    }

    /// The name of a key of `domain`, in lower case: labels, as DNS has them. RFC 6376 §3.1.
    func selector(_ text: String, of domain: String) throws(DirectoryError) -> String {
        let name = text.asciiLowercased
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let isGood = labels.allSatisfy { label in
            (1...Self.longestLabel).contains(label.count) && label.first != Self.hyphen && label.last != Self.hyphen
                && label.allSatisfy { $0.isLetter || $0.isDigit || $0 == Self.hyphen || $0 == Self.underscore }
        }
        guard isGood else {
            throw .malformed(text: text.shown, reason: "is not a selector such as s1 or 2026-11")
        }
        guard "\(name)._domainkey.\(domain)".utf8.count <= Self.longestRecordName else {
            throw .malformed(text: text.shown, reason: "is too long for a name in DNS under \(domain)")
        }
        return name
    }

    /// Whom a key is for: a local part, in which one `*` may stand for anything. RFC 4871 §3.6.1.
    // key-g-tag-lpart = [dot-atom-text] ["*" [dot-atom-text]]
    func granularity(_ text: String) throws(DirectoryError) -> String {
        let octets = Array(text.utf8)
        let isGood = octets.allSatisfy { octet in
            octet.isLetter || octet.isDigit || Self.granularityMarks.contains(octet)
        }
        guard isGood, (1...Self.longestLocalPart).contains(octets.count),
            octets.count(where: { $0 == UInt8(ascii: "*") }) <= 1
        else { throw .malformed(text: text.shown, reason: "is not a local part such as anna or sales-*") }
        return text
    }

    private static let granularityMarks = Array("!#$%&'*+-/?^_`{|}~.".utf8)
    private static let longestRecordName = 253

    /// What a post office, a person or an actor is called.
    func title(_ text: String, of what: String) throws(DirectoryError) -> String {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines).precomposedStringWithCanonicalMapping
        guard !trimmed.isEmpty, trimmed.utf8.count <= DirectoryLimits.name,
            trimmed.unicodeScalars.allSatisfy({ !$0.isControl })
        else {
            let reason = "cannot be \(what): 1 to \(DirectoryLimits.name) octets without control characters, please"
            throw .malformed(text: text.shown, reason: reason)
        }
        return trimmed
    }

    /// What two spellings of one post office's name have in common.
    static func key(_ title: String) -> String { title.lowercased().precomposedStringWithCanonicalMapping }

    private static let hyphen = UInt8(ascii: "-")
    private static let underscore = UInt8(ascii: "_")
}

extension Unicode.Scalar {
    /// Also what turns the direction of writing: a name must look like what it is.
    var isControl: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}

extension String {
    /// Short and without control characters, for an error message.
    var shown: String {
        let scalars = unicodeScalars.lazy.map { $0.isControl ? Unicode.Scalar(0xFFFD) ?? $0 : $0 }.prefix(100)
        var text = String()
        text.unicodeScalars.append(contentsOf: scalars)
        return text
    }
}

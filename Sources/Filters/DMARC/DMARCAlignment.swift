import MailTypes
import Pipeline

/// A domain that SPF or DKIM has looked at, and what was found of it. RFC 7489 §4.1.
struct DMARCIdentifier: Sendable, Hashable {
    var method: String
    var domain: String
    var result: AuthenticationResults.Result

    /// Those that can speak for an author: the domain of the reverse-path, or the HELO name where there is none
    /// (RFC 7489 §3.1.2), and the signing domains.
    static func all(in results: AuthenticationResults, sender: EmailAddress?) -> [DMARCIdentifier] {
        let envelope = sender == nil ? "smtp.helo" : "smtp.mailfrom"
        return results.entries.compactMap { entry in
            let wanted: String
            switch entry.method {
            case "spf": wanted = envelope
            case "dkim": wanted = "header.d"
            default: return nil
            }
            guard let value = entry[wanted] else { return nil }
            let domain = value.lastIndex(of: "@").map { String(value[$0...].dropFirst()) } ?? value
            let name = DMARCAlignment.normalized(domain)
            guard isDomain(name) else { return nil }
            return DMARCIdentifier(method: entry.method, domain: name, result: entry.result)
        }
    }

    /// What stands in DNS as a name and means itself: with anything else in it, two readers might see two domains.
    private static func isDomain(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy {
                $0.isLetter || $0.isDigit || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
                    || $0 == UInt8(ascii: "_")
            }
    }
}

/// Whether an identifier is the author's. RFC 7489 §3.1.
struct DMARCAlignment: Sendable {
    /// The author's domain, and the one it was registered under: `nil` for a public suffix.
    let domain: String
    let organization: String?
    let services: Services

    init(of domain: String, services: Services) async throws(StageFailure) {
        self.domain = domain
        self.services = services
        organization = try await Self.organization(of: domain, services)
    }

    func holds(for identifier: String, _ mode: DMARCRecord.Alignment) async throws(StageFailure) -> Bool {
        if identifier == domain { return true }
        guard mode == .relaxed, let organization else { return false }
        if identifier == organization { return true }
        // A name below it may belong to somebody else, if a public suffix lies between.
        guard identifier.hasSuffix(".\(organization)") else { return false }
        return try await Self.organization(of: identifier, services) == organization
    }

    /// The public suffix and one label. RFC 7489 §3.2.
    static func organization(of domain: String, _ services: Services) async throws(StageFailure) -> String? {
        guard let suffix = try await services.publicSuffix(of: domain), domain.hasSuffix(".\(suffix)") else {
            return nil
        }
        let owned = domain.utf8.dropLast(suffix.utf8.count + 1)
        let label = owned.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).last ?? owned
        return label.isEmpty ? nil : "\(String(decoding: label, as: UTF8.self)).\(suffix)"
    }

    /// Lower case, no dots at the ends.
    static func normalized(_ domain: String) -> String {
        let octets = domain.utf8.drop { $0 == UInt8(ascii: ".") }
        let end = octets.lastIndex { $0 != UInt8(ascii: ".") }.map(octets.index(after:)) ?? octets.startIndex
        return String(decoding: octets[octets.startIndex..<end], as: UTF8.self).asciiLowercased
    }
}

import MailTypes

/// Who a From or Sender field says has written. RFC 5322 §3.6.2, RFC 6854.
public enum Authors {
    /// More in one field is an attack on whoever reads it.
    private static let most = 1000

    /// The addresses in order, or `nil` where the field cannot be read without doubt.
    static func addresses(in field: HeaderField) -> [EmailAddress]? {
        let list = AddressList(field, limit: most)
        guard list.defects.isEmpty, let mentioned = domains(mentionedIn: field.rawValue) else { return nil }
        let known = Set(list.addresses.map { trimmed($0.domain) })
        return known.isSuperset(of: mentioned) ? list.addresses : nil
    }

    /// The authors, and whatever else of the field some reader may take for one: what looks like an address in a name
    /// without quotation marks, in a route, or as the name of a group. `nil` where that cannot be said without doubt.
    static func appearing(in field: HeaderField) -> [EmailAddress]? {
        guard let authors = addresses(in: field) else { return nil }
        let domains = Set(authors.map { trimmed($0.domain) })
        let all = mentions(in: field)
        guard all.count < most - 1 else { return nil }
        let mentioned = all.filter { $0.domain.utf8.contains(UInt8(ascii: ".")) || domains.contains($0.domain) }
        let named = mentioned.filter { !$0.localPart.isEmpty }
        // Each author is mentioned once, perhaps with a quoted local part. Others of that kind are a stranger's.
        let unquoted = Set(authors.map(\.key)).intersection(named.map(\.key))
        guard mentioned.count - named.count <= authors.count - unquoted.count else { return nil }
        return authors + named
    }

    /// Whatever looks like an address, outside of comments and quotation marks; a quoted local part is empty. For
    /// who must not get past somebody by writing a field that nobody can read.
    static func mentions(in field: HeaderField) -> [EmailAddress] {
        guard let bare = bare(field.rawValue) else { return [] }
        let parts = bare.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false).prefix(most)
        return zip(parts, parts.dropFirst()).map { before, after in
            let local = before.reversed().drop { $0.isBlank || $0 == .cr || $0 == .lf }
                .prefix { $0.isAtext || $0 == UInt8(ascii: ".") }.reversed()
            let name = String(decoding: Array(local), as: UTF8.self)
            return EmailAddress(localPart: name, domain: trimmed(domain(after)))
        }
    }

    /// What of a domain stands at the beginning, behind blanks.
    private static func domain(_ octets: ArraySlice<UInt8>) -> String {
        let name = octets.drop { $0.isBlank || $0 == .cr || $0 == .lf }.prefix {
            $0.isLetter || $0.isDigit || $0 >= 0x80 || [0x2D, 0x2E, 0x5F].contains($0)
        }
        return String(decoding: name, as: UTF8.self)
    }

    /// The domains of whatever looks like an address, outside of comments and quotation marks: in a route, or as the
    /// name of a group or an author, one reader may take it for the address. `nil`: a comment or quotation never ends.
    private static func domains(mentionedIn value: ArraySlice<UInt8>) -> Set<String>? {
        guard let bare = bare(value) else { return nil }
        var domains: Set<String> = []
        for part in bare.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false).dropFirst() {
            let name = domain(part)
            if name.utf8.contains(UInt8(ascii: ".")) { domains.insert(trimmed(name)) }
        }
        return domains
    }

    /// Comments and quotations are a blank.
    private static func bare(_ value: ArraySlice<UInt8>) -> [UInt8]? {
        var (bare, depth, isQuoted, isEscaped) = ([UInt8](), 0, false, false)
        for octet in value {
            if isEscaped {
                isEscaped = false
                continue
            }
            switch octet {
            case UInt8(ascii: "\\") where depth > 0 || isQuoted: isEscaped = true
            case UInt8(ascii: "\"") where depth == 0: isQuoted.toggle()
            case UInt8(ascii: "(") where !isQuoted: depth += 1
            case UInt8(ascii: ")") where !isQuoted && depth > 0: depth -= 1
            case _ where depth > 0 || isQuoted: continue
            default:
                bare.append(octet)
                continue
            }
            bare.append(.space)
        }
        return depth == 0 && !isQuoted ? bare : nil
    }

    private static func trimmed(_ domain: String) -> String {
        let octets = domain.utf8.reversed().drop { $0 == UInt8(ascii: ".") }.reversed()
        return String(decoding: Array(octets), as: UTF8.self).asciiLowercased
    }
}

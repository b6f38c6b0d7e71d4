import MailTypes

/// Whose results an Authentication-Results field claims to be. RFC 8601 §2.2.
enum AuthservID {
    /// Whether a stranger's field may not stay here: it speaks in one of these names, or nobody can say in whose.
    static func isForged(_ field: HeaderField, for names: [String]) -> Bool {
        ParsedAuthenticationResults.source(of: field) == nil || claims(field, oneOf: names)
    }

    /// Whether the field speaks in one of these names, however it is spelled: in other case, quoted,
    /// folded anywhere, with comments around or inside it, with a final dot or a version behind it.
    ///
    /// Stricter than any reader: what nobody may write here may also go if only a careless reader would
    /// take it for ours.
    static func claims(_ field: HeaderField, oneOf names: [String]) -> Bool {
        let parsed = ParsedAuthenticationResults(field)
        let (bare, isSound) = bareName(field.rawValue)
        return names.contains { name in
            let wanted = Array(name.asciiLowercased.utf8)
            guard !wanted.isEmpty else { return false }
            if parsed.claims(host: name) { return true }
            if !isSound { return field.rawValue.map(\.asciiLowercased).contains(wanted) }
            return bare.starts(with: wanted) && bare.dropFirst(wanted.count).allSatisfy(isVersion)
        }
    }

    private static func isVersion(_ octet: UInt8) -> Bool {
        octet.isDigit || octet == UInt8(ascii: ".") || octet == UInt8(ascii: "/")
    }

    /// What stands before the first semicolon, in lower case, without comments, blanks, quotes and
    /// backslashes; and whether its comments end.
    private static func bareName(_ value: ArraySlice<UInt8>) -> (name: [UInt8], isSound: Bool) {
        var name: [UInt8] = []
        var depth = 0
        var isEscaped = false
        for octet in value {
            if isEscaped {
                isEscaped = false
                if depth == 0 { name.append(octet.asciiLowercased) }
                continue
            }
            switch octet {
            case UInt8(ascii: "\\"): isEscaped = true
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: ")") where depth > 0: depth -= 1
            case _ where depth > 0: break
            case UInt8(ascii: ";"): return (name, true)
            case .space, .tab, .cr, .lf, UInt8(ascii: "\""): break
            default: name.append(octet.asciiLowercased)
            }
        }
        return (name, depth == 0)
    }
}

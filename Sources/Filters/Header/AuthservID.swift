import MailTypes

/// Whose results an Authentication-Results field claims to be. RFC 8601 §2.2.
enum AuthservID {
    /// Whether the field's value speaks in one of these names, however it is spelled: in other case,
    /// quoted, folded, with comments around it, with a final dot. A value whose name cannot be read
    /// but that holds one of them is a forgery as well: nobody can tell what others make of it.
    static func claims(_ value: some Collection<UInt8>, oneOf names: [String]) -> Bool {
        let names = names.map { Array($0.asciiLowercased.utf8) }.filter { !$0.isEmpty }
        var lexer = FieldLexer(value)
        guard let identifier = lexer.nextName() else {
            let lowered = value.map(\.asciiLowercased)
            return names.contains { lowered.contains($0) }
        }
        // The grammar of RFC 5451 let a version follow behind a slash.
        var octets = identifier.prefix { $0 != UInt8(ascii: "/") }.map(\.asciiLowercased)
        while octets.last == UInt8(ascii: ".") { octets.removeLast() }
        return names.contains(octets)
    }
}

import MailTypes

/// What libspf2 may be given to compile.
///
/// It compiles a term of a policy, or an explanation, into 511 octets, and does not look whether there is room left for
/// the text behind a macro: with macros up to the end it writes behind them, on its stack (CVE-2023-42118, open in
/// Debian 12). Texts that could come near the end are not given to it. What it asks for as an explanation is marked, as
/// another measure holds for that: all of it is one term. There a blank counts as the beginning of an escape to the
/// library, so blanks are written as `%_`.
enum BoundedTexts {
    /// Room for a term.
    static let room = 511

    /// What a macro takes, and the head of the text behind it, both aligned.
    private static let macro = 20

    /// A label that no name in DNS has. It stands before the names of explanations in the policies that the library
    /// gets.
    private static let mark: [UInt8] = [1, UInt8(ascii: ".")]

    /// Whether what the library makes of a term has room, whatever it makes of it; there may be no blank in it.
    private static func fits(_ term: ArraySlice<UInt8>) -> Bool {
        let macros = term.count { $0 == UInt8(ascii: "{") }
        // An escape of two octets may become three.
        let escapes = term.count { $0 == UInt8(ascii: "%") }
        return term.count + escapes + (macros + 1) * macro <= room
    }

    /// Whether this is a policy, and no other text. RFC 7208 §4.5.
    static func isPolicy(_ text: [UInt8]) -> Bool {
        text.prefix(6).equalsIgnoringCase("v=spf1") && (text.count == 6 || text[6] == .space)
    }

    /// The policy with its explanations marked, and without other modifiers that the library takes for one; `nil`: a
    /// term of it is too large, or has an octet that no term may have and that could be the mark's. RFC 7208 §12.
    static func policy(_ text: [UInt8]) -> [UInt8]? {
        guard text.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
        var terms: [[UInt8]] = []
        for term in text.split(separator: .space, omittingEmptySubsequences: false) {
            guard fits(term) else { return nil }
            if term.prefix(9).equalsIgnoringCase("exp-text=") { continue }
            let isExplained = term.prefix(4).equalsIgnoringCase("exp=")
            terms.append(isExplained ? term.prefix(4) + mark + term.dropFirst(4) : Array(term))
        }
        return Array(terms.joined(separator: [.space]))
    }

    /// The explanation as the library takes it as it is meant; `nil`: it is too large, or a policy, whose own
    /// explanation would not be marked.
    static func explanation(_ text: [UInt8]) -> [UInt8]? {
        guard !isPolicy(text) else { return nil }
        let term = text.flatMap { $0 == .space ? Array("%_".utf8) : [$0] }
        return fits(term[...]) ? term : nil
    }

    /// The name of an explanation that is asked for; `nil`: it is something else.
    static func marked(_ name: [UInt8]) -> [UInt8]? {
        name.starts(with: mark) ? Array(name.dropFirst(mark.count)) : nil
    }
}

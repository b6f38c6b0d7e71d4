import MailTypes

/// What libopendkim does not ask of signatures and keys.
enum SignatureTags {
    /// Whether the list of a signature is to be believed at all.
    static func isReadable(_ list: ArraySlice<UInt8>) -> Bool { !isRepeating(list) && hasPlainSignature(list) }

    /// Whether a tag stands there twice: no such list is to be believed. RFC 6376 §3.2.
    static func isRepeating(_ list: ArraySlice<UInt8>) -> Bool {
        var names: Set<[UInt8]> = []
        for tag in list.split(separator: UInt8(ascii: ";")) {
            let name = tag.prefix { $0 != UInt8(ascii: "=") }
            guard name.count < tag.count else { continue }
            if !names.insert(name.filter { $0 > 0x20 }).inserted { return true }
        }
        return false
    }

    /// Whether the signature itself is base64 and nothing else: the library passes over other octets, so that one
    /// signature could be written in as many ways as one likes. RFC 6376 §3.5.
    private static func hasPlainSignature(_ list: ArraySlice<UInt8>) -> Bool {
        let text = value(of: "b", in: list)
        let digits = text.prefix { $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/") }
        let padding = text[digits.endIndex...]
        return !digits.isEmpty && padding.count <= 2 && padding.allSatisfy { $0 == UInt8(ascii: "=") }
    }

    /// How a signature has the body hashed: hash, canonicalization, length. RFC 6376 §3.5.
    static func bodyPlan(_ list: ArraySlice<UInt8>) -> [UInt8] {
        let hash = value(of: "a", in: list).split(separator: UInt8(ascii: "-")).last ?? []
        let forms = value(of: "c", in: list).split(separator: UInt8(ascii: "/"), maxSplits: 1)
        let form = forms.count == 2 ? forms[1] : Array("simple".utf8)[...]
        return Array([Array(hash), Array(form), value(of: "l", in: list)].joined(separator: [0]))
    }

    /// Who has signed: `d=`, whatever it is.
    static func domain(_ list: ArraySlice<UInt8>) -> String {
        String(decoding: value(of: "d", in: list), as: UTF8.self)
    }

    /// What stands in a tag, without the blanks in it; nothing if there is no such tag.
    private static func value(of name: String, in list: ArraySlice<UInt8>) -> [UInt8] {
        for tag in list.split(separator: UInt8(ascii: ";")) {
            let words = tag.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard words.count == 2, words[0].filter({ $0 > 0x20 }) == Array(name.utf8) else { continue }
            return words[1].filter { $0 > 0x20 }
        }
        return []
    }

    /// Whether DNS has such names: with anything else in it, two readers might see two. RFC 6376 §3.5.
    static func isName(_ text: String) -> Bool {
        text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count)
                && label.allSatisfy {
                    $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
                }
        }
    }
}

import MailTypes

/// A string with macros, parsed: `%{ir}.%{v}._spf.%{d2}`. RFC 7208 §7.1.
struct MacroString: Sendable, Hashable {
    enum Piece: Sendable, Hashable {
        case literal([UInt8])
        case macro(Macro)
    }

    /// `%{d2r.-}`: a letter, and what is done with its value.
    struct Macro: Sendable, Hashable {
        /// In lower case.
        var letter: UInt8
        /// An upper-case letter: the value is percent-encoded. RFC 7208 §7.3.
        var isEscaped = false
        /// How many labels of the right are kept; `nil`: all.
        var kept: Int?
        var isReversed = false
        var delimiters: [UInt8] = [UInt8(ascii: ".")]
    }

    enum Use {
        /// The name in a mechanism or modifier: no blanks, no `%{c}`, `%{r}`, `%{t}`.
        case name
        /// The text of an explanation.
        case explanation
        /// The value of a modifier nobody knows: read for its syntax only.
        case unknownModifier
    }

    var pieces: [Piece] = []

    /// Answers `nil` where the grammar is broken.
    init?(_ text: some Collection<UInt8>, for use: Use) {
        var rest = Array(text)[...]
        var literal: [UInt8] = []
        while let octet = rest.popFirst() {
            if octet != UInt8(ascii: "%") {
                guard octet.isVisible || octet == .space && use == .explanation else { return nil }
                literal.append(octet)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "%"): literal.append(UInt8(ascii: "%"))
            case UInt8(ascii: "_"): literal.append(.space)
            case UInt8(ascii: "-"): literal += Array("%20".utf8)
            case UInt8(ascii: "{"):
                guard let end = rest.firstIndex(of: UInt8(ascii: "}")), let macro = Macro(rest[..<end], for: use)
                else { return nil }
                rest = rest[(end + 1)...]
                if !literal.isEmpty { pieces.append(.literal(literal)) }
                literal = []
                pieces.append(.macro(macro))
            default: return nil
            }
        }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
    }

    /// A name: ends in a top label or a macro. RFC 7208 §7.1 (domain-spec).
    init?(name text: some Collection<UInt8>) {
        let text = Array(text)
        guard !text.isEmpty, Self.endsWell(text) else { return nil }
        self.init(text, for: .name)
    }

    /// Whether a value of `%{p}`, which costs lookups, is in it.
    var needsClientName: Bool {
        pieces.contains { if case .macro(let macro) = $0 { macro.letter == UInt8(ascii: "p") } else { false } }
    }

    /// Whether the sender's local part is in it: `%{s}`, `%{l}`.
    var needsLocalPart: Bool {
        pieces.contains { if case .macro(let macro) = $0 { "sl".utf8.contains(macro.letter) } else { false } }
    }

    private static func endsWell(_ text: [UInt8]) -> Bool {
        if text.last == UInt8(ascii: "}") { return true }
        if text.count >= 2, text[text.count - 2] == UInt8(ascii: "%"),
            [UInt8(ascii: "%"), UInt8(ascii: "_"), UInt8(ascii: "-")].contains(text[text.count - 1])
        {
            // `%%` ends a name only where its first character is not itself the end of such a pair.
            let signs = text.dropLast().reversed().prefix { $0 == UInt8(ascii: "%") }.count
            if signs % 2 == 1 { return true }
        }
        let dotted = text.last == UInt8(ascii: ".") ? text.dropLast() : text[...]
        guard let dot = dotted.lastIndex(of: UInt8(ascii: ".")) else { return false }
        return isTopLabel(dotted[(dot + 1)...])
    }

    /// Letters, digits and inner hyphens, and not digits only. RFC 7208 §7.1 (toplabel).
    private static func isTopLabel(_ label: ArraySlice<UInt8>) -> Bool {
        guard let first = label.first, let last = label.last, first != UInt8(ascii: "-"), last != UInt8(ascii: "-")
        else { return false }
        return label.allSatisfy { $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "-") }
            && !label.allSatisfy(\.isDigit)
    }
}

extension MacroString.Macro {
    private static let letters = Array("slodiphv".utf8)
    private static let explanationLetters = Array("crt".utf8)
    private static let delimiters = Array(".-+,/_=".utf8)

    /// What stands between `%{` and `}`. RFC 7208 §7.1 (macro-expand).
    fileprivate init?(_ text: ArraySlice<UInt8>, for use: MacroString.Use) {
        var rest = text
        guard let first = rest.popFirst() else { return nil }
        letter = first.asciiLowercased
        isEscaped = letter != first
        guard Self.letters.contains(letter) || use != .name && Self.explanationLetters.contains(letter) else {
            return nil
        }
        let digits = rest.prefix(while: \.isDigit)
        rest = rest[digits.endIndex...]
        if !digits.isEmpty {
            // More labels than a name can have are as good as all.
            let number = digits.reduce(0) { min($0 * 10 + Int($1 - 0x30), 1000) }
            guard number > 0 else { return nil }
            kept = number
        }
        if rest.first?.asciiLowercased == UInt8(ascii: "r") {
            isReversed = true
            rest = rest.dropFirst()
        }
        guard rest.allSatisfy(Self.delimiters.contains) else { return nil }
        if !rest.isEmpty { delimiters = Array(rest) }
    }

    /// The value after splitting, reversing, cutting and joining. RFC 7208 §7.3.
    func transformed(_ value: [UInt8]) -> [UInt8] {
        var parts = value.split(omittingEmptySubsequences: false, whereSeparator: delimiters.contains)
        if isReversed { parts.reverse() }
        if let kept { parts = parts.suffix(kept) }
        let joined = Array(parts.joined(separator: [UInt8(ascii: ".")]))
        return isEscaped ? joined.flatMap(Self.escaped) : joined
    }

    private static func escaped(_ octet: UInt8) -> [UInt8] {
        if octet.isLetter || octet.isDigit || "-._~".utf8.contains(octet) { return [octet] }
        let hex = Array("0123456789ABCDEF".utf8)
        return [UInt8(ascii: "%"), hex[Int(octet >> 4)], hex[Int(octet & 15)]]
    }
}

import MailTypes

/// Takes the value of a structured field apart into words and specials; folding, blanks and comments
/// are left away. RFC 5322 §3.2.
///
/// Total: whatever the octets are, each is read once and nothing recurs.
struct FieldLexer {
    enum Token: Hashable {
        /// An atom, or a run of octets that the grammar does not know.
        case atom([UInt8])
        /// A quoted string, without its quotes and backslashes.
        case quoted([UInt8])
        /// A domain literal with its brackets.
        case literal([UInt8])
        case special(UInt8)
        /// Quotes, brackets or comments that never end: nobody can say where the next field begins.
        case broken
    }

    private let octets: [UInt8]
    private var place = 0

    init(_ octets: some Collection<UInt8>) { self.octets = Array(octets) }

    private var current: UInt8? { place < octets.count ? octets[place] : nil }

    /// The next token, or `nil` at the end.
    mutating func next() -> Token? {
        guard skipBlanks() else { return .broken }
        guard let octet = current else { return nil }
        switch octet {
        case UInt8(ascii: "\""): return enclosed(until: octet).map(Token.quoted) ?? .broken
        case UInt8(ascii: "["):
            let content = enclosed(until: UInt8(ascii: "]"))
            return content.map { .literal([octet] + $0 + [UInt8(ascii: "]")]) } ?? .broken
        case _ where octet.isAtext: return .atom(run())
        default:
            place += 1
            return .special(octet)
        }
    }

    /// A quoted string, or atoms with dots between them, up to a semicolon, another word or the end;
    /// `nil` where something else stands.
    mutating func nextName() -> [UInt8]? {
        var name: [UInt8] = []
        var wantsAtom = true
        while true {
            switch next() {
            case .atom(let part)? where wantsAtom: name += part
            case .quoted(let content)? where name.isEmpty: return content
            case .special(UInt8(ascii: "."))? where !wantsAtom: name.append(UInt8(ascii: "."))
            case nil, .special(UInt8(ascii: ";"))?: return name.isEmpty ? nil : name
            case .atom? where !wantsAtom: return name
            default: return nil
            }
            wantsAtom.toggle()
        }
    }

    /// Octets up to `end`, with backslashes undone.
    private mutating func enclosed(until end: UInt8) -> [UInt8]? {
        place += 1
        var content: [UInt8] = []
        while let octet = current {
            place += 1
            if octet == end { return content }
            if octet == UInt8(ascii: "\\"), let escaped = current {
                content.append(escaped)
                place += 1
            } else if octet != .cr, octet != .lf {
                content.append(octet)
            }
        }
        return nil
    }

    private mutating func run() -> [UInt8] {
        let start = place
        while let octet = current, octet.isAtext { place += 1 }
        return Array(octets[start..<place])
    }

    /// Passes over blanks, folding and comments, which may lie in one another to any depth.
    private mutating func skipBlanks() -> Bool {
        var depth = 0
        while let octet = current {
            switch octet {
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: ")") where depth > 0: depth -= 1
            case UInt8(ascii: "\\") where depth > 0: place += 1
            case .space, .tab, .cr, .lf: break
            default: if depth == 0 { return true }
            }
            place += 1
        }
        return depth == 0
    }
}

import MailTypes

/// Tells what in a regular expression Vectorscan does not know, and where: it stops at the first thing, and does not
/// always say where that is.
public struct PatternSyntax {
    public struct Mistake: Sendable, Hashable {
        /// In octets.
        public var offset: Int
        public var message: String
    }

    public private(set) var mistakes: [Mistake] = []
    private let octets: [UInt8]
    private var place = 0
    private var open: [Int] = []
    /// Something stands here that can be repeated.
    private var hasItem = false

    /// Looks at an expression from its beginning to its end.
    public init(_ expression: String) {
        octets = Array(expression.utf8)
        if octets.isEmpty { note(0, "is empty") }
        guard octets.count <= Pattern.longest else {
            note(0, "is longer than \(Pattern.longest) octets")
            return
        }
        while place < octets.count { read() }
        for start in open { note(start, "this `(` is never closed") }
        mistakes.sort { $0.offset < $1.offset }
    }

    private mutating func note(_ offset: Int, _ message: String) {
        mistakes.append(Mistake(offset: offset, message: message))
    }

    private var next: UInt8? { place < octets.count ? octets[place] : nil }

    private mutating func read() {
        let start = place
        let octet = octets[place]
        place += 1
        switch octet {
        case 0: note(start, "contains a NUL")
        case UInt8(ascii: "\\"): readEscape(start)
        case UInt8(ascii: "["): readClass(start)
        case UInt8(ascii: "("): readGroup(start)
        case UInt8(ascii: ")"):
            if open.popLast() == nil { note(start, "this `)` closes nothing") }
            hasItem = true
        case UInt8(ascii: "|"): hasItem = false
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"): repeated(start)
        case UInt8(ascii: "{"): readBounds(start)
        default: hasItem = true
        }
    }

    private mutating func repeated(_ start: Int) {
        if !hasItem { note(start, "there is nothing here that `\(octets[start].sign)` could repeat") }
        // `+?` is lazy, `++` possessive.
        if next == UInt8(ascii: "?") {
            place += 1
        } else if next == UInt8(ascii: "+") {
            note(place, "possessive quantifiers are not supported")
            place += 1
        }
    }

    private mutating func readEscape(_ start: Int) {
        guard let octet = next else { return note(start, "ends with a backslash") }
        place += 1
        hasItem = true
        switch octet {
        case UInt8(ascii: "1")...UInt8(ascii: "9"): note(start, "back references are not supported")
        case UInt8(ascii: "k"), UInt8(ascii: "g"), UInt8(ascii: "R"), UInt8(ascii: "K"), UInt8(ascii: "X"),
            UInt8(ascii: "G"), UInt8(ascii: "C"):
            note(start, "`\\\(octet.sign)` is not supported")
        case UInt8(ascii: "x") where next == UInt8(ascii: "{"):
            guard let end = octets[place...].firstIndex(of: UInt8(ascii: "}")) else {
                return note(start, "`\\x{` has no end")
            }
            let digits = String(decoding: octets[place + 1..<end], as: UTF8.self)
            if UInt8(digits, radix: 16) == nil {
                note(start, "`\\x{\(digits)}` is no octet; letters beyond ASCII are written as they are")
            }
            place = end + 1
        default: break
        }
    }

    private mutating func readGroup(_ start: Int) {
        open.append(start)
        hasItem = false
        guard next == UInt8(ascii: "?") else { return }
        let rest = octets[(place + 1)...].prefix(2)
        place += 1
        if rest.starts(with: "=".utf8) || rest.starts(with: "!".utf8) || rest.starts(with: "<=".utf8)
            || rest.starts(with: "<!".utf8)
        {
            note(start, "looking ahead or behind is not supported")
        } else if rest.starts(with: ">".utf8) {
            note(start, "atomic groups are not supported")
        } else if rest.starts(with: "(".utf8) || rest.starts(with: "R".utf8) || rest.starts(with: "&".utf8) {
            note(start, "conditions and recursion are not supported")
        } else if rest.starts(with: "#".utf8) {
            place = octets[place...].firstIndex(of: UInt8(ascii: ")")) ?? octets.count
            return
        }
        skipFlags(start)
    }

    /// `?i)`, `?i:`, `?:`, `?P<name>`.
    private mutating func skipFlags(_ start: Int) {
        while let octet = next, octet.isLetter || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "^") {
            place += 1
        }
        switch next {
        case UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: "!"), UInt8(ascii: ">"): place += 1
        case UInt8(ascii: "<"):
            place = octets[place...].firstIndex(of: UInt8(ascii: ">")).map { $0 + 1 } ?? place + 1
        default: break
        }
    }

    private mutating func readBounds(_ start: Int) {
        guard let end = octets[place...].prefix(16).firstIndex(of: UInt8(ascii: "}")) else { return hasItem = true }
        let bounds = octets[place..<end].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        let numbers = bounds.map { Int(String(decoding: $0, as: UTF8.self)) }
        // `{name}` is taken for letters.
        guard (1...2).contains(numbers.count), let least = numbers[0],
            numbers.count == 1 || bounds[1].isEmpty || numbers[1] != nil
        else { return hasItem = true }
        place = end + 1
        if numbers.count == 2, let most = numbers[1], most < least {
            note(start, "ends with less than it begins with")
        }
        if max(least, numbers.last.flatMap(\.self) ?? 0) > Self.mostRepeats {
            note(start, "repeats more than \(Self.mostRepeats) times")
        }
        repeated(start)
    }

    private static let mostRepeats = 500

    private mutating func readClass(_ start: Int) {
        hasItem = true
        if next == UInt8(ascii: "^") { place += 1 }
        // A bracket at the beginning is a letter.
        if next == UInt8(ascii: "]") { place += 1 }
        var isNoted = false
        while let octet = next {
            if octet == UInt8(ascii: "]") {
                place += 1
                return
            }
            if octet == UInt8(ascii: "["), place + 1 < octets.count, octets[place + 1] == UInt8(ascii: ":"),
                let end = octets[place...].firstIndex(of: UInt8(ascii: "]"))
            {
                place = end + 1
                continue
            }
            if octet >= 0x80, !isNoted {
                note(place, "letters beyond ASCII cannot stand in brackets; write (?:ä|ö)")
                isNoted = true
            }
            place += octet == UInt8(ascii: "\\") ? 2 : 1
        }
        note(start, "this `[` is never closed")
    }
}

extension UInt8 {
    fileprivate var sign: String { String(decoding: [self], as: UTF8.self) }
}

import MailTypes

/// Cuts HTML into tags, text and comments, as browsers do. WHATWG HTML §13.2.5.
///
/// Tokens are ranges of the octets; nothing is copied. Who reads them says what follows a start tag: text
/// of `<script>` is no markup.
struct HTMLTokenizer {
    enum Token {
        /// Text with character references in it.
        case text(Range<Int>)
        /// Text that is what it is.
        case rawText(Range<Int>)
        /// The attributes are in ``attributes``.
        case startTag(PackedName)
        case endTag(PackedName)
        case comment(Range<Int>)
        case doctype
        case end
    }

    enum Mode {
        case data
        /// Until the end tag of that name, with references or without.
        case rcdata(PackedName), rawText(PackedName)
        case script
        case plainText
    }

    struct Attribute {
        var name: Range<Int>
        var value: Range<Int>
    }

    let octets: [UInt8]
    private let maxAttributes: Int
    private var position = 0
    /// Where the token that was read last begins, if it is markup.
    private(set) var tokenStart = 0
    var mode = Mode.data
    /// Inside of SVG and MathML there are CDATA sections.
    var allowsCDATA = false
    private(set) var attributes: [Attribute] = []
    private(set) var isSelfClosing = false
    /// A tag had more attributes than are kept.
    private(set) var hasTooManyAttributes = false
    /// The text ends inside of a tag or comment.
    private(set) var isUnterminated = false

    init(_ octets: [UInt8], maxAttributes: Int) {
        self.octets = octets
        self.maxAttributes = maxAttributes
        // A byte-order mark is none of the text.
        if octets.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    mutating func next() -> Token {
        while position < octets.count {
            switch mode {
            case .data:
                if let token = data() { return token }
            case .rcdata(let name):
                if let range = untilEndTag(name) { return .text(range) }
            case .rawText(let name):
                if let range = untilEndTag(name) { return .rawText(range) }
            case .script:
                if let range = script() { return .rawText(range) }
            case .plainText:
                defer { position = octets.count }
                return .rawText(position..<octets.count)
            }
        }
        return .end
    }

    /// One token; `nil` for what is dropped.
    private mutating func data() -> Token? {
        let start = position
        tokenStart = start
        var place = start
        while place < octets.count, octets[place] != UInt8(ascii: "<") || !beginsMarkup(place) { place += 1 }
        if place > start {
            position = place
            return .text(start..<place)
        }
        switch octets[start + 1] {
        case UInt8(ascii: "!"):
            return declaration(from: start + 2)
        case UInt8(ascii: "?"):
            return bogusComment(from: start + 1)
        case UInt8(ascii: "/"):
            return endTag(from: start + 2)
        default:
            return tag(from: start + 1).map(Token.startTag)
        }
    }

    private func beginsMarkup(_ place: Int) -> Bool {
        guard place + 1 < octets.count else { return false }
        let next = octets[place + 1]
        if next == UInt8(ascii: "/") { return place + 2 < octets.count }
        return next.isLetter || next == UInt8(ascii: "!") || next == UInt8(ascii: "?")
    }

    // MARK: - Tags

    private mutating func endTag(from start: Int) -> Token? {
        if octets[start] == UInt8(ascii: ">") {
            position = start + 1
            return nil
        }
        guard octets[start].isLetter else { return bogusComment(from: start) }
        return tag(from: start).map(Token.endTag)
    }

    /// Reads name and attributes; `nil` if the text ends before the tag does.
    private mutating func tag(from start: Int) -> PackedName? {
        attributes.removeAll(keepingCapacity: true)
        isSelfClosing = false
        var place = start
        while place < octets.count, !octets[place].endsTagName { place += 1 }
        let name = PackedName(lowercasing: octets, start..<place)
        while true {
            while place < octets.count, octets[place].isHTMLSpace || octets[place] == UInt8(ascii: "/") {
                isSelfClosing = octets[place] == UInt8(ascii: "/")
                place += 1
            }
            guard place < octets.count else { break }
            if octets[place] == UInt8(ascii: ">") {
                position = place + 1
                return name
            }
            isSelfClosing = false
            guard let end = attribute(from: place) else { break }
            place = end
        }
        position = octets.count
        isUnterminated = true
        return nil
    }

    /// Reads one attribute; where it ends, or `nil` if it does not.
    private mutating func attribute(from start: Int) -> Int? {
        var place = start + 1
        while place < octets.count, !octets[place].endsTagName, octets[place] != UInt8(ascii: "=") { place += 1 }
        let name = start..<place
        while place < octets.count, octets[place].isHTMLSpace { place += 1 }
        guard place < octets.count else { return nil }
        guard octets[place] == UInt8(ascii: "=") else {
            add(Attribute(name: name, value: place..<place))
            return place
        }
        place += 1
        while place < octets.count, octets[place].isHTMLSpace { place += 1 }
        guard place < octets.count else { return nil }
        let quote = octets[place]
        if quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
            let begin = place + 1
            place = begin
            while place < octets.count, octets[place] != quote { place += 1 }
            guard place < octets.count else { return nil }
            add(Attribute(name: name, value: begin..<place))
            return place + 1
        }
        let begin = place
        while place < octets.count, !octets[place].isHTMLSpace, octets[place] != UInt8(ascii: ">") { place += 1 }
        add(Attribute(name: name, value: begin..<place))
        return place
    }

    private mutating func add(_ attribute: Attribute) {
        if attributes.count < maxAttributes {
            attributes.append(attribute)
        } else {
            hasTooManyAttributes = true
        }
    }

    // MARK: - Comments and declarations

    private mutating func declaration(from start: Int) -> Token? {
        if has("--", at: start) { return comment(from: start + 2) }
        if has("doctype", at: start) {
            _ = bogusComment(from: start)
            return .doctype
        }
        if allowsCDATA, has("[cdata[", at: start) {
            let begin = start + 7
            var place = begin
            while place < octets.count, !has("]]>", at: place) { place += 1 }
            position = Swift.min(octets.count, place + 3)
            return begin < place ? .rawText(begin..<place) : nil
        }
        return bogusComment(from: start)
    }

    private mutating func bogusComment(from start: Int) -> Token {
        let end = octets[start...].firstIndex(of: UInt8(ascii: ">")) ?? octets.count
        if end == octets.count { isUnterminated = true }
        position = Swift.min(octets.count, end + 1)
        return .comment(start..<end)
    }

    private mutating func comment(from start: Int) -> Token {
        if has(">", at: start) || has("->", at: start) {
            position = start + (has(">", at: start) ? 1 : 2)
            return .comment(start..<start)
        }
        var place = start
        while place < octets.count {
            if octets[place] == UInt8(ascii: "-"), has("-->", at: place) || has("--!>", at: place) {
                position = place + (has("-->", at: place) ? 3 : 4)
                return .comment(start..<place)
            }
            place += 1
        }
        isUnterminated = true
        position = octets.count
        return .comment(start..<octets.count)
    }

    // MARK: - Raw text

    /// Whether these octets stand there, letters in any case; `text` is in lower case.
    private func has(_ text: StaticString, at place: Int) -> Bool {
        text.withUTF8Buffer { wanted in
            guard place + wanted.count <= octets.count else { return false }
            for offset in 0..<wanted.count where octets[place + offset].asciiLowercased != wanted[offset] {
                return false
            }
            return true
        }
    }

    /// Whether the end tag of that name is there.
    private func hasEndTag(_ name: PackedName, at place: Int) -> Bool {
        guard place + 2 < octets.count, octets[place] == UInt8(ascii: "<"), octets[place + 1] == UInt8(ascii: "/")
        else { return false }
        var end = place + 2
        // No name that is looked for is longer than `plaintext`.
        while end < octets.count, end - place < 16, !octets[end].endsTagName { end += 1 }
        return end < octets.count && octets[end].endsTagName
            && PackedName(lowercasing: octets, place + 2..<end) == name
    }

    private mutating func untilEndTag(_ name: PackedName) -> Range<Int>? {
        let start = position
        var place = start
        while place < octets.count, octets[place] != UInt8(ascii: "<") || !hasEndTag(name, at: place) { place += 1 }
        mode = .data
        position = place
        return place > start ? start..<place : nil
    }

    private static let scriptName = PackedName("script")

    /// Until `</script>`, which does not count inside of `<!-- <script>`. WHATWG HTML §13.2.5.15.
    private mutating func script() -> Range<Int>? {
        let start = position
        var place = start
        var (isEscaped, isDoubled) = (false, false)
        while place < octets.count {
            let octet = octets[place]
            if octet == UInt8(ascii: "<") {
                if hasEndTag(Self.scriptName, at: place) {
                    if !isDoubled { break }
                    isDoubled = false
                } else if has("<!--", at: place) {
                    isEscaped = true
                } else if isEscaped, has("<script", at: place), place + 7 < octets.count,
                    octets[place + 7].endsTagName
                {
                    isDoubled = true
                }
            } else if octet == UInt8(ascii: "-"), isEscaped, has("-->", at: place) {
                (isEscaped, isDoubled) = (false, false)
            }
            place += 1
        }
        mode = .data
        position = place
        return place > start ? start..<place : nil
    }
}

extension UInt8 {
    /// Tab, line feed, form feed, carriage return, space.
    var isHTMLSpace: Bool { self == 0x20 || self == 0x0A || self == 0x09 || self == 0x0D || self == 0x0C }
    /// What ends a name in a tag.
    var endsTagName: Bool { isHTMLSpace || self == UInt8(ascii: "/") || self == UInt8(ascii: ">") }
}

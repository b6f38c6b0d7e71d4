import MailTypes

/// Reads declarations: `display:none; font-size: 0`. CSS Syntax 3, as far as hiding goes.
enum CSSParser {
    private enum Property: UInt8, Sendable {
        case display, visibility, opacity, fontSize, font, color, background, width, height, overflow, position
        case left, top, indent, margin, marginLeft, marginTop, officeHide, clip, whiteSpace
        case direction, unicodeBidi
    }

    private static let names: [(String, Property)] = [
        ("display", .display), ("visibility", .visibility), ("opacity", .opacity), ("font-size", .fontSize),
        ("font", .font), ("color", .color), ("-webkit-text-fill-color", .color), ("background", .background),
        ("background-color", .background), ("background-image", .background), ("width", .width),
        ("max-width", .width), ("height", .height), ("max-height", .height), ("overflow", .overflow),
        ("overflow-x", .overflow), ("overflow-y", .overflow), ("position", .position), ("left", .left),
        ("top", .top), ("text-indent", .indent), ("margin", .margin), ("margin-left", .marginLeft),
        ("margin-top", .marginTop), ("mso-hide", .officeHide), ("clip", .clip), ("clip-path", .clip),
        ("white-space", .whiteSpace), ("direction", .direction), ("unicode-bidi", .unicodeBidi),
    ]
    private static let properties = PackedTable(names.map { (name: PackedName($0.0), value: $0.1) })

    /// What the declarations say, the important ones apart, since they count before all others.
    static func parse(_ octets: [UInt8], _ range: Range<Int>) -> (normal: CSSDeclarations, important: CSSDeclarations) {
        var (normal, important) = (CSSDeclarations(), CSSDeclarations())
        var position = range.lowerBound
        while position < range.upperBound {
            let name = word(octets, &position, range.upperBound)
            while position < range.upperBound, octets[position].isHTMLSpace { position += 1 }
            let isDeclaration = position < range.upperBound && octets[position] == UInt8(ascii: ":")
            if isDeclaration { position += 1 }
            var value = self.value(octets, &position, range.upperBound)
            guard isDeclaration, let property = properties[PackedName(lowercasing: octets, name)] else { continue }
            if takeImportant(octets, &value) {
                set(property, octets, value, &important)
            } else {
                set(property, octets, value, &normal)
            }
        }
        return (normal, important)
    }

    private static func word(_ octets: [UInt8], _ position: inout Int, _ end: Int) -> Range<Int> {
        while position < end, octets[position].isHTMLSpace || octets[position] == UInt8(ascii: ";") { position += 1 }
        let start = position
        while position < end,
            octets[position].isLetter || octets[position] == UInt8(ascii: "-")
                || octets[position].isDigit || octets[position] == UInt8(ascii: "_")
        {
            position += 1
        }
        return start..<position
    }

    /// Up to the semicolon, which does not count in quotes and parentheses.
    private static func value(_ octets: [UInt8], _ position: inout Int, _ end: Int) -> Range<Int> {
        while position < end, octets[position].isHTMLSpace { position += 1 }
        let start = position
        var quote: UInt8 = 0
        var depth = 0
        while position < end {
            let octet = octets[position]
            if quote != 0 {
                if octet == quote { quote = 0 }
            } else if octet == UInt8(ascii: ";"), depth == 0 {
                break
            } else if octet == UInt8(ascii: "'") || octet == UInt8(ascii: "\"") {
                quote = octet
            } else if octet == UInt8(ascii: "(") {
                depth += 1
            } else if octet == UInt8(ascii: ")") {
                depth = Swift.max(0, depth - 1)
            }
            position += 1
        }
        var stop = position
        while stop > start, octets[stop - 1].isHTMLSpace { stop -= 1 }
        if position < end { position += 1 }
        return start..<stop
    }

    /// Takes `!important` off the end.
    private static func takeImportant(_ octets: [UInt8], _ value: inout Range<Int>) -> Bool {
        guard let mark = octets[value].lastIndex(of: UInt8(ascii: "!")),
            octets[(mark + 1)..<value.upperBound].drop(while: \.isHTMLSpace).equalsIgnoringCase("important")
        else { return false }
        var stop = mark
        while stop > value.lowerBound, octets[stop - 1].isHTMLSpace { stop -= 1 }
        value = value.lowerBound..<stop
        return true
    }

    private static func set(
        _ property: Property, _ octets: [UInt8], _ value: Range<Int>, _ result: inout CSSDeclarations
    ) {
        guard !value.isEmpty else { return }
        result.isEmpty = false
        let text = octets[value]
        switch property {
        case .display: result.isDisplayed = !text.equalsIgnoringCase("none")
        case .visibility:
            result.isVisible = !(text.equalsIgnoringCase("hidden") || text.equalsIgnoringCase("collapse"))
        case .opacity:
            result.opacity = number(octets, value).map { Int32($0.isPercent ? $0.hundredths / 100 : $0.hundredths) }
        case .fontSize: result.fontSize = fontSize(octets, value) ?? result.fontSize
        case .font: result.fontSize = firstLength(octets, value) ?? result.fontSize
        case .color: result.color = CSSColor.parse(octets, value) ?? result.color
        case .background: result.background = background(octets, value) ?? result.background
        case .width: result.width = length(octets, value) ?? result.width
        case .height: result.height = length(octets, value) ?? result.height
        case .overflow:
            result.isClipping = text.equalsIgnoringCase("hidden") || text.equalsIgnoringCase("clip")
        case .position:
            result.isPositioned = text.equalsIgnoringCase("absolute") || text.equalsIgnoringCase("fixed")
        case .left: result.left = length(octets, value)
        case .top: result.top = length(octets, value)
        case .indent: result.indent = length(octets, value)
        case .marginLeft: result.marginLeft = length(octets, value)
        case .marginTop: result.marginTop = length(octets, value)
        case .margin: setMargins(octets, value, &result)
        case .officeHide: result.isHiddenForOffice = text.equalsIgnoringCase("all")
        case .clip: result.isClippedAway = isNothing(octets, value)
        case .whiteSpace: result.keepsSpace = text.first.map { $0 | 0x20 } == UInt8(ascii: "p")
        case .direction: result.isRightToLeft = text.equalsIgnoringCase("rtl")
        case .unicodeBidi:
            result.overridesDirection =
                text.equalsIgnoringCase("bidi-override") || text.equalsIgnoringCase("isolate-override")
        }
    }

    // MARK: - Values

    private static func number(_ octets: [UInt8], _ value: Range<Int>) -> CSSNumber? {
        var position = value.lowerBound
        return CSSNumber.read(octets, &position, end: value.upperBound)
    }

    private static func length(_ octets: [UInt8], _ value: Range<Int>) -> CSSDeclarations.Length? {
        guard let number = number(octets, value) else {
            return octets[value].equalsIgnoringCase("auto") || octets[value].equalsIgnoringCase("none")
                ? .automatic : nil
        }
        return length(number, octets)
    }

    private static func length(_ number: CSSNumber, _ octets: [UInt8]) -> CSSDeclarations.Length {
        if number.isPercent { return .relative(Int32(number.hundredths)) }
        let unit = octets[number.unit]
        let percent: Int
        if unit.equalsIgnoringCase("pt") {
            percent = 133
        } else if unit.equalsIgnoringCase("em") {
            return .relative(Int32(Swift.max(-1_000_000, Swift.min(1_000_000, number.hundredths)) * 100))
        } else if unit.equalsIgnoringCase("rem") {
            percent = 1600
        } else if unit.equalsIgnoringCase("ex") || unit.equalsIgnoringCase("ch") {
            percent = 800
        } else if unit.equalsIgnoringCase("in") {
            percent = 9600
        } else if unit.equalsIgnoringCase("cm") {
            percent = 3780
        } else if unit.equalsIgnoringCase("mm") {
            percent = 378
        } else {
            percent = 100
        }
        return .pixels(Int32(clamping: number.hundredths * percent / 100))
    }

    private static func fontSize(_ octets: [UInt8], _ value: Range<Int>) -> CSSDeclarations.Length? {
        if let length = length(octets, value), length != .automatic { return length }
        if octets[value].equalsIgnoringCase("smaller") { return .relative(8300) }
        if octets[value].equalsIgnoringCase("larger") { return .relative(12000) }
        // `xx-small` to `xxx-large`: all of them can be read.
        return octets[value].first?.isLetter == true ? .pixels(1300) : nil
    }

    /// The size in `italic bold 12px/30px Georgia`.
    private static func firstLength(_ octets: [UInt8], _ value: Range<Int>) -> CSSDeclarations.Length? {
        var position = value.lowerBound
        while position < value.upperBound {
            let isStart = position == value.lowerBound || octets[position - 1].isHTMLSpace
            if isStart, let number = CSSNumber.read(octets, &position, end: value.upperBound) {
                // A number without a unit is a weight, unless it is nothing.
                if number.isPercent || !number.unit.isEmpty || number.hundredths == 0 { return length(number, octets) }
            }
            position += 1
        }
        return nil
    }

    private static func background(_ octets: [UInt8], _ value: Range<Int>) -> CSSColor? {
        if let color = CSSColor.parse(octets, value), color != .uncertain { return color }
        if octets[value].equalsIgnoringCase("none") { return .transparent }
        guard !octets[value].contains(UInt8(ascii: "(")) else { return .uncertain }
        // `#fff repeat-x top`: one of the words is a colour, or none.
        for word in octets[value].split(whereSeparator: \.isHTMLSpace).prefix(8) {
            if let color = CSSColor.parse(octets, word.startIndex..<word.endIndex) { return color }
        }
        return nil
    }

    private static func setMargins(_ octets: [UInt8], _ value: Range<Int>, _ result: inout CSSDeclarations) {
        let words = octets[value].split(whereSeparator: \.isHTMLSpace).prefix(4)
        let lengths = words.map { length(octets, $0.startIndex..<$0.endIndex) }
        guard let first = lengths.first else { return }
        result.marginTop = first
        result.marginLeft = lengths.count == 4 ? lengths[3] : lengths.count > 1 ? lengths[1] : first
    }

    /// `rect(0,0,0,0)`, `rect(1px,1px,1px,1px)`, `inset(50%)`, `inset(100%)`.
    private static func isNothing(_ octets: [UInt8], _ value: Range<Int>) -> Bool {
        let numbers = CSSNumber.all(octets, value, limit: 4)
        if octets[value].prefix(4).equalsIgnoringCase("rect") {
            return numbers.count == 4 && numbers.allSatisfy { $0.hundredths == numbers[0].hundredths }
        }
        guard octets[value].prefix(5).equalsIgnoringCase("inset") else { return false }
        return numbers.first.map { $0.isPercent && $0.hundredths >= 5000 } ?? false
    }
}

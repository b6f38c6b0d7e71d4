import MailTypes

extension CSSColor {
    /// Reads `#fff`, `rgb(1, 2, 3)`, `hsl(…)`, `white`; `nil` if it is none. CSS Color 4.
    static func parse(_ octets: [UInt8], _ range: Range<Int>) -> CSSColor? {
        guard let first = range.first else { return nil }
        if octets[first] == UInt8(ascii: "#") { return hexadecimal(octets[first + 1..<range.upperBound]) }
        if let parenthesis = octets[range].firstIndex(of: UInt8(ascii: "(")) {
            return function(octets, range.lowerBound..<parenthesis, parenthesis + 1..<range.upperBound)
        }
        let name = PackedName(lowercasing: octets, range)
        if let value = names[name] { return .opaque(value) }
        if name == transparentName { return .transparent }
        return name == inheritName ? .inherited : nil
    }

    /// As attributes have it: `#` may be missing. WHATWG HTML §2.3.6.
    static func parseLegacy(_ octets: [UInt8]) -> CSSColor? {
        parse(octets, octets.indices) ?? hexadecimal(octets[...])
    }

    private static let transparentName = PackedName("transparent")
    private static let inheritName = PackedName("inherit")

    private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> CSSColor? {
        guard 3...8 ~= digits.count else { return nil }
        var values: [UInt32] = []
        for digit in digits {
            guard let value = digit.contentHexValue else { return nil }
            values.append(UInt32(value))
        }
        let isShort = values.count <= 4
        guard values.count != 5, values.count != 7 else { return nil }
        func channel(_ place: Int) -> UInt32 {
            isShort ? values[place] * 17 : values[place * 2] * 16 + values[place * 2 + 1]
        }
        if values.count == 4 || values.count == 8 {
            if channel(3) < 26 { return .transparent }
            if channel(3) < 230 { return .uncertain }
        }
        return .opaque(channel(0) << 16 | channel(1) << 8 | channel(2))
    }

    private static func function(_ octets: [UInt8], _ name: Range<Int>, _ arguments: Range<Int>) -> CSSColor? {
        let numbers = CSSNumber.all(octets, arguments, limit: 4)
        if numbers.count == 4 {
            let alpha = numbers[3].isPercent ? numbers[3].hundredths / 100 : numbers[3].hundredths
            if alpha < 10 { return .transparent }
            if alpha < 90 { return .uncertain }
        }
        guard numbers.count >= 3, name.count >= 3 else { return .uncertain }
        if octets[name.lowerBound] | 0x20 == UInt8(ascii: "h") { return hsl(numbers) }
        var value: UInt32 = 0
        for number in numbers.prefix(3) {
            let full = number.isPercent ? number.hundredths * 255 / 100 : number.hundredths
            value = value << 8 | UInt32(Swift.max(0, Swift.min(255, full / 100)))
        }
        return .opaque(value)
    }

    /// Only the lightness is looked at closely: black, white or something.
    private static func hsl(_ numbers: [CSSNumber]) -> CSSColor {
        let lightness = Swift.max(0, Swift.min(100, numbers[2].hundredths / 100))
        let isGrey = numbers[1].hundredths == 0 || lightness <= 2 || lightness >= 98
        guard isGrey else { return .uncertain }
        let level = UInt32(lightness) * 255 / 100
        return .opaque(level << 16 | level << 8 | level)
    }

    private static let names: PackedTable<UInt32> = {
        let words = text.split(separator: " ").map { $0.split(separator: "=") }
        return PackedTable(
            words.compactMap { word in
                guard word.count == 2, let value = UInt32(word[1], radix: 16) else { return nil }
                return (name: PackedName(word[0]), value: value)
            })
    }()

    private static let text = """
        aliceblue=f0f8ff antiquewhite=faebd7 aqua=00ffff aquamarine=7fffd4 azure=f0ffff beige=f5f5dc bisque=ffe4c4 \
        black=000000 blanchedalmond=ffebcd blue=0000ff blueviolet=8a2be2 brown=a52a2a burlywood=deb887 \
        cadetblue=5f9ea0 chartreuse=7fff00 chocolate=d2691e coral=ff7f50 cornflowerblue=6495ed cornsilk=fff8dc \
        crimson=dc143c cyan=00ffff darkblue=00008b darkcyan=008b8b darkgoldenrod=b8860b darkgray=a9a9a9 \
        darkgreen=006400 darkgrey=a9a9a9 darkkhaki=bdb76b darkmagenta=8b008b darkolivegreen=556b2f darkorange=ff8c00 \
        darkorchid=9932cc darkred=8b0000 darksalmon=e9967a darkseagreen=8fbc8f darkslateblue=483d8b \
        darkslategray=2f4f4f darkslategrey=2f4f4f darkturquoise=00ced1 darkviolet=9400d3 deeppink=ff1493 \
        deepskyblue=00bfff dimgray=696969 dimgrey=696969 dodgerblue=1e90ff firebrick=b22222 floralwhite=fffaf0 \
        forestgreen=228b22 fuchsia=ff00ff gainsboro=dcdcdc ghostwhite=f8f8ff gold=ffd700 goldenrod=daa520 gray=808080 \
        green=008000 greenyellow=adff2f grey=808080 honeydew=f0fff0 hotpink=ff69b4 indianred=cd5c5c indigo=4b0082 \
        ivory=fffff0 khaki=f0e68c lavender=e6e6fa lavenderblush=fff0f5 lawngreen=7cfc00 lemonchiffon=fffacd \
        lightblue=add8e6 lightcoral=f08080 lightcyan=e0ffff lightgoldenrodyellow=fafad2 lightgray=d3d3d3 \
        lightgreen=90ee90 lightgrey=d3d3d3 lightpink=ffb6c1 lightsalmon=ffa07a lightseagreen=20b2aa \
        lightskyblue=87cefa lightslategray=778899 lightslategrey=778899 lightsteelblue=b0c4de lightyellow=ffffe0 \
        lime=00ff00 limegreen=32cd32 linen=faf0e6 magenta=ff00ff maroon=800000 mediumaquamarine=66cdaa \
        mediumblue=0000cd mediumorchid=ba55d3 mediumpurple=9370db mediumseagreen=3cb371 mediumslateblue=7b68ee \
        mediumspringgreen=00fa9a mediumturquoise=48d1cc mediumvioletred=c71585 midnightblue=191970 mintcream=f5fffa \
        mistyrose=ffe4e1 moccasin=ffe4b5 navajowhite=ffdead navy=000080 oldlace=fdf5e6 olive=808000 olivedrab=6b8e23 \
        orange=ffa500 orangered=ff4500 orchid=da70d6 palegoldenrod=eee8aa palegreen=98fb98 paleturquoise=afeeee \
        palevioletred=db7093 papayawhip=ffefd5 peachpuff=ffdab9 peru=cd853f pink=ffc0cb plum=dda0dd powderblue=b0e0e6 \
        purple=800080 rebeccapurple=663399 red=ff0000 rosybrown=bc8f8f royalblue=4169e1 saddlebrown=8b4513 \
        salmon=fa8072 sandybrown=f4a460 seagreen=2e8b57 seashell=fff5ee sienna=a0522d silver=c0c0c0 skyblue=87ceeb \
        slateblue=6a5acd slategray=708090 slategrey=708090 snow=fffafa springgreen=00ff7f steelblue=4682b4 tan=d2b48c \
        teal=008080 thistle=d8bfd8 tomato=ff6347 turquoise=40e0d0 violet=ee82ee wheat=f5deb3 white=ffffff \
        whitesmoke=f5f5f5 yellow=ffff00 yellowgreen=9acd32
        """
}

/// A number of a style: `-9999px`, `.5`, `80%`.
struct CSSNumber {
    var hundredths: Int
    var isPercent = false
    /// The letters behind it.
    var unit = 0..<0

    /// Larger ones are cut off there.
    private static let largest = 1_000_000

    /// Reads a number at `position` and moves behind its unit.
    static func read(_ octets: [UInt8], _ position: inout Int, end: Int) -> CSSNumber? {
        var place = position
        var isNegative = false
        if place < end, octets[place] == UInt8(ascii: "-") || octets[place] == UInt8(ascii: "+") {
            isNegative = octets[place] == UInt8(ascii: "-")
            place += 1
        }
        var value = 0
        var digits = 0
        while place < end, octets[place].isDigit {
            value = Swift.min(largest, value * 10 + Int(octets[place]) - 0x30)
            place += 1
            digits += 1
        }
        value *= 100
        if place < end, octets[place] == UInt8(ascii: ".") {
            place += 1
            var weight = 10
            while place < end, octets[place].isDigit {
                value += (Int(octets[place]) - 0x30) * weight
                weight /= 10
                place += 1
                digits += 1
            }
        }
        guard digits > 0 else { return nil }
        var number = CSSNumber(hundredths: isNegative ? -value : value)
        if place < end, octets[place] == UInt8(ascii: "%") {
            number.isPercent = true
            place += 1
        } else {
            let start = place
            while place < end, octets[place].isLetter { place += 1 }
            number.unit = start..<place
        }
        position = place
        return number
    }

    /// The numbers of a function's arguments.
    static func all(_ octets: [UInt8], _ range: Range<Int>, limit: Int) -> [CSSNumber] {
        var numbers: [CSSNumber] = []
        var position = range.lowerBound
        while position < range.upperBound, numbers.count < limit {
            if let number = read(octets, &position, end: range.upperBound) {
                numbers.append(number)
            } else {
                position += 1
            }
        }
        return numbers
    }
}

extension UInt8 {
    /// The value of a hexadecimal digit.
    var contentHexValue: UInt8? {
        if isDigit { return self - 0x30 }
        let letter = self | 0x20
        return 0x61...0x66 ~= letter ? letter - 0x61 + 10 : nil
    }
}

/// Letters that look like others, and characters that are not seen.
enum Homoglyphs {
    /// The script of a letter, as far as mixing scripts is telling.
    enum Script: UInt8, Sendable {
        case latin, greek, cyrillic, armenian, hebrew, arabic, han, kana, hangul, thai, cherokee, other
    }

    /// A mark that is drawn through or around the character before it, as U+0338 in `a̸`.
    static func isOverlay(_ scalar: UInt32) -> Bool {
        0x334...0x338 ~= scalar || 0x20D0...0x20F0 ~= scalar
    }

    /// `nil` for what is no letter or belongs to all scripts.
    static func script(of scalar: UInt32) -> Script? {
        switch scalar {
        case 0x41...0x5A, 0x61...0x7A, 0xAA, 0xBA, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x24F, 0x250...0x2AF,
            0x1E00...0x1EFF, 0x2C60...0x2C7F, 0xA720...0xA7FF, 0xFF21...0xFF3A, 0xFF41...0xFF5A:
            .latin
        case 0x370...0x3FF, 0x1F00...0x1FFF: .greek
        case 0x400...0x52F, 0x1C80...0x1C8F, 0x2DE0...0x2DFF, 0xA640...0xA69F: .cyrillic
        case 0x531...0x58F: .armenian
        case 0x5D0...0x5EA: .hebrew
        case 0x620...0x64A, 0x671...0x6D3: .arabic
        case 0xE01...0xE3A, 0xE40...0xE4E: .thai
        case 0x13A0...0x13FF, 0xAB70...0xABBF: .cherokee
        case 0x3041...0x309F, 0x30A1...0x30FA, 0x31F0...0x31FF, 0xFF66...0xFF9D: .kana
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF, 0x3005: .han
        case 0x1100...0x11FF, 0x3130...0x318F, 0xAC00...0xD7A3: .hangul
        case 0..<0x300, 0x2000...0x2BFF, 0x3000...0x303F, 0x1F000...0x1FAFF, 0xFE00...0xFE0F, 0x300...0x36F: nil
        default: .other
        }
    }

    /// The scripts of a word.
    struct Scripts {
        private var mask: UInt16 = 0

        mutating func insert(_ script: Script?) {
            if let script { mask |= 1 << UInt16(script.rawValue) }
        }

        func contains(_ script: Script) -> Bool { mask & 1 << UInt16(script.rawValue) != 0 }

        /// Whether no living language writes these scripts in one word.
        var isOddMix: Bool {
            guard mask.nonzeroBitCount > 1 else { return false }
            var eastern = Scripts()
            for script in [Script.han, .kana, .hangul, .latin] { eastern.insert(script) }
            return mask & ~eastern.mask != 0
        }
    }

    /// The Latin letter that this one looks like; `nil` if it is none or looks like none.
    static func latin(_ scalar: UInt32) -> UInt8? {
        guard scalar >= 0x370 else { return nil }
        if let plain = plain(scalar) { return plain }
        return table[scalar]
    }

    private static let table: [UInt32: UInt8] = {
        // Greek, Cyrillic, Armenian and Cherokee letters in pairs with what they look like.
        let pairs: [(StaticString, StaticString)] = [
            ("αβγεικνορτυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abyeiknoptuxwABEZHIKMNOPTYX"),
            ("аеорсухіјѕһԁԛԝӏьгпкмвтиАВЕКМНОРСТУХІЈЅҮҒ", "aeopcyxijshdqwlbrnkmBtuABEKMHOPCTYXIJSYF"),
            ("օսոհյցզքԼՍՕ", "ounhjgqpLUO"),
            ("ᎠᎡᎢᎪᎬᎳᎻᏀᏃᏞᏢᏟᏦᏴ", "DRTAEWHGZLPCKB"),
        ]
        var table: [UInt32: UInt8] = [:]
        for (foreign, latin) in pairs {
            let letters = Array(latin.description.utf8)
            for (place, scalar) in foreign.description.unicodeScalars.enumerated() where place < letters.count {
                table[scalar.value] = letters[place]
            }
        }
        return table
    }()

    /// The ASCII character that a full-width, circled or mathematical one stands for.
    static func plain(_ scalar: UInt32) -> UInt8? {
        switch scalar {
        case 0xFF01...0xFF5E: return UInt8(truncatingIfNeeded: scalar - 0xFF01 + 0x21)
        case 0x24B6...0x24CF: return UInt8(truncatingIfNeeded: scalar - 0x24B6 + 0x61)
        case 0x24D0...0x24E9: return UInt8(truncatingIfNeeded: scalar - 0x24D0 + 0x61)
        case 0x2460...0x2468: return UInt8(truncatingIfNeeded: scalar - 0x2460 + 0x31)
        case 0x1D400...0x1D6A3:
            let letter = (scalar - 0x1D400) % 52
            return UInt8(truncatingIfNeeded: letter < 26 ? letter + 0x41 : letter - 26 + 0x61)
        case 0x1D7CE...0x1D7FF: return UInt8(truncatingIfNeeded: (scalar - 0x1D7CE) % 10 + 0x30)
        case 0x2024, 0xFE52: return UInt8(ascii: ".")
        case 0x2044, 0x2215, 0x29F8: return UInt8(ascii: "/")
        default: return nil
        }
    }

    /// Takes no room and shows nothing.
    static func isInvisible(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0xAD, 0x34F, 0x61C, 0x115F...0x1160, 0x17B4...0x17B5, 0x180B...0x180E, 0x200B...0x200F, 0x2060...0x2064,
            0x206A...0x206F, 0x3164, 0xFE00...0xFE0F, 0xFEFF, 0xFFA0, 0x1D173...0x1D17A, 0xE0000...0xE0FFF:
            true
        default: false
        }
    }

    /// Turns the direction of writing. Unicode TR9.
    static func isBidirectionalControl(_ scalar: UInt32) -> Bool {
        0x202A...0x202E ~= scalar || 0x2066...0x2069 ~= scalar
    }
}

/// Turns octets of a named charset into text for people and for searching.
enum Charset {
    /// UTF-8, US-ASCII, ISO-8859-1, ISO-8859-15 and windows-1252. Octets of any other charset are
    /// read as UTF-8 if they are UTF-8, else as windows-1252: the octets themselves stay what they are.
    static func text(_ octets: some Collection<UInt8>, charset: String) -> String {
        switch charset.asciiLowercased {
        case "iso-8859-1", "iso_8859-1", "latin1", "windows-1252", "cp1252":
            // As browsers and mail programs do: ISO-8859-1 has nothing of use where 1252 differs.
            return western(octets)
        case "iso-8859-15", "iso_8859-15", "latin-9":
            return western(octets, latin9)
        default:
            return String(validating: octets, as: UTF8.self) ?? western(octets)
        }
    }

    private static func western(_ octets: some Collection<UInt8>, _ table: [UInt8: UInt32] = windows1252) -> String {
        var text = String.UnicodeScalarView()
        for octet in octets {
            text.append(Unicode.Scalar(table[octet] ?? UInt32(octet)) ?? "\u{FFFD}")
        }
        return String(text)
    }

    private static let windows1252: [UInt8: UInt32] = {
        let upper: [UInt32] = [
            0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,
            0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
            0x0153, 0x9D, 0x017E, 0x0178,
        ]
        return Dictionary(uniqueKeysWithValues: zip(UInt8(0x80)...0x9F, upper))
    }()

    private static let latin9: [UInt8: UInt32] = [
        0xA4: 0x20AC, 0xA6: 0x0160, 0xA8: 0x0161, 0xB4: 0x017D, 0xB8: 0x017E, 0xBC: 0x0152, 0xBD: 0x0153, 0xBE: 0x0178,
    ]
}

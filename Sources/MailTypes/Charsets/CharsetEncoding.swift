extension Charset {
    /// The text in this charset, where it can be written so that readers of every age agree; `nil` where it cannot.
    ///
    /// `label` is the name that a header gives it. Programs of the web read `iso-8859-1` as windows-1252, which has
    /// characters where the standard has control codes: those are not written under such a name. Charsets of several
    /// octets are written in ASCII only, and those with escape sequences not at all.
    public func encode(_ text: String, label: String) -> [UInt8]? {
        let isASCII = text.utf8.allSatisfy { $0 < 0x80 }
        switch family {
        case .utf8: return Array(text.utf8)
        case .utf16, .utf7, .iso2022JP: return nil
        case .gb18030, .big5, .eucJP, .shiftJIS, .eucKR, .userDefined: return isASCII ? Array(text.utf8) : nil
        case .single(let place):
            if isASCII { return Array(text.utf8) }
            return encode(text, CharsetTables.singleByte[place], from: lowestOctet(under: label.asciiLowercased))
        }
    }

    /// The octet from which on a header's name for this charset means what the table says.
    private func lowestOctet(under label: String) -> Int {
        if label == "iso-8859-1" || label == "iso-8859-9" || label.hasPrefix("iso-8859-") && label == name {
            return 0xA0
        }
        return label == name ? 0x80 : 0x100
    }

    private func encode(_ text: String, _ table: [UInt32], from lowest: Int) -> [UInt8]? {
        var octets: [UInt8] = []
        for scalar in text.unicodeScalars {
            if scalar.value < 0x80 {
                octets.append(UInt8(scalar.value))
                continue
            }
            guard let place = table.firstIndex(of: scalar.value), place < 0x80, place + 0x80 >= lowest else {
                return nil
            }
            octets.append(UInt8(place + 0x80))
        }
        return octets
    }

    /// Whether octets below 0x80 are ASCII wherever they stand between two characters: there are no escape sequences.
    public var isStateless: Bool {
        switch family {
        case .utf16, .utf7, .iso2022JP: false
        case .utf8, .single, .gb18030, .big5, .eucJP, .shiftJIS, .eucKR, .userDefined: true
        }
    }
}

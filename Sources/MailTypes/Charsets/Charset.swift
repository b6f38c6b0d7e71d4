/// A way to write characters as octets, by any of its names. The WHATWG Encoding Standard, which readers'
/// programs follow, and the names and UTF-7 (RFC 2152) that mail has besides.
public struct Charset: Sendable, Hashable {
    enum Family: Sendable, Hashable {
        case utf8, utf16(isBigEndian: Bool), utf7
        /// The place of the table in ``CharsetTables/singleByte``.
        case single(Int)
        case userDefined
        case gb18030, big5, eucJP, shiftJIS, iso2022JP, eucKR
    }

    /// The standard's name, in lower case.
    public let name: String
    let family: Family

    init(name: String, family: Family) {
        self.name = name
        self.family = family
    }

    /// The charset of that label; `nil` if nobody knows it.
    public init?(label: some StringProtocol) {
        let trimmed = label.utf8.drop { $0 <= 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "'") }
            .prefix { $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'") }
        guard trimmed.count <= CharsetLabels.longest else { return nil }
        let key = String(decoding: trimmed.map(\.asciiLowercased), as: UTF8.self)
        guard let charset = CharsetLabels.charsets[key] else { return nil }
        self = charset
    }

    public static let utf8 = Charset(name: "utf-8", family: .utf8)
    /// What octets are that nobody says anything about, in the West.
    public static let windows1252 = Charset(label: "windows-1252") ?? utf8

    /// Whether octets below 0x80 are ASCII's, as far as no escape sequence comes before them.
    public var extendsASCII: Bool {
        switch family {
        case .utf16: false
        default: true
        }
    }

    /// Appends the octets as UTF-8, U+FFFD for what is malformed.
    ///
    /// - Returns: how many times something was malformed.
    @discardableResult
    public func decode(_ octets: Span<UInt8>, into output: inout [UInt8]) -> Int {
        switch family {
        case .utf8: UTF8Text.decode(octets, into: &output)
        case .utf16(let isBigEndian): UTF16Text.decode(octets, isBigEndian: isBigEndian, into: &output)
        case .utf7: UTF7Text.decode(octets, into: &output)
        case .single(let table): SingleByteText.decode(octets, CharsetTables.singleByte[table], into: &output)
        case .userDefined: SingleByteText.decode(octets, (0xF780...0xF7FF).map { $0 }, into: &output)
        case .gb18030: ChineseText.decodeGB18030(octets, into: &output)
        case .big5: ChineseText.decodeBig5(octets, into: &output)
        case .eucKR: ChineseText.decodeEUCKR(octets, into: &output)
        case .eucJP: JapaneseText.decodeEUC(octets, into: &output)
        case .shiftJIS: JapaneseText.decodeShiftJIS(octets, into: &output)
        case .iso2022JP: JapaneseText.decodeISO2022(octets, into: &output)
        }
    }

    /// The octets as text.
    public func text(_ octets: some Collection<UInt8>) -> String {
        let input = Array(octets)
        var output: [UInt8] = []
        output.reserveCapacity(input.count)
        decode(input.span, into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// Octets of a charset that a header names. Those of UTF-8 that are none, and those of a charset that
    /// nobody knows, are read as UTF-8 if they are UTF-8, else as windows-1252: the octets themselves stay
    /// what they are.
    static func text(_ octets: some Collection<UInt8>, charset: String) -> String {
        if let known = Charset(label: charset), known.family != .utf8 { return known.text(octets) }
        return String(validating: octets, as: UTF8.self) ?? windows1252.text(octets)
    }
}

extension Charset: CustomStringConvertible {
    public var description: String { name }
}

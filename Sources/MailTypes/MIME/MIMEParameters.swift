/// The parameters of a Content-Type or Content-Disposition field. RFC 2045 §5.1, RFC 2231.
///
/// Where one name is given twice, the first counts, as it does for the mail programs that people
/// read with; the contradiction is a defect. The extended form (`filename*=utf-8''…`) counts before
/// the plain one. RFC 6266 §4.3.
public struct MIMEParameters: Sendable, Hashable {
    public struct Parameter: Sendable, Hashable {
        /// In lower case, without RFC 2231's asterisks.
        public let name: String
        /// Continuations joined and percent-signs resolved, in the original charset.
        public let octets: [UInt8]
        /// The same as text.
        public let value: String
    }

    /// More than any honest sender needs; the rest is not read.
    public static let maxCount = 128

    public private(set) var list: [Parameter] = []
    public private(set) var defects: Set<MIMEDefect> = []

    public init() {}

    /// The first parameter of that name, which is given in lower case.
    public subscript(_ name: String) -> Parameter? { list.first { $0.name == name } }

    /// Reads `*( ";" parameter )`, and over what is none.
    init(reading lexer: inout FieldLexer) {
        var reader = ParameterReader()
        while true {
            lexer.skipCFWS()
            if !lexer.skip(";") {
                if lexer.isAtEnd { break }
                reader.defects.insert(.malformedField)
                _ = lexer.run { $0 != UInt8(ascii: ";") }
                continue
            }
            lexer.skipCFWS()
            if lexer.isAtEnd || lexer.next == UInt8(ascii: ";") { continue }
            guard reader.count < Self.maxCount else {
                reader.defects.insert(.tooManyParameters)
                break
            }
            reader.read(&lexer)
        }
        list = reader.list
        defects = reader.defects
    }
}

/// Collects parameters and joins the pieces of RFC 2231 §3.
private struct ParameterReader {
    private struct Piece {
        var number: Int
        var isEncoded: Bool
        var octets: [UInt8]
    }

    var defects: Set<MIMEDefect> = []
    private(set) var count = 0
    private var plain: [(name: String, octets: [UInt8])] = []
    private var pieces: [String: [Piece]] = [:]
    private var extendedNames: [String] = []

    // parameter = attribute "=" value
    mutating func read(_ lexer: inout FieldLexer) {
        count += 1
        let attribute = lexer.run { $0.isMIMEToken }
        lexer.skipCFWS()
        guard !attribute.isEmpty, lexer.skip("=") else {
            defects.insert(.malformedField)
            _ = lexer.run { $0 != UInt8(ascii: ";") }
            return
        }
        lexer.skipCFWS()
        let name = String(decoding: attribute.map(\.asciiLowercased), as: UTF8.self)
        add(name, lexer.quotedString() ?? bareValue(of: name, &lexer))
    }

    /// A value without quotes. File names are taken up to the semicolon, blanks and all, as mail
    /// programs do; other values end where RFC 2045 lets them end.
    private func bareValue(of name: String, _ lexer: inout FieldLexer) -> [UInt8] {
        let isFileName = name.hasPrefix("filename") || name.hasPrefix("name")
        let octets = lexer.run { octet in
            if octet == UInt8(ascii: ";") { return false }
            return isFileName || octet.isVisible && octet != UInt8(ascii: "(") || octet >= 0x80
        }
        let unfolded = octets.filter { $0 != .cr && $0 != .lf }
        let end = unfolded.lastIndex { !$0.isBlank }.map { $0 + 1 } ?? 0
        return Array(unfolded[..<end])
    }

    private mutating func add(_ name: String, _ octets: [UInt8]) {
        let parts = name.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1, let base = parts.first.map(String.init), !base.isEmpty else {
            if plain.contains(where: { $0.name == name }) { defects.insert(.duplicateParameter) }
            plain.append((name, octets))
            return
        }
        let number = parts[1].isEmpty ? 0 : Int(parts[1])
        guard let number, (0..<MIMEParameters.maxCount).contains(number), parts.count <= 3 else {
            defects.insert(.malformedField)
            return
        }
        if pieces[base] == nil { extendedNames.append(base) }
        if pieces[base]?.contains(where: { $0.number == number }) == true {
            defects.insert(.duplicateParameter)
            return
        }
        let isEncoded = parts.last?.isEmpty == true
        pieces[base, default: []].append(Piece(number: number, isEncoded: isEncoded, octets: octets))
    }

    var list: [MIMEParameters.Parameter] {
        var list = extendedNames.compactMap(joined)
        for (name, octets) in plain where !list.contains(where: { $0.name == name }) {
            list.append(.init(name: name, octets: octets, value: Charset.text(octets, charset: "utf-8")))
        }
        return list
    }

    private func joined(_ name: String) -> MIMEParameters.Parameter? {
        let sorted = (pieces[name] ?? []).sorted { $0.number < $1.number }
        var charset = "utf-8"
        var octets: [UInt8] = []
        for (place, piece) in sorted.enumerated() {
            // What follows a gap belongs to something that did not arrive.
            guard piece.number == place else { break }
            var content = piece.octets[...]
            if piece.isEncoded, place == 0 {
                let marks = content.split(
                    separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false)
                if marks.count == 3 {
                    charset = String(decoding: marks[0], as: UTF8.self)
                    content = marks[2]
                }
            }
            octets += piece.isEncoded ? Self.resolvingPercents(content) : Array(content)
        }
        guard !sorted.isEmpty else { return nil }
        return .init(name: name, octets: octets, value: Charset.text(octets, charset: charset))
    }

    private static func resolvingPercents(_ octets: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = octets
        while let octet = rest.popFirst() {
            if octet == UInt8(ascii: "%"), let high = rest.first?.hexValue, let low = rest.dropFirst().first?.hexValue {
                result.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                result.append(octet)
            }
        }
        return result
    }
}

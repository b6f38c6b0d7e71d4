import MailTypes

/// `v=1; a=rsa-sha256; d=example.org`: what signatures and key records consist of. RFC 6376 §3.2.
///
/// Names and values are case-sensitive. A list with a fault anywhere is none at all, as the RFC has it.
struct TagList: Sendable, Hashable {
    struct Tag: Sendable, Hashable {
        var name: String
        /// Without the folding white space around it; what is inside is kept.
        var value: ArraySlice<UInt8>
    }

    enum Fault: Error, Hashable, CustomStringConvertible {
        case empty
        case malformed(String)
        case duplicate(String)
        case tooMany

        var description: String {
            switch self {
            case .empty: "there are no tags"
            case .malformed(let text): "\"\(text)\" is not a tag"
            case .duplicate(let name): "the tag \(name)= stands there twice"
            case .tooMany: "there are more than \(TagList.most) tags"
            }
        }
    }

    /// Many times as many as there are names of tags.
    static let most = 100

    private(set) var tags: [Tag] = []

    // tag-list = tag-spec *( ";" tag-spec ) [ ";" ]
    init(_ octets: ArraySlice<UInt8>) throws(Fault) {
        var names: Set<String> = []
        var rest = octets
        while true {
            let spec = rest.prefix { $0 != UInt8(ascii: ";") }
            rest = rest[spec.endIndex...]
            let isLast = rest.isEmpty
            let trimmed = spec.trimmingFoldingSpace
            if trimmed.isEmpty, isLast { break }
            guard tags.count < Self.most else { throw .tooMany }
            let tag = try Self.tag(trimmed)
            guard names.insert(tag.name).inserted else { throw .duplicate(tag.name) }
            tags.append(tag)
            if isLast { break }
            rest = rest.dropFirst()
        }
        if tags.isEmpty { throw .empty }
    }

    // tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]
    private static func tag(_ spec: ArraySlice<UInt8>) throws(Fault) -> Tag {
        let name = spec.prefix { $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "_") }
        let behind = spec[name.endIndex...].drop(while: \.isFoldingSpace)
        guard name.first?.isLetter ?? false, behind.first == UInt8(ascii: "=") else {
            throw .malformed(String(decoding: spec.prefix(longestQuote), as: UTF8.self))
        }
        let value = behind.dropFirst().trimmingFoldingSpace
        guard value.allSatisfy({ $0.isVisible || $0.isFoldingSpace || $0 >= 0x80 }) else {
            throw .malformed(String(decoding: spec.prefix(longestQuote), as: UTF8.self))
        }
        return Tag(name: String(decoding: name, as: UTF8.self), value: value)
    }

    /// Octets of a malformed tag that are quoted.
    private static let longestQuote = 40

    subscript(_ name: String) -> ArraySlice<UInt8>? { tags.first { $0.name == name }?.value }

    func text(_ name: String) -> String? { self[name].map { String(decoding: $0, as: UTF8.self) } }
}

extension UInt8 {
    /// What folding white space consists of. RFC 5322 §3.2.2.
    var isFoldingSpace: Bool { isBlank || self == .cr || self == .lf }
}

extension ArraySlice<UInt8> {
    var trimmingFoldingSpace: ArraySlice<UInt8> {
        let trimmed = drop(while: \.isFoldingSpace)
        let end = trimmed.lastIndex { !$0.isFoldingSpace }.map { $0 + 1 } ?? trimmed.startIndex
        return trimmed[..<end]
    }

    /// Words between colons, without the white space around them; empty ones are left out.
    var colonSeparated: [String] {
        split(separator: UInt8(ascii: ":")).map(\.trimmingFoldingSpace).filter { !$0.isEmpty }
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// A number of at most `digits` digits and nothing else.
    func decimal(digits: Int) -> Int? {
        guard (1...digits).contains(count), allSatisfy(\.isDigit) else { return nil }
        return reduce(0) { $0 * 10 + Int($1 & 0x0F) }
    }

    // base64string = ALPHADIGITPS *([FWS] ALPHADIGITPS) [ [FWS] "=" [ [FWS] "=" ] ]
    /// What stands there in base64 with white space anywhere; the padding may be missing. RFC 6376 §2.10.
    var foldedBase64: [UInt8]? {
        var text = filter { !$0.isFoldingSpace }
        while text.last == UInt8(ascii: "="), text.count % 4 == 0 || text.count % 4 == 3 { text.removeLast() }
        guard !text.isEmpty, text.count % 4 != 1, !text.contains(UInt8(ascii: "=")) else { return nil }
        text += [UInt8](repeating: UInt8(ascii: "="), count: (4 - text.count % 4) % 4)
        var decoder = Base64Decoder()
        var output: [UInt8] = []
        text.withUnsafeBytes { decoder.decode($0, into: &output) }
        decoder.finish(into: &output)
        return decoder.isDamaged ? nil : output
    }
}

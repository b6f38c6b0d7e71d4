import MailTypes

/// A list of tags with values: `v=DMARC1; p=none`. RFC 7489 §6.4, RFC 6376 §3.2.
///
/// Of a policy what can be read counts (RFC 7489 §6.6.3), so names are of any case and faults are noted.
struct PolicyTags: Sendable, Hashable {
    struct Tag: Sendable, Hashable {
        /// In lower case.
        var name: String
        var value: ArraySlice<UInt8>
    }

    var tags: [Tag] = []
    /// Parts that are no tag.
    var strays: [String] = []

    /// More than any real list has; the rest is not read.
    private static let most = 100

    init(_ text: some Collection<UInt8>) {
        for part in Array(text).split(separator: UInt8(ascii: ";"), maxSplits: Self.most).prefix(Self.most) {
            let text = Self.trimmed(part)
            guard !text.isEmpty else { continue }
            guard let equals = text.firstIndex(of: UInt8(ascii: "=")) else {
                strays.append(String(decoding: text, as: UTF8.self))
                continue
            }
            let name = String(decoding: Self.trimmed(text[..<equals]), as: UTF8.self).asciiLowercased
            tags.append(Tag(name: name, value: Self.trimmed(text[(equals + 1)...])))
        }
    }

    subscript(_ name: String) -> ArraySlice<UInt8>? { tags.first { $0.name == name }?.value }

    /// A tag that stands there more than once, which no list may have. RFC 6376 §3.2.
    var repeated: String? {
        var seen: Set<String> = []
        return tags.first { !seen.insert($0.name).inserted }?.name
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let rest = text.drop(while: isBlank)
        let end = rest.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? rest.startIndex
        return rest[rest.startIndex..<end]
    }

    /// Folding counts: the list may be the value of a header field.
    private static func isBlank(_ octet: UInt8) -> Bool { octet.isBlank || octet == .cr || octet == .lf }
}

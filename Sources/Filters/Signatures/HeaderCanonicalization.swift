import MailTypes
import Pipeline

/// The header as signatures see it. RFC 6376 §3.4.1, §3.4.2.
enum HeaderCanonicalization {
    /// A field with its line end.
    static func append(_ field: HeaderField, _ mode: Canonicalization, to output: inout [UInt8]) {
        switch mode {
        case .simple: output += field.raw
        case .relaxed:
            appendRelaxed(name: field.nameBytes, value: field.rawValue, to: &output)
            output += [.cr, .lf]
        }
    }

    /// The field that holds the signature itself: last, without its line end and the value of `b=`. RFC 6376 §3.7.
    static func appendSignature(_ field: HeaderField, _ mode: Canonicalization, to output: inout [UInt8]) {
        let value = withoutSignature(field.rawValue)
        switch mode {
        case .simple:
            output += field.raw[..<field.rawValue.startIndex]
            output += value
        case .relaxed: appendRelaxed(name: field.nameBytes, value: value[...], to: &output)
        }
    }

    private static func appendRelaxed(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>, to output: inout [UInt8]) {
        for octet in name { output.append(octet.asciiLowercased) }
        output.append(UInt8(ascii: ":"))
        var hasBlank = false
        var isFirst = true
        for octet in value {
            // Unfolding takes the line ends; what they are followed by is a blank.
            if octet.isFoldingSpace {
                hasBlank = hasBlank || octet.isBlank
                continue
            }
            if hasBlank, !isFirst { output.append(.space) }
            output.append(octet)
            (hasBlank, isFirst) = (false, false)
        }
    }

    /// The value without what stands in `b=`, the white space around it included.
    static func withoutSignature(_ value: ArraySlice<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(value.count)
        var rest = value
        while true {
            let spec = rest.prefix { $0 != UInt8(ascii: ";") }
            let name = spec.prefix { $0 != UInt8(ascii: "=") }
            if name.endIndex < spec.endIndex, Array(name.trimmingFoldingSpace) == [UInt8(ascii: "b")] {
                output += spec[...name.endIndex]
            } else {
                output += spec
            }
            rest = rest[spec.endIndex...]
            guard let semicolon = rest.popFirst() else { return output }
            output.append(semicolon)
        }
    }
}

/// The fields that a list of names means, each name the next one from below; names that are left over mean
/// nothing. RFC 6376 §5.4.2.
struct SignedFields {
    private var places: [[UInt8]: [Int]] = [:]
    private let fields: [HeaderField]

    init(_ header: Header) {
        fields = header.fields
        for (place, field) in fields.enumerated() {
            places[field.nameBytes.map(\.asciiLowercased), default: []].append(place)
        }
    }

    /// The field that this name means now: the lowest that was not yet taken.
    mutating func next(named name: String) -> HeaderField? {
        guard let place = places[name.utf8.map(\.asciiLowercased)]?.popLast() else { return nil }
        return fields[place]
    }

    /// All of them, canonicalized.
    static func canonicalized(_ names: [String], of header: Header, _ mode: Canonicalization) -> [UInt8] {
        var fields = SignedFields(header)
        var output: [UInt8] = []
        for name in names {
            if let field = fields.next(named: name) {
                HeaderCanonicalization.append(field, mode, to: &output)
            }
        }
        return output
    }
}

/// Who may do what with a file, in octal as chmod(1) takes it: `"0660"`.
public struct FileMode: Sendable, Hashable {
    /// Of `rwxrwxrwx`.
    public var bits: Int

    /// Three octal digits, or four of which the first is 0.
    public init?(_ text: String) {
        let digits = text.utf8.count == 4 && text.hasPrefix("0") ? text.dropFirst() : text[...]
        guard digits.utf8.count == 3, digits.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
            let bits = Int(digits, radix: 8)
        else { return nil }
        self.bits = bits
    }
}

extension FileMode: ExpressibleByStringLiteral {
    /// Nobody may do anything where the literal is none.
    public init(stringLiteral text: String) { self = FileMode(text) ?? FileMode(bits: 0) }

    private init(bits: Int) { self.bits = bits }
}

extension FileMode: CustomStringConvertible {
    public var description: String {
        let digits = String(bits, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

extension FileMode: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let mode = FileMode(text) else {
            let reason = "\(text.quoted) is no mode of a file such as \"0660\""
            throw DecodingError.dataCorruptedError(in: container, debugDescription: reason)
        }
        self = mode
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A value of a TOML file, with its place.
public struct TOMLNode: Sendable {
    public enum Content: Sendable {
        case table(TOMLTable)
        case array([TOMLNode])
        case string(String)
        case integer(Int64)
        case float(Double)
        case boolean(Bool)
        /// A date, a time or both, as written in RFC 3339.
        case dateTime(String)
    }

    public let content: Content
    public let location: SourceLocation

    public var table: TOMLTable? { if case .table(let table) = content { table } else { nil } }
    public var array: [TOMLNode]? { if case .array(let array) = content { array } else { nil } }

    /// For messages: "a whole number".
    var kind: String {
        switch content {
        case .table: "a table"
        case .array: "a list"
        case .string: "a string"
        case .integer: "a whole number"
        case .float: "a number with a fraction"
        case .boolean: "true or false"
        case .dateTime: "a date or time"
        }
    }

    /// The value as it could stand in the file, on one line.
    public var text: String {
        switch content {
        case .table(let table):
            let entries = table.entries.map { "\($0.key.quotedKey) = \($0.value.text)" }
            return entries.isEmpty ? "{}" : "{ \(entries.joined(separator: ", ")) }"
        case .array(let elements): return "[\(elements.map(\.text).joined(separator: ", "))]"
        case .string(let text): return text.quoted
        case .integer(let number): return String(number)
        case .float(let number): return String(number)
        case .boolean(let flag): return String(flag)
        case .dateTime(let text): return text
        }
    }
}

/// The keys of a table, in the order in which they stand in the file.
public struct TOMLTable: Sendable {
    public struct Entry: Sendable {
        public let key: String
        /// The key's own place.
        public let location: SourceLocation
        public let value: TOMLNode
    }

    public let entries: [Entry]
    private let places: [Key: Int]

    /// Keys are told apart by their octets: `String` takes two spellings of one letter for equal, TOML does not.
    private struct Key: Hashable {
        let octets: [UInt8]
        init(_ text: String) { octets = Array(text.utf8) }
    }

    init(_ entries: [Entry]) {
        self.entries = entries
        places = Dictionary(entries.enumerated().map { (Key($1.key), $0) }, uniquingKeysWith: { first, _ in first })
    }

    static let empty = TOMLTable([])

    public func entry(_ key: String) -> Entry? { places[Key(key)].map { entries[$0] } }
    public subscript(key: String) -> TOMLNode? { entry(key)?.value }
}

extension String {
    /// As a basic string of TOML.
    var quoted: String {
        var text = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }

    /// As a key of TOML: bare where that is possible.
    var quotedKey: String {
        let isBare = !isEmpty && utf8.allSatisfy { $0.isKeyOctet }
        return isBare ? self : quoted
    }
}

extension UInt8 {
    fileprivate var isKeyOctet: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

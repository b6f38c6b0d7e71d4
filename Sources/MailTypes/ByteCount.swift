/// A number of octets as a postmaster writes it: `"512"`, `"64KB"`, `"50MB"`, `"2GB"`, in powers of 1024.
public struct ByteCount: Sendable, Hashable {
    public let octets: Int

    public init(_ octets: Int) { self.octets = octets }

    public init(parsing text: String) throws(MalformedByteCount) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard
            let count = Int(digits), let size = Self.sizes[String(text.dropFirst(digits.count))],
            case let (octets, overflow) = count.multipliedReportingOverflow(by: size), !overflow
        else { throw MalformedByteCount(text: text) }
        self.octets = octets
    }

    private static let sizes = ["": 1, "B": 1, "KB": 1024, "MB": 1024 * 1024, "GB": 1024 * 1024 * 1024]
}

public struct MalformedByteCount: Error, CustomStringConvertible {
    let text: String
    public var description: String { "\"\(text)\" is not a size such as \"64KB\", \"50MB\" or \"2GB\"" }
}

extension ByteCount: CustomStringConvertible {
    public var description: String {
        for (unit, size) in [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)]
        where octets >= size && octets % size == 0 {
            return "\(octets / size)\(unit)"
        }
        return "\(octets)B"
    }
}

extension ByteCount: Codable {
    /// A whole number is octets.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let octets = try? container.decode(Int.self), octets >= 0 {
            self.init(octets)
            return
        }
        do { self = try ByteCount(parsing: container.decode(String.self)) } catch let error as MalformedByteCount {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension ByteCount: ExpressibleByStringLiteral {
    /// For sizes written in our own source.
    public init(stringLiteral value: String) {
        do { self = try ByteCount(parsing: value) } catch { preconditionFailure(error.description) }
    }
}

/// The least and the most that a whole number in a stage's table may be.
public protocol Bounds: Sendable {
    static var range: ClosedRange<Int> { get }
}

/// A whole number that cannot be out of its bounds: a file that says otherwise is refused with the
/// bounds in the message.
public struct BoundedInt<Limits: Bounds>: Sendable, Hashable {
    public let value: Int

    /// For numbers written in our own source.
    public init(_ value: Int) {
        precondition(Limits.range.contains(value), "\(value) is not within \(Limits.range)")
        self.value = value
    }
}

extension BoundedInt: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: Int) { self.init(value) }
}

extension BoundedInt: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let value = try container.decode(Int.self)
        guard Limits.range.contains(value) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription:
                    "\(value) is out of range: from \(Limits.range.lowerBound) to \(Limits.range.upperBound)")
        }
        self.value = value
    }
}

/// The length of an IPv4 network's common beginning, in bits.
public enum IPv4PrefixBounds: Bounds { public static let range = 0...32 }
/// The length of an IPv6 network's common beginning, in bits.
public enum IPv6PrefixBounds: Bounds { public static let range = 0...128 }
/// A count of which nought makes no sense.
public enum CountBounds: Bounds { public static let range = 1...1_000_000_000 }
/// A count of which nought means never.
public enum OptionalCountBounds: Bounds { public static let range = 0...1_000_000_000 }

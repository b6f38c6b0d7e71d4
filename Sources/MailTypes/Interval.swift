/// A length of time as a postmaster writes it: `"250ms"`, `"30s"`, `"5m"`, `"12h"`, `"36d"`.
public struct Interval: Sendable, Hashable {
    public let seconds: Double

    public init(seconds: Double) { self.seconds = seconds }

    public init(parsing text: String) throws(MalformedInterval) {
        let unit = text.drop { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard
            let size = Self.sizes[String(unit)], let count = Double(text.dropLast(unit.count)),
            count >= 0, count.isFinite, count * size <= Self.longest
        else { throw MalformedInterval(text: text) }
        seconds = count * size
    }

    private static let sizes: [String: Double] = ["ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400]
    /// A thousand years; longer is a slip of the finger.
    private static let longest = 86_400.0 * 365_250
    /// 285 years; it can be added to any clock.
    private static let mostNanoseconds: Int64 = 9_000_000_000_000_000_000

    /// At most ``mostNanoseconds``: what is counted in them ends before the thousand years that one may write.
    public var nanoseconds: Int64 { min(Int64(saturating: seconds * 1e9), Self.mostNanoseconds) }
    public var duration: Duration { .nanoseconds(nanoseconds) }
}

public struct MalformedInterval: Error, CustomStringConvertible {
    let text: String
    public var description: String { "\"\(text)\" is not a length of time such as \"30s\", \"5m\", \"12h\" or \"36d\"" }
}

extension Interval: CustomStringConvertible {
    /// The shortest exact spelling: `90m` rather than `5400s`.
    public var description: String {
        for (unit, size) in [("d", 86_400.0), ("h", 3600), ("m", 60), ("s", 1)]
        where seconds >= size && seconds.truncatingRemainder(dividingBy: size) == 0 {
            return "\(Int(saturating: seconds / size))\(unit)"
        }
        return seconds == 0 ? "0s" : "\(Int(saturating: (seconds * 1000).rounded()))ms"
    }
}

extension Interval: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do { self = try Interval(parsing: text) } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Interval: ExpressibleByStringLiteral {
    /// For lengths written in our own source.
    public init(stringLiteral value: String) {
        do { self = try Interval(parsing: value) } catch { preconditionFailure(error.description) }
    }
}

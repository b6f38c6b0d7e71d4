public import MailTypes

/// How much within how long: `"300/1h"`, or `"none"` for as much as one likes.
public struct RateLimit: Sendable, Hashable {
    /// The most within ``interval``; `nil` is no limit.
    public let count: Int?
    public let interval: Interval

    public static let none = RateLimit(count: nil, interval: "0s")

    private init(count: Int?, interval: Interval) {
        self.count = count
        self.interval = interval
    }

    public init(parsing text: String) throws(MalformedRateLimit) {
        if text == "none" {
            self = .none
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard
            parts.count == 2, parts[0].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let count = Int(parts[0]), count <= Self.most,
            let interval = try? Interval(parsing: String(parts[1])), interval.seconds >= 1
        else { throw MalformedRateLimit(text: text) }
        self.init(count: count, interval: interval)
    }

    /// More is a slip of the finger, and `"none"` is clearer.
    private static let most = 1_000_000_000
}

public struct MalformedRateLimit: Error, CustomStringConvertible {
    let text: String
    public var description: String { "\"\(text)\" is not a rate such as \"300/1h\", nor \"none\"" }
}

extension RateLimit: CustomStringConvertible {
    public var description: String { count.map { "\($0)/\(interval)" } ?? "none" }
}

extension RateLimit: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do { self = try RateLimit(parsing: text) } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }
}

extension RateLimit: ExpressibleByStringLiteral {
    /// For rates written in our own source.
    public init(stringLiteral value: String) {
        do { self = try RateLimit(parsing: value) } catch { preconditionFailure(error.description) }
    }
}

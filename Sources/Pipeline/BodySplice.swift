public import MailTypes

/// Octets that take the place of a piece of a body. See ``Edit/spliceBody(_:)``.
public struct BodySplice: Sendable, Hashable, Codable {
    /// In octets from the beginning of the body.
    public var range: Range<Int>
    public var octets: Bytes

    public init(_ range: Range<Int>, _ octets: Bytes) {
        self.range = range
        self.octets = octets
    }

    /// The same change without the octets that it begins and ends with and that were there before.
    public func trimmed(of body: Bytes) -> BodySplice {
        let old = body[range]
        return old.withUnsafeBytes { old in
            octets.withUnsafeBytes { new in
                let most = Swift.min(old.count, new.count)
                var front = 0
                while front < most, old[front] == new[front] { front += 1 }
                var back = 0
                while back < most - front, old[old.count - 1 - back] == new[new.count - 1 - back] { back += 1 }
                return BodySplice(
                    range.lowerBound + front..<range.upperBound - back, octets[front..<new.count - back])
            }
        }
    }
}

extension Bytes {
    /// These octets with the splices in them. Such as lie outside, or reach back into the one before, are passed over.
    public func spliced(_ splices: [BodySplice]) -> Bytes {
        var result: [UInt8] = []
        result.reserveCapacity(count + splices.reduce(0) { $0 + $1.octets.count })
        var rest = 0
        for splice in splices where splice.range.lowerBound >= rest && splice.range.upperBound <= count {
            self[rest..<splice.range.lowerBound].withUnsafeBytes { result.append(contentsOf: $0) }
            splice.octets.withUnsafeBytes { result.append(contentsOf: $0) }
            rest = splice.range.upperBound
        }
        self[rest..<count].withUnsafeBytes { result.append(contentsOf: $0) }
        return Bytes(result)
    }
}

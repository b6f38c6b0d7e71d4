public import MailTypes

/// Where a domain's owner wants reports: `mailto:dmarc@example.org!10m`. RFC 7489 §6.2, RFC 6068 §2.
public struct DMARCReportAddress: Sendable, Hashable {
    public var address: EmailAddress
    /// The largest report that is wanted there, in octets as it is sent; `nil`: any.
    public var maxSize: Int?

    /// Why nothing can be sent there.
    public struct Unusable: Error, Sendable, Hashable {
        public var reason: String
    }

    /// Reads one address of a `rua` tag. Of the schemes there is only `mailto`; others are to be ignored.
    public init(_ uri: String) throws(Unusable) {
        let parts = Array(uri.utf8).split(separator: UInt8(ascii: "!"), omittingEmptySubsequences: false)
        guard let target = parts.first, parts.count <= 2 else { throw Unusable(reason: "it has two sizes") }
        do throws(MailtoURI.Unusable) { address = try MailtoURI.address(in: target) } catch {
            throw Unusable(reason: error.reason)
        }
        if parts.count == 2 {
            guard let size = Self.size(parts[1]) else { throw Unusable(reason: "its size cannot be read") }
            maxSize = size
        }
    }

    // 1*DIGIT [ "k" / "m" / "g" / "t" ], in powers of two; what is beyond all numbers is no limit.
    private static func size(_ text: ArraySlice<UInt8>) -> Int? {
        let digits = text.prefix(while: \.isDigit)
        let unit = text[digits.endIndex...].map(\.asciiLowercased)
        guard !digits.isEmpty, unit.count <= 1 else { return nil }
        var size = 0
        for octet in digits { size = size.saturating(times: 10, plus: Int(octet & 0x0F)) }
        guard let letter = unit.first else { return size }
        guard let power = "kmgt".utf8.enumerated().first(where: { $0.element == letter })?.offset else { return nil }
        return size.saturating(times: 1 << (10 * (power + 1)))
    }
}

extension Int {
    /// For numbers that are not below zero.
    fileprivate func saturating(times factor: Int, plus summand: Int = 0) -> Int {
        let (product, isTooMuch) = multipliedReportingOverflow(by: factor)
        guard !isTooMuch else { return .max }
        let (sum, isMore) = product.addingReportingOverflow(summand)
        return isMore ? .max : sum
    }
}

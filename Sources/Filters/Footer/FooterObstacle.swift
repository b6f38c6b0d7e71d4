/// Why a message goes on without the footer, for the trace: words that go on from `no footer: `.
struct FooterObstacle: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Where in a text the footer stands.
public enum FooterPlace: String, Decodable, Sendable, CaseIterable {
    case end
    /// Where a text quotes another below its own words, above the quotation.
    case aboveQuotation = "above-quotation"
}

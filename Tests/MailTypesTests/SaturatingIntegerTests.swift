import MailTypes
import Testing

/// Numbers that no integer can hold.
@Suite struct SaturatingIntegerTests {
    static let cases: [(Double, Int)] = [
        (0, 0), (-0.9, 0), (1.9, 1), (-1.9, -1), (.nan, 0), (.infinity, .max), (-.infinity, .min), (1e300, .max),
        (-1e300, .min), (9_223_372_036_854_775_808, .max), (-9_223_372_036_854_775_808, .min),
        (9_007_199_254_740_992, 9_007_199_254_740_992),
    ]

    @Test(arguments: cases)
    func `the nearest bound stands for what is beyond it`(_ value: Double, _ expected: Int) {
        #expect(Int(saturating: value) == expected)
    }

    @Test func `what has no sign begins at nought`() {
        #expect(UInt32(saturating: -0.5) == 0)
        #expect(UInt32(saturating: -5) == 0)
        #expect(UInt32(saturating: 5e9) == .max)
    }

    /// A thousand years may be written, and clocks that count in nanoseconds end before.
    @Test func `the longest time that can be written can be counted`() throws {
        let longest = try Interval(parsing: "365250d")
        #expect(longest.nanoseconds == 9_000_000_000_000_000_000)
        #expect(ContinuousClock.now.advanced(by: longest.duration) > .now)
        #expect(longest.description == "365250d")
        #expect(Interval(seconds: .infinity).nanoseconds == longest.nanoseconds)
        #expect(Interval(seconds: .nan).description == "0ms")
    }
}

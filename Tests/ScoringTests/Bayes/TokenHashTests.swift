import Scoring
import Testing

@Suite struct TokenHashTests {
    /// Lessons are kept for years by these numbers.
    @Test func `a token has always the same hash`() {
        #expect(TokenHash("").value == 0xF52A_15E9_A9B5_E89B)
        #expect(TokenHash("viagra").value == 0x40AC_AB1A_03AE_F639)
        var pair = TokenHash("w:")
        pair.add(TokenHash("cheap").value)
        pair.add(TokenHash("pills").value)
        #expect(pair.value == 0x89D4_8777_B1A2_7B79)
    }

    @Test func `octets one by one are the text`() {
        var hash = TokenHash()
        hash.add("abc".utf8)
        #expect(hash.value == TokenHash("abc").value)
        #expect(TokenHash("abc").value != TokenHash("acb").value)
    }
}

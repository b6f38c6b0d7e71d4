import Scoring
import Testing

@Suite struct TokenHashTests {
    /// Lessons are kept for years by these numbers.
    @Test func `a token has always the same hash`() {
        #expect(TokenHash("").single == 0xF52A_15E9_A9B5_E89A)
        #expect(TokenHash("viagra").single == 0x40AC_AB1A_03AE_F638)
        var pair = TokenHash()
        pair.add(TokenHash("cheap").single)
        pair.add(TokenHash("pills").single)
        #expect(pair.pair == 0x8211_3832_C994_6957)
    }

    @Test func `octets one by one are the text`() {
        var hash = TokenHash()
        hash.add("abc".utf8)
        #expect(hash.single == TokenHash("abc").single)
        #expect(TokenHash("abc").single != TokenHash("acb").single)
    }

    @Test func `pairs and single tokens are told apart by the last bit`() {
        let hash = TokenHash("abc")
        #expect(hash.single & 1 == 0 && hash.pair & 1 == 1 && hash.single | 1 == hash.pair)
    }
}

import Scoring
import Testing

@Suite struct TokenHashTests {
    /// Lessons are kept for years by these numbers: whoever changes them adds a migration that ends older lessons.
    @Test func `a token has always the same hash`() {
        #expect(TokenHash("").single == 0xF52A_15E9_A9B5_E89A)
        #expect(TokenHash("viagra").single == 0x40AC_AB1A_03AE_F638)
        #expect(TokenHash("viagra").token(.word) == 0x40AC_AB1A_03AE_F63A)
        var pair = TokenHash()
        pair.add(TokenHash("cheap").single)
        pair.add(TokenHash("pills").single)
        #expect(pair.token(.pair) == 0x8211_3832_C994_6955)
    }

    @Test func `octets one by one are the text`() {
        var hash = TokenHash()
        hash.add("abc".utf8)
        #expect(hash.single == TokenHash("abc").single)
        #expect(TokenHash("abc").single != TokenHash("acb").single)
    }

    @Test func `kinds are told apart by the last two bits, which are all that differs`() {
        let hash = TokenHash("abc")
        #expect(TokenKind.allCases.map { hash.token($0) & 3 } == TokenKind.allCases.map(\.rawValue))
        #expect(Set(TokenKind.allCases.map { hash.token($0) >> 2 }).count == 1)
    }
}

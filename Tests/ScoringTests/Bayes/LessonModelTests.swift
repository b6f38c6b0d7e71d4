import MailTypes
import Scoring
import Testing

@Suite struct LessonModelTests {
    static let tokens = (1...300).map {
        LessonModel.Token(hash: UInt64($0) &* 0x9E37_79B9_7F4A_7C15 | 1, weight: Float($0) / 8, spam: $0, ham: 70_000)
    }

    @Test func `what is written is what is read`() throws {
        let octets = LessonModel.encoded(scope: "domain a.example", spam: 25, ham: 30, change: 9, tokens: Self.tokens)
        let model = try #require(LessonModel(Bytes(octets)))
        #expect(model.scope == "domain a.example" && model.spam == 25 && model.ham == 30 && model.change == 9)
        #expect(model.count == 300 && model.isSufficient)
        let known = model.known(Self.tokens.map(\.hash) + [2, 4, 6])
        #expect(known.map(\.weight) == Self.tokens.map(\.weight) && known.map(\.spam) == Self.tokens.map(\.spam))
        #expect(known.allSatisfy { $0.ham == 65_535 })
    }

    @Test func `an empty model knows nothing`() throws {
        let octets = LessonModel.encoded(scope: "global", spam: 0, ham: 0, change: 0, tokens: [])
        let model = try #require(LessonModel(Bytes(octets)))
        #expect(model.known([2, 3]).isEmpty && model.margin(of: [2, 3]).sum == 0 && !model.isSufficient)
    }

    @Test func `any changed octet that counts is noticed`() {
        let octets = LessonModel.encoded(scope: "global", spam: 1, ham: 1, change: 1, tokens: Self.tokens)
        for place in [0, 9, 33, 41, 48, 57, 512, 519, octets.count / 2, octets.count - 1] {
            var broken = octets
            broken[place] ^= 0x10
            #expect(LessonModel(Bytes(broken)) == nil, "\(place)")
        }
        for count in [0, 8, 511, 512, octets.count - 16, octets.count - 1] {
            #expect(LessonModel(Bytes(Array(octets.prefix(count)))) == nil)
        }
    }

    @Test func `tokens that all want one place find room`() throws {
        let crowd = (1...200).map { LessonModel.Token(hash: UInt64($0) << 40 | 2, weight: 1, spam: $0, ham: 0) }
        let octets = LessonModel.encoded(scope: "global", spam: 1, ham: 1, change: 1, tokens: Array(crowd.prefix(60)))
        let model = try #require(LessonModel(Bytes(octets)))
        #expect(model.known(crowd.map(\.hash)).count == 60)
    }
}

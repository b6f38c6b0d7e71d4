import MailTypes
import Pipeline
import Testing

@testable import Adapters

@Suite struct AnswerCacheTests {
    static let question = DNSQuestion("a.example", .txt)
    static let answer = DNSAnswer.records([.text(Array("v=spf1 -all".utf8))], isSecure: true)
    let start = ContinuousClock.now

    @Test func `an answer is known as long as its owner allows`() {
        let cache = AnswerCache()
        #expect(cache.answer(to: Self.question, at: start) == nil)
        cache.insert(Self.answer, for: Self.question, seconds: 10, at: start)
        #expect(cache.answer(to: Self.question, at: start + .seconds(9)) == Self.answer)
        #expect(cache.answer(to: DNSQuestion("A.EXAMPLE", .txt), at: start) == Self.answer)
        #expect(cache.answer(to: DNSQuestion("a.example", .mx), at: start) == nil)
        #expect(cache.answer(to: Self.question, at: start + .seconds(10)) == nil)
    }

    @Test func `that nothing is there is known, too`() {
        let cache = AnswerCache()
        cache.insert(.noName, for: Self.question, seconds: 10, at: start)
        #expect(cache.answer(to: Self.question, at: start) == .noName)
    }

    @Test func `what must not be kept, or is too large, is not`() {
        let cache = AnswerCache()
        cache.insert(Self.answer, for: Self.question, seconds: 0, at: start)
        let large = [UInt8](repeating: 0x61, count: AnswerCache.largestAnswer + 1)
        cache.insert(.records([.text(large)], isSecure: false), for: Self.question, seconds: 10, at: start)
        #expect(cache.answer(to: Self.question, at: start) == nil)
    }

    @Test func `nothing is kept longer than an hour`() {
        let cache = AnswerCache()
        cache.insert(Self.answer, for: Self.question, seconds: .max, at: start)
        #expect(cache.answer(to: Self.question, at: start + AnswerCache.longest - .seconds(1)) == Self.answer)
        #expect(cache.answer(to: Self.question, at: start + AnswerCache.longest) == nil)
    }

    @Test func `what is asked for stays, and there is room for so many`() {
        let cache = AnswerCache(mostAnswers: 20)
        for number in 0..<200 {
            cache.insert(Self.answer, for: Self.question, seconds: 10, at: start)
            cache.insert(.noName, for: DNSQuestion("\(number).example", .a), seconds: 10, at: start)
            #expect(cache.answer(to: Self.question, at: start) == Self.answer)
        }
        #expect(cache.count <= 20)
        #expect(cache.answer(to: DNSQuestion("0.example", .a), at: start) == nil)
    }
}

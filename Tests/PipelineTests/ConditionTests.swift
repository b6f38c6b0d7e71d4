import MailTypes
import Testing

@testable import Pipeline

@Suite struct ConditionTests {
    @Test(arguments: [
        "dkim.softfail", "arc.policy", "arc.permerror", "dmarc.policy", "dmarc.neutral", "iprev.none", "helo.permerror",
        "spf.policy",
    ])
    func `a result that its method never comes to is no condition`(_ word: String) throws {
        #expect(Condition(word) == nil)
        #expect(!Condition.vocabulary.contains(word))
        let impossibility = try #require(Condition.impossibility(of: word))
        let method = try #require(word.split(separator: ".").first)
        #expect(
            impossibility.hasPrefix("\"\(word)\" never holds: there are ")
                && impossibility.contains("\"\(method).pass\""))
    }

    @Test(arguments: ["spf.softfail", "dkim.policy", "arc.temperror", "iprev.permerror", "helo.neutral", "dmarc.none"])
    func `what it comes to is one`(_ word: String) {
        #expect(Condition(word)?.description == word)
        #expect(Condition.vocabulary.contains(word))
        #expect(Condition.impossibility(of: word) == nil)
    }

    @Test(arguments: ["dkim.good", "spf", "night", "spf.", ".pass", "spf.pass.fail", ""])
    func `what is no result at all is only unknown`(_ word: String) {
        #expect(Condition(word) == nil && Condition.impossibility(of: word) == nil)
    }
}

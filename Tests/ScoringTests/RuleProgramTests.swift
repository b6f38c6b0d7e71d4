import Content
import MailTypes
import Testing

@testable import Scoring

@Suite struct RuleProgramTests {
    static func rule(_ name: String, _ text: String) throws -> Rule {
        Rule(name, points: 1, description: "", test: .condition(try Expression.read(text).0))
    }

    static func holding(_ rules: RuleSet) throws -> [String] {
        let message = try Message(parsing: Bytes(Array("Subject: s\r\n\r\nhttp://a.example/\r\n".utf8)))
        return rules.holding(Evidence(message, content: MessageContent(of: message)), hits: []).map(\.rule.name)
    }

    @Test func `a condition becomes steps that skip what cannot matter`() throws {
        let rules = RuleSet([
            try Self.rule("C", "A and (uri.count > 3 or not B)"), try Self.rule("A", "uri.count"),
            try Self.rule("B", "uri.count >= 9"),
        ])
        #expect(
            rules.program.steps == [
                .compare(.measure(0), .other, 0), .conclude(rule: 1),
                .compare(.measure(0), .atLeast, 9), .conclude(rule: 2),
                .compare(.rule(1), .other, 0), .skip(if: false, to: 10),
                .compare(.measure(0), .more, 3), .skip(if: true, to: 10),
                .compare(.rule(2), .other, 0), .invert, .conclude(rule: 0),
            ])
        #expect(rules.program.measures.count == 1)
        #expect(try Self.holding(rules) == ["C", "A"])
    }

    @Test func `what is not there is nothing`() throws {
        let rules = RuleSet([
            try Self.rule("A", "NOWHERE or count(NOWHERE, ELSEWHERE)"), try Self.rule("B", "no.fact"),
            try Self.rule("C", "no.fact == 0 and not NOWHERE"), try Self.rule("D", "count(NOWHERE, C) == 1"),
        ])
        #expect(try Self.holding(rules) == ["C", "D"])
    }

    @Test func `of nothing all hold and none does`() throws {
        let rules = RuleSet([
            Rule("ALL", points: 1, description: "", test: .condition(.and([]))),
            Rule("ANY", points: 1, description: "", test: .condition(.or([]))),
        ])
        #expect(try Self.holding(rules) == ["ALL"])
    }

    @Test func `rules in a ring do not hold by themselves`() throws {
        let rules = RuleSet([try Self.rule("A", "B"), try Self.rule("B", "A"), try Self.rule("C", "A or uri.count")])
        #expect(try Self.holding(rules) == ["C"])
    }
}

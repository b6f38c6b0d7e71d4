import Content
import MailTypes
import Testing

@testable import Scoring

@Suite struct ExpressionTests {
    static let conditions: [(text: String, holds: Bool)] = [
        ("A", true), ("B", false), ("not B", true), ("A and B", false), ("A or B", true),
        ("not A or A", true), ("not (A or B)", false), ("A and not B and C", true),
        ("B or A and C", true), ("(B or A) and B", false), ("count(A, B, C) >= 2", true), ("count(A, B, C) > 2", false),
        ("count(A, B) == 1", true), ("uri.count >= 3", true), ("uri.count < 3", false), ("uri.count != 3", false),
        ("uri.count", true), ("html.present", false), ("html.present == 0", true), ("not not A", true),
        ("field(\"Subject\") == 1", true), ("symbol(\"DNSBL_A\")", false), ("uri.count <= 3.5", true),
    ]

    @Test(arguments: conditions)
    func `a condition holds as it is read`(_ row: (text: String, holds: Bool)) throws {
        let (expression, _) = try Expression.read(row.text)
        let links = "http://a.example/ http://b.example/ http://c.example/"
        let message = try Message(parsing: Bytes(Array("Subject: s\r\n\r\n\(links)\r\n".utf8)))
        func rule(_ name: String, _ expression: Expression) -> Rule {
            Rule(name, points: 1, description: "", test: .condition(expression))
        }
        let rules = RuleSet([
            rule("RESULT", expression), rule("A", .term(.fact("uri.count"))), rule("B", .term(.fact("html.present"))),
            rule("C", .term(.rule("A"))),
        ])
        let holding = rules.holding(Evidence(message, content: MessageContent(of: message)), hits: [])
        #expect(holding.contains { $0.rule.name == "RESULT" } == row.holds)
    }

    static let mistakes: [(text: String, offset: Int)] = [
        ("", 0), ("A and", 5), ("(A", 2), ("A)", 1), ("A B", 2), ("and A", 0), ("count(A", 7), ("count()", 6),
        ("count(a.b)", 6), ("A >= B", 5), ("A = 1", 2), ("field(Subject)", 6), ("field(\"x)", 6), ("sum(A)", 0),
        ("A & B", 2), ("uri.count >= 1.2.3", 13),
    ]

    @Test(arguments: mistakes)
    func `what is no condition is told with its place`(_ row: (text: String, offset: Int)) {
        #expect(throws: (any Error).self) { try Expression.read(row.text) }
        do throws(Expression.Mistake) {
            _ = try Expression.read(row.text)
        } catch {
            #expect(error.offset == row.offset)
        }
    }

    @Test func `nesting is limited`() {
        let deep = String(repeating: "(", count: 40) + "A" + String(repeating: ")", count: 40)
        #expect(throws: (any Error).self) { try Expression.read(deep) }
        let nots = String(repeating: "not ", count: 1000) + "A"
        #expect(throws: (any Error).self) { try Expression.read(nots) }
        let shallow = String(repeating: "(", count: 20) + "A" + String(repeating: ")", count: 20)
        #expect(throws: Never.self) { try Expression.read(shallow) }
    }

    @Test func `words are told with their places`() throws {
        let (_, words) = try Expression.read("A and uri.count >= 2 or count(B, C) > 1")
        #expect(words.map(\.text) == ["A", "uri.count", "B", "C"])
        #expect(words.map(\.offset) == [0, 6, 30, 33])
    }
}

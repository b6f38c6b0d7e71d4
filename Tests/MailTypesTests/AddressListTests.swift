import MailTypes
import Testing

@Suite struct AddressListTests {
    struct Sample: CustomTestStringConvertible {
        var text: String
        /// Name, address, group.
        var mailboxes: [(String?, String?, String?)]
        var groups: [String] = []
        var isMalformed = false
        var testDescription: String { text }
    }

    static let samples = [
        Sample(text: "", mailboxes: []),
        Sample(text: "a@b", mailboxes: [(nil, "a@b", nil)]),
        Sample(text: " John Doe <jdoe@machine.example>", mailboxes: [("John Doe", "jdoe@machine.example", nil)]),
        Sample(
            text: #""Joe Q. Public" <john.q@x.example>, Mary <mary@x.test>"#,
            mailboxes: [("Joe Q. Public", "john.q@x.example", nil), ("Mary", "mary@x.test", nil)]),
        Sample(text: "John Q. Public <j@x>", mailboxes: [("John Q. Public", "j@x", nil)]),
        Sample(
            text: "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
            mailboxes: [
                ("Ed Jones", "c@a.test", "A Group"), (nil, "joe@where.test", "A Group"),
                ("John", "jdoe@one.test", "A Group"),
            ], groups: ["A Group"]),
        Sample(text: "Undisclosed recipients:;", mailboxes: [], groups: ["Undisclosed recipients"]),
        Sample(
            text: "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
            mailboxes: [("Pete", "pete@silly.test", nil)]),
        Sample(text: "c@(Chris's host.)public.example (Chris)", mailboxes: [("Chris", "c@public.example", nil)]),
        Sample(
            text: "Mary <@node.test,@other.test:mary@example.net>, , a@b",
            mailboxes: [("Mary", "mary@example.net", nil), (nil, "a@b", nil)]),
        Sample(text: "<boss@nil.test>", mailboxes: [(nil, "boss@nil.test", nil)]),
        Sample(text: #""a b"@c"#, mailboxes: [(nil, #""a b"@c"#, nil)]),
        Sample(text: "a . b @ c . d", mailboxes: [(nil, "a.b@c.d", nil)]),
        Sample(text: "a..b@c", mailboxes: [(nil, #""a..b"@c"#, nil)]),
        Sample(text: "u@[192.0.2.1]", mailboxes: [(nil, "u@[192.0.2.1]", nil)]),
        Sample(text: "=?utf-8?Q?J=C3=BCrgen?= <j@x>", mailboxes: [("Jürgen", "j@x", nil)]),
        Sample(text: "=?utf-8?q?a=40b?=@c.example", mailboxes: [(nil, "=?utf-8?q?a=40b?=@c.example", nil)]),
        Sample(text: "\"a@good.example\" <b@bad.example>", mailboxes: [("a@good.example", "b@bad.example", nil)]),
        Sample(text: "nobody", mailboxes: [("nobody", nil, nil)], isMalformed: true),
        Sample(text: "Anna <>", mailboxes: [("Anna", nil, nil)], isMalformed: true),
        Sample(text: "<a@b", mailboxes: [(nil, nil, nil)], isMalformed: true),
        Sample(text: "<a@b> <c@d>", mailboxes: [(nil, "a@b", nil), (nil, "c@d", nil)], isMalformed: true),
        Sample(text: "<a@b> tail", mailboxes: [(nil, "a@b", nil)], isMalformed: true),
        Sample(text: "<a@b<c@d>", mailboxes: [(nil, nil, nil), (nil, "c@d", nil)], isMalformed: true),
        Sample(text: "a b@c", mailboxes: [("a b@c", nil, nil)], isMalformed: true),
        Sample(text: "a@b@c", mailboxes: [("a@b@c", nil, nil)], isMalformed: true),
        Sample(text: "a@\"b\"", mailboxes: [("a@b", nil, nil)], isMalformed: true),
        Sample(text: "a\u{0}b@c", mailboxes: [("ab@c", nil, nil)], isMalformed: true),
        Sample(text: "a@b, \"open", mailboxes: [(nil, "a@b", nil), ("open", nil, nil)], isMalformed: true),
    ]

    @Test(arguments: samples)
    func `a list is read to its end`(_ sample: Sample) {
        let list = AddressList(parsing: Array(sample.text.utf8)[...])
        #expect(list.mailboxes.map(\.name) == sample.mailboxes.map(\.0))
        #expect(list.mailboxes.map { $0.address?.description } == sample.mailboxes.map(\.1))
        #expect(list.mailboxes.map(\.group) == sample.mailboxes.map(\.2))
        #expect(list.groups == sample.groups)
        #expect(list.defects == (sample.isMalformed ? [.malformed] : []))
    }

    @Test func `the number of mailboxes is capped`() {
        let text = Array(String(repeating: "a@b,", count: 50).utf8)
        let list = AddressList(parsing: text[...], limit: 10)
        #expect(list.addresses.count == 10)
        #expect(list.defects == [.tooMany])
        #expect(AddressList(parsing: text[...], limit: 50).defects.isEmpty)
    }

    @Test(arguments: ["(", "<", "\"", "a:", "\\", "<@", ",", "a@", ".", "[", ":;"])
    func `floods of one token end`(token: String) {
        let text = Array(String(repeating: token, count: 100_000).utf8)
        let list = AddressList(parsing: text[...])
        #expect(list.mailboxes.count <= AddressList.defaultLimit)
        #expect(list.groups.count <= AddressList.defaultLimit)
    }
}

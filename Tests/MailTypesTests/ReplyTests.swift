import Testing

@testable import MailTypes

@Suite struct ReplyTests {
    @Test(arguments: [0, 1, 100, 480, 481, 482, 483, 484, 485, 486, 490, 600, 5000])
    func `an ending is never cut, and a short text neither`(_ count: Int) throws {
        let text = String(repeating: "ä", count: count / 2) + (count % 2 == 1 ? "x" : "")
        let ended = Reply(550, .deliveryNotAuthorized, lines: ["first", text]).ending(in: " [0123456789]")
        #expect(ended.lines.count == 2 && ended.lines[0] == "first")
        let line = try #require(ended.lines.last)
        #expect(line.hasSuffix(" [0123456789]"))
        #expect("5.7.1 ".utf8.count + line.utf8.count <= Reply.longestLine)
        let isWhole = "5.7.1 ".utf8.count + count + " [0123456789]".utf8.count <= Reply.longestLine
        #expect((line == text + " [0123456789]") == isWhole)
        #expect(isWhole || line.hasSuffix("... [0123456789]"))
    }

    @Test func `a reply without a status has the whole line`() {
        let reply = Reply(220, String(repeating: "x", count: 1000)).ending(in: "!")
        #expect(reply.lines[0].utf8.count == Reply.longestLine && reply.lines[0].hasSuffix("...!"))
    }
}

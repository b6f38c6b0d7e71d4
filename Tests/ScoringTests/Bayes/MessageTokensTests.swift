import Content
import MailTypes
import Scoring
import Testing

@Suite struct MessageTokensTests {
    private func tokens(_ text: String, _ limits: TokenLimits = TokenLimits()) throws -> MessageTokens {
        let octets = Array(text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n").utf8)
        let message = try Message(parsing: Bytes(octets))
        return MessageTokens(of: message, MessageContent(of: message), limits: limits, isSpelled: true)
    }

    private func spellings(_ text: String) throws -> Set<String> { Set(try tokens(text).spellings.values) }

    struct Row: CustomTestStringConvertible {
        let testDescription: String
        let message: String
        let has: [String]
        var lacks: [String] = []
    }

    static let rows = [
        Row(
            testDescription: "words and pairs of the text",
            message: "Subject: x\n\nBuy Cheap pills now!!! $500",
            has: ["w:buy", "w:cheap", "w:cheap pills", "w:pills now", "w:!!!", "w:$", "w:500"],
            lacks: ["w:Buy", "w:buy pills"]),
        Row(
            testDescription: "marks inside of words, numbers by their length",
            message: "Subject: x\n\ndon't e-mail a.example 1234567 end.",
            has: ["w:don't", "w:e-mail", "w:a.example", "w:#7", "w:end"], lacks: ["w:1234567", "w:end."]),
        Row(
            testDescription: "the subject's own words, and its form",
            message: "Subject: FREE MONEY FOR YOU!\n\nhello",
            has: ["s:free", "s:free money", "s:capitals", "s:end !", "w:hello"], lacks: ["w:free", "s:none"]),
        Row(testDescription: "no subject", message: "From: a@b.example\n\nhello", has: ["s:none"]),
        Row(
            testDescription: "people",
            message: "From: Your Bank <x1@mail.bad.example>\nReply-To: y@other.example\n\nhello",
            has: [
                "n:your", "n:your bank", "d:From mail.bad.example", "d:bad.example", "d:example", "a:From a9",
                "a:reply to other domain",
            ]),
        Row(
            testDescription: "what receivers write is passed over, whom mail is for too",
            message: "Received: from a by b\nDelivered-To: me@here.example\nX-Spam-Flag: YES\nList-Id: <l.example>\n"
                + "To: me@here.example\n\nhello",
            has: ["f:list-id", "f:list-id l.example", "a:to bare", "a:recipients 1"],
            lacks: [
                "f:received", "f:delivered-to", "f:x-spam-flag", "a:to me@here.example", "g:here", "g:^Rec", "g:^To:",
            ]),
        Row(
            testDescription: "fields in fours: digits are all the same, blanks in a row are one",
            message: "X-Mailer:   Blaster\t 7.31\n\nhello",
            has: ["g:^X-M", "g:r: B", "g:er 9", "g:9.99"], lacks: ["g:7.31", "g:    "]),
        Row(
            testDescription: "URIs: hosts with those above, paths by their words",
            message: "Subject: x\n\nhttps://www.shop.example/Login/a8/index.php?u=1",
            has: ["u:www.shop.example", "u:shop.example", "u:example", "p:login", "p:index.php", "u:hosts 1"],
            lacks: ["p:a8"]),
        Row(
            testDescription: "text that nobody sees is another thing",
            message: "Subject: x\nContent-Type: text/html\n\n<p>seen</p><p style=\"display:none\">meeting</p>",
            has: ["w:seen", "x:meeting", "m:html tags 2"], lacks: ["w:meeting"]),
        Row(
            testDescription: "languages without blanks, in pairs of characters",
            message: "Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n免费发票 ok",
            has: ["w:免费", "w:费发", "w:发票", "w:ok"], lacks: ["w:免费发票"]),
        Row(
            testDescription: "letters beyond ASCII in lower case, invisible ones taken out",
            message: "Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
                + "VI\u{200B}AGRA ÄRGER ПРИВЕТ",
            has: ["w:viagra", "w:ärger", "w:привет"]),
        Row(
            testDescription: "attachments by what they are and are called",
            message: "Subject: x\nContent-Type: application/pdf; name=\"Invoice 12.pdf.exe\"\n\nMZ",
            has: ["t:ending exe", "t:invoice", "t:declared application/pdf", "t:count 1"]),
    ]

    @Test(arguments: rows)
    func tokens(_ row: Row) throws {
        let found = try spellings(row.message)
        let missing = row.has.filter { !found.contains($0) }
        #expect(missing.isEmpty, "\(missing) not in \(found.sorted())")
        #expect(row.lacks.filter(found.contains).isEmpty)
    }

    @Test func `each token once, in order, and none is nothing`() throws {
        let hashes = try tokens("Subject: x\n\n" + String(repeating: "one two ", count: 500)).hashes
        #expect(zip(hashes, hashes.dropFirst()).allSatisfy { $0 < $1 } && hashes.first.map { $0 > 0 } == true)
    }

    @Test func `a message of any size has a bounded number of tokens`() throws {
        let words = (0..<50_000).map { "w\($0)x" }.joined(separator: " ")
        let links = (0..<3_000).map { "http://h\($0).example/p\($0)" }.joined(separator: "\n")
        let fields = (0..<500).map { "X-F\($0): \(words.prefix(500))\n" }.joined()
        var limits = TokenLimits()
        #expect(try tokens("\(fields)\n\(links)\n\(words)").hashes.count <= limits.maxTokens)
        limits.maxTokens = 300
        #expect(try tokens("\(fields)\n\(links)\n\(words)", limits).hashes.count <= 1_000)
    }
}

import Foundation
import MailTypes
import Testing

@Suite struct MailDateTests {
    static let dates: [(String, Double, Int)] = [
        ("Fri, 21 Nov 1997 09:55:06 -0600", 880_127_706, -360),
        ("Tue, 1 Jul 2003 10:52:37 +0200", 1_057_049_557, 120),
        (
            "Thu,\r\n   13\r\n     Feb\r\n    1969\r\n   23:32\r\n        -0330 (Newfoundland Time)",
            -27_723_480, -210
        ),
        ("21 Nov 97 09:55:06 GMT", 880_106_106, 0),
        ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880_127_706, -360),
        ("21 nov 97 09:55 EST", 880_124_100, -300),
        ("Mon, 29 Feb 2016 00:00:00 +0000", 1_456_704_000, 0),
        ("1 Jan 1970 00:00:00 Z", 0, 0),
        ("31 Dec 2016 23:59:60 +0000", 1_483_228_800, 0),
        ("21-Nov-1997 09:55:06 UT", 880_106_106, 0),
        ("1 Jan 100 00:00:00 UT", 946_684_800, 0),
    ]

    @Test(arguments: dates)
    func `dates of today and of old are read`(text: String, seconds: Double, offset: Int) throws {
        let parsed = try #require(MailDate(parsing: Array(text.utf8)[...]))
        #expect(parsed.date.timeIntervalSince1970 == seconds)
        #expect(parsed.offset == offset)
    }

    @Test(arguments: [
        "", "Fri", "32 Jan 2020 00:00:00 +0000", "29 Feb 2015 00:00 +0000", "1 Foo 2020 00:00:00 +0000",
        "1 Jan 2020 24:00:00 +0000", "1 Jan 2020 00:61:00 +0000", "1 Jan 20200 00:00:00 +0000",
        "99999999999999999999 Jan 2020 00:00:00 +0000", "2020-01-01T00:00:00Z", "0 Jan 2020 00:00:00 +0000",
    ])
    func `what is no date is none`(text: String) {
        #expect(MailDate(parsing: Array(text.utf8)[...]) == nil)
    }

    @Test func `dates are written as RFC 5322 has them and read back`() {
        #expect(
            MailDate(Date(timeIntervalSince1970: 880_127_706), offset: -360).description
                == "Fri, 21 Nov 1997 09:55:06 -0600")
        #expect(MailDate(Date(timeIntervalSince1970: -1)).description == "Wed, 31 Dec 1969 23:59:59 +0000")
        for day in stride(from: -20_000, through: 60_000, by: 13) {
            let written = MailDate(Date(timeIntervalSince1970: Double(day * 86_400 + 4711)), offset: (day % 14) * 60)
            #expect(MailDate(parsing: Array(written.description.utf8)[...]) == written)
        }
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity, 1e300, -1e300])
    func `no date is too odd to be written`(seconds: Double) {
        let written = MailDate(Date(timeIntervalSince1970: seconds), offset: .max).description
        #expect(written.utf8.count == 31)
    }
}

@Suite struct MessageIDTests {
    @Test func `ids are read one and many`() {
        #expect(MessageID(parsing: " <a.b@c>\r\n"[...].utf8Slice)?.text == "<a.b@c>")
        for text in ["", "a@b", "<a>", "<@b>", "<a@>", "<a@b", "<a b@c>", "<a@b> x", "<a@b><c@d>", "<<a@b>>"] {
            #expect(MessageID(parsing: text[...].utf8Slice) == nil, "\(text)")
        }
        let list = MessageID.list(parsing: "<a@b>\r\n <c@d>(x)<e@f> junk <g <h@i>"[...].utf8Slice)
        #expect(list.map(\.text) == ["<a@b>", "<c@d>", "<e@f>", "<h@i>"])
        #expect(MessageID.list(parsing: String(repeating: "<a@b>", count: 9)[...].utf8Slice, limit: 3).count == 3)
    }
}

extension Substring {
    var utf8Slice: ArraySlice<UInt8> { Array(utf8)[...] }
}

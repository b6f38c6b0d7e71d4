import MailTypes
import Testing

@testable import Sandbox

@Suite struct CanonicalBodyTests {
    /// A body, and how long it is in the simple and in the relaxed form. RFC 6376 §3.4.3, §3.4.4.
    @Test(
        arguments: [
            ("", 2, 0), ("\r\n", 2, 0), ("\r\n\r\n\r\n", 2, 0), ("a", 3, 3), ("a\r\n", 3, 3), ("a\r\n\r\n\r\n", 3, 3),
            ("a \r\n", 4, 3), (" \r\n", 3, 0), ("a\r\n \r\n", 6, 3), ("a  b\t c\r\n", 9, 7), (" a\r\n", 4, 4),
            ("a\r\n\r\nb\r\n", 8, 8), (" C \r\nD \t E\r\n\r\n\r\n", 12, 9),
        ])
    func `a body has so many canonical octets`(_ body: String, _ simple: Int, _ relaxed: Int) {
        let octets = Bytes(Array(body.utf8))
        #expect(CanonicalBody.length(octets, isRelaxed: false) == simple)
        #expect(CanonicalBody.length(octets, isRelaxed: true) == relaxed)
    }

    @Test func `a word ends at a blank or a line end`() {
        let bodies = [("ab cde\tf\r\nghij\r\n", 4), ("", 0), ("abcde", 5), ("\r\n\r\n", 0), (" abc", 3), ("a bcd ", 3)]
        for (body, longest) in bodies {
            for limit in 0..<10 {
                let isLonger = CanonicalBody.hasWord(longerThan: limit, in: Bytes(Array(body.utf8)))
                #expect(isLonger == (longest > limit), "\(body.debugDescription), \(limit)")
            }
        }
    }
}

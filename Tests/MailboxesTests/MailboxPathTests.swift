import Foundation
import MailTypes
import Testing

@testable import Mailboxes

@Suite struct MailboxPathTests {
    static let parts: [(String, String)] = [
        ("anna", "anna"),
        ("anna.b+c_d-e=f", "anna.b+c_d-e=f"),
        ("..", "%2E."),
        (".", "%2E"),
        (".hidden", "%2Ehidden"),
        ("a/b", "a%2Fb"),
        ("../../etc", "%2E.%2F..%2Fetc"),
        ("a\0b", "a%00b"),
        ("", "%"),
        ("%", "%25"),
        ("a b", "a%20b"),
        ("é", "%C3%A9"),
        ("[ipv6:::1]", "%5Bipv6%3A%3A%3A1%5D"),
    ]

    @Test(arguments: parts)
    func `each part is one safe name that can be read back`(part: String, name: String) {
        #expect(MailboxPath.encode(part.utf8) == name)
        #expect(MailboxPath.decode(name).map { String(decoding: $0, as: UTF8.self) } == part)
    }

    @Test(arguments: ["%2", "%zz", "%61", "a b", "", ".x", "%2e"])
    func `no other name is taken for an address`(name: String) {
        #expect(MailboxPath.decode(name) == nil)
    }

    @Test func `two spellings of a mailbox are one folder`() {
        #expect(MailboxPath("Anna@ACME.test").description == "acme.test/anna/Maildir")
    }

    @Test func `a name tells its message from others`() {
        let date = Date(timeIntervalSince1970: 5)
        let name = MaildirName(received: date, queueID: "q", recipient: "a@b")
        for file in [name.unique, name.fileName(size: 3), name.fileName(size: 3) + ":2,RS", name.unique + ":2,S"] {
            #expect(MaildirName.unique(of: file) == name.unique)
        }
        #expect(MaildirName.unique(of: "1795230000.M1P2.host,S=3:2,S") == nil)
        #expect(name != MaildirName(received: date, queueID: "q", recipient: "c@b"))
        #expect(name != MaildirName(received: date, queueID: "r", recipient: "a@b"))
        #expect(!MaildirName(received: date, queueID: "../x", recipient: "").unique.contains("/"))
    }
}

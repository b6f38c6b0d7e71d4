import Testing

@testable import Protocols

/// Postfix's SMTPD_POLICY_README.
@Suite struct PolicyDelegationTests {
    @Test func `attributes are lines, and no value is more than one`() {
        let request = PolicyDelegation.request(["request": "smtpd_access_policy", "sender": "a\nrecipient=b\r\0@c"])
        #expect(String(decoding: request, as: UTF8.self) == "request=smtpd_access_policy\nsender=a recipient=b  @c\n\n")
    }

    @Test(arguments: [
        ("action=DUNNO\n\n", ScannerProgress.finished("DUNNO")), ("action=\n\n", .finished("")),
        ("action=REJECT a=b\n\nmore", .finished("REJECT a=b")), ("action=x\ty\n\n", .finished("x y")),
        ("action=DUNNO\n", .unfinished), ("", .unfinished),
        ("action=A\naction=B\n\n", .broken("its reply is not one action")),
        ("Action=A\n\n", .broken("its reply is not one action")), ("\n\n", .broken("its reply is not one action")),
    ])
    func `a reply is one action, however it is cut`(_ text: String, _ progress: ScannerProgress<String>) {
        var whole = PolicyDelegation.reader()
        #expect(whole.read(text.utf8) == progress)
        var (cut, last) = (PolicyDelegation.reader(), ScannerProgress<String>.unfinished)
        for octet in text.utf8 where last == .unfinished { last = cut.read([octet]) }
        #expect(last == progress)
    }

    @Test func `a reply has an end, and so has a connection`() {
        var reader = PolicyDelegation.reader()
        #expect(reader.read("action=".utf8) == .unfinished)
        #expect(reader.end() == .broken("it has hung up"))
        reader = PolicyDelegation.reader()
        let long = "action=" + String(repeating: "x", count: PolicyDelegation.longestReply)
        #expect(reader.read(long.utf8) == .broken("a reply of more than 4096 octets"))
    }
}

import Delivery
import Foundation
import MailTypes
import Pipeline
import Testing

/// What is answered by itself, and above all what is not. RFC 3834 §2, RFC 5230 §4.
@Suite struct AutoreplyPolicyTests {
    static let noon = Date(timeIntervalSince1970: 1_795_262_400)

    static func policy(_ change: (inout Autoreply) -> Void = { _ in }) -> AutoreplyPolicy {
        var reply = Autoreply(isOn: true, text: "I am away.", since: noon)
        change(&reply)
        return AutoreplyPolicy(mailbox: "anna@here.test", reply: reply, hostname: "mx.here.test")
    }

    static func header(_ text: String) throws -> Header {
        let text = text.replacing("\r\n", with: "\n").replacing("\n", with: "\r\n")
        return try Message(parsing: Bytes(Array("\(text)\r\n\r\nbody\r\n".utf8))).header
    }

    // MARK: Header

    @Test(arguments: [
        ("Auto-Submitted: auto-generated", AutoreplyRefusal.Kind.automatic),
        ("Auto-Submitted: auto-replied; owner-email=\"x@y.test\"", .automatic),
        ("AUTO-SUBMITTED:\n (why not) Auto-Notified", .automatic),
        ("Auto-Submitted:", .automatic), ("Auto-Submitted: (a (real) no) auto-generated", .automatic),
        ("Precedence: (a) (b \\) c) bulk", .bulk), ("Auto-Submitted: (no", .automatic),
        ("Precedence: bulk", .bulk), ("Precedence: List", .bulk), ("precedence:  junk ", .bulk),
        ("X-Precedence: bulk", .bulk),
        ("List-Id: News <news.list.test>", .bulk), ("List-Unsubscribe: <https://list.test/u>", .bulk),
        ("List-Unsubscribe-Post: List-Unsubscribe=One-Click", .bulk), ("List-Post: NO", .bulk),
        ("Mailing-List: contact x@y.test", .bulk), ("X-BeenThere: x@y.test", .bulk),
        ("Feedback-ID: 1:2:3:sender", .bulk),
        ("X-Auto-Response-Suppress: DR, RN, OOF", .automatic), ("X-Auto-Response-Suppress: All", .automatic),
        ("X-Autoreply: yes", .automatic), ("X-Autorespond: I am away", .automatic),
        ("X-Loop: anna@here.test", .automatic),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=x", .automatic),
        ("From: Mail Delivery <MAILER-DAEMON@far.test>", .roleSender),
        ("From: a@far.test\nSender: owner-news@list.test", .roleSender),
        ("From: Shop <no-reply@shop.test>", .roleSender), ("Reply-To: donotreply@shop.test", .roleSender),
        ("Authentication-Results: mx.here.test; dmarc=fail header.from=far.test", .forged),
        ("Authentication-Results: mx.here.test; spf=fail smtp.mailfrom=far.test", .forged),
        ("Authentication-Results: mx.here.test; spf=softfail smtp.mailfrom=far.test; dmarc=none", .forged),
    ])
    func `what its header tells of gets no reply`(_ text: String, _ kind: AutoreplyRefusal.Kind) throws {
        let header = try Self.header("Subject: x\n\(text)\nTo: anna@here.test")
        let refusal = try #require(Self.policy().refusal(by: header))
        #expect(refusal.kind == kind, "\(refusal)")
    }

    @Test(arguments: [
        "From: Bob <bob@far.test>", "Auto-Submitted: no", "Auto-Submitted: (a person) No; x=y", "Precedence: normal",
        "Auto-Submitted: (a) (person (really)) no",
        "Precedence: first-class", "X-Auto-Response-Suppress: None", "X-Auto-Response-Suppress: DR",
        "Content-Type: multipart/mixed; boundary=x", "X-List: ", "Listen: up", "From: Robin Request <robin@far.test>",
        "From: requests@far.test", "From: Rooter <rooter@far.test>",
        // Somebody else's word on it.
        "Authentication-Results: mx.far.test; dmarc=fail header.from=far.test",
        "Authentication-Results: mx.here.test; spf=pass; dmarc=pass",
        // Forwarded, and proven by its signature.
        "Authentication-Results: mx.here.test; spf=softfail smtp.mailfrom=far.test; dmarc=pass",
    ])
    func `what a person writes is answered`(_ text: String) throws {
        let text = text.hasPrefix("X-List:") ? "X-Listing: 3" : text
        #expect(Self.policy().refusal(by: try Self.header("Subject: x\n\(text)\nTo: anna@here.test")) == nil)
    }

    @Test func `a reason names the field, and says no more of a stranger's than is good`() throws {
        let text = "List-Id: <" + String(repeating: "n", count: 500) + ".list.test>"
        let refusal = try #require(Self.policy().refusal(by: try Self.header(text)))
        #expect(refusal.reason.hasPrefix("bulk mail (List-Id: <nnnn"))
        #expect(refusal.reason.utf8.count < 120)
    }

    // MARK: Envelope

    static func refusal(
        from sender: EmailAddress? = "bob@far.test", said: EmailAddress = "anna@here.test",
        _ disposition: Disposition = .deliver, at moment: Date = noon, _ change: (inout Autoreply) -> Void = { _ in }
    ) -> AutoreplyRefusal.Kind? {
        policy(change).refusal(from: sender, said: said, disposition: disposition, received: moment)?.kind
    }

    @Test func `nobody, the mailbox itself and postmaster get none`() {
        #expect(Self.refusal() == nil)
        #expect(Self.refusal(from: nil) == .nullSender)
        #expect(Self.refusal(from: "Anna@here.test") == .itself)
        #expect(Self.refusal(said: "postmaster@here.test") == .postmaster)
        #expect(Self.refusal(said: "PostMaster@here.test") == .postmaster)
    }

    @Test(arguments: [Disposition.junk, .quarantine]) func `junk gets none`(_ disposition: Disposition) {
        #expect(Self.refusal(disposition) == .junk)
    }

    @Test(
        arguments: [
            "mailer-daemon@far.test", "Mailer-Daemon@far.test", "owner-news@list.test", "news-owner@list.test",
            "news-request@list.test", "news-bounces@list.test", "news-bounces+anna=here.test@list.test",
            "bounces+8812-anna=here.test@mail.test", "bounce@far.test", "listserv@list.test", "majordomo@list.test",
            "noreply@shop.test", "no-reply@shop.test", "no-reply+123@shop.test", "root@box.test", "postmaster@far.test",
        ] as [EmailAddress])
    func `who never reads gets none`(_ sender: EmailAddress) { #expect(Self.refusal(from: sender) == .roleSender) }

    @Test(
        arguments: ["owner@farm.test", "request@far.test", "rootes@far.test", "anna+bounces@far.test"] as [EmailAddress]
    )
    func `who may read gets one`(_ sender: EmailAddress) { #expect(Self.refusal(from: sender) == nil) }

    @Test func `a window is kept to the second`() {
        let window: (inout Autoreply) -> Void = { reply in
            reply.from = Self.noon
            reply.until = Self.noon + 60
        }
        #expect(Self.refusal(at: Self.noon - 1, window) == .outsideWindow)
        #expect(Self.refusal(at: Self.noon, window) == nil)
        #expect(Self.refusal(at: Self.noon + 59, window) == nil)
        #expect(Self.refusal(at: Self.noon + 60, window) == .outsideWindow)
        #expect(Self.refusal { $0.isOn = false } == .outsideWindow)
    }

    // MARK: Addressees

    @Test func `all fields that name recipients are read, each address once, and only so many`() throws {
        let header = try Self.header(
            """
            To: Friends: a@x.test, "B, C" <b@x.test>;, A@X.test
            CC: c@x.test
            Resent-To: d@x.test
            Reply-To: e@x.test
            Subject: f@x.test
            """)
        let found = AutoreplyPolicy.addressees(in: header).map(\.description)
        #expect(found == ["a@x.test", "b@x.test", "c@x.test", "d@x.test"])
        let many = (0..<500).map { "u\($0)@x.test" }.joined(separator: ",\n ")
        #expect(AutoreplyPolicy.addressees(in: try Self.header("To: \(many)")).count == 50)
    }
}

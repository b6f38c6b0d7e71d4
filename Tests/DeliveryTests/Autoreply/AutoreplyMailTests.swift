import Delivery
import Foundation
import MailTypes
import Pipeline
import Testing

/// What a reply looks like. RFC 3834 §3.
@Suite struct AutoreplyMailTests {
    static let now = Date(timeIntervalSince1970: 1_795_262_400)
    static let id = TransactionID(milliseconds: 1_795_262_400_000, random: 7)

    static func reply(
        to header: String, name: String? = nil, _ change: (inout Autoreply) -> Void = { _ in }
    ) throws -> Message {
        var reply = Autoreply(isOn: true, text: "I am away.\nBack soon.", since: now)
        change(&reply)
        let mail = AutoreplyMail(mailbox: "anna@here.test", fullName: name, reply: reply, hostname: "mx.here.test")
        let message = mail.message(
            to: "bob@far.test", about: try AutoreplyPolicyTests.header(header), as: id, at: now)
        // As whoever gets it reads it.
        let octets = message.pieces.flatMap(\.array)
        let parsed = try Message(parsing: Bytes(octets))
        #expect(parsed.header.defects.isEmpty)
        #expect(octets.split(separator: 10).allSatisfy { $0.last == 13 && $0.count < 999 }, "whole lines")
        return parsed
    }

    static func value(_ name: StaticString, _ message: Message) -> String? { message.header[name]?.value }

    @Test func `it says what it is, whose it is, and what it answers`() throws {
        let message = try Self.reply(
            to: "From: bob@far.test\nSubject: Lunch?\nMessage-ID: <2@far.test>\nReferences: <0@x.test>\n <1@x.test>")
        #expect(Self.value("From", message) == "anna@here.test")
        #expect(Self.value("To", message) == "<bob@far.test>")
        #expect(Self.value("Subject", message) == "Auto: Lunch?")
        #expect(Self.value("Auto-Submitted", message) == "auto-replied")
        #expect(Self.value("X-Auto-Response-Suppress", message) == "All")
        #expect(Self.value("In-Reply-To", message) == "<2@far.test>")
        #expect(Self.value("References", message) == "<0@x.test> <1@x.test> <2@far.test>")
        #expect(Self.value("Message-ID", message)?.hasSuffix("@mx.here.test>") == true)
        #expect(message.header["Date"] != nil)
        #expect(message.body == "I am away.\r\nBack soon.\r\n")
        #expect(AutoreplyPolicyTests.policy().refusal(by: message.header)?.kind == .automatic, "nobody answers it")
    }

    @Test func `without an id there is nothing to refer to`() throws {
        for id in ["", "Message-ID: nonsense\n", "Message-ID: <a@x> <b@x>\n", "Message-ID: <é@x.test>\n"] {
            let message = try Self.reply(to: "\(id)Subject: x\nReferences: <0@x.test>")
            #expect(message.header["In-Reply-To"] == nil && message.header["References"] == nil)
        }
    }

    @Test func `a long thread is cut at its old end`() throws {
        let old = (0..<300).map { "<\($0)@x.test>" }.joined(separator: "\n ")
        let message = try Self.reply(to: "Message-ID: <last@x.test>\nReferences: \(old)")
        let ids = MessageID.list(parsing: try #require(message.header["References"]).rawValue)
        #expect(ids.count == 21 && ids.first?.text == "<280@x.test>" && ids.last?.text == "<last@x.test>")
    }

    @Test func `a stranger's subject brings no line, no direction and no flood with it`() throws {
        let encoded = Data("Hi\r\nBcc: all@x.test\r\n\r\n\u{202E}gnp\u{7}".utf8).base64EncodedString()
        let message = try Self.reply(to: "Subject: =?utf-8?B?\(encoded)?=")
        #expect(message.header["Bcc"] == nil)
        #expect(Self.value("Subject", message) == "Auto: HiBcc: all@x.testgnp")
        let long = try Self.reply(to: "Subject: " + String(repeating: "s ", count: 400))
        #expect(try #require(Self.value("Subject", long)).utf8.count < 170)
        #expect(Self.value("Subject", try Self.reply(to: "From: x@y.test")) == "Automatic reply")
    }

    @Test func `every language and name comes through`() throws {
        let message = try Self.reply(to: "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=", name: "Ánna \"A\" Berg") { reply in
            reply.text = "Bin verreist – zurück am 2. Jänner.\r\n日本語\n"
        }
        #expect(message.header.serialized.allSatisfy { $0 < 0x80 })
        #expect(EncodedWord.decode(Self.value("Subject", message) ?? "") == "Auto: Grüße")
        let author = AddressList(try #require(message.header["From"])).mailboxes
        #expect(author.map(\.name) == ["Ánna \"A\" Berg"] && author.map(\.address) == ["anna@here.test"])
        #expect(Self.value("Content-Type", message) == "text/plain; charset=utf-8")
        let base64 = String(decoding: message.body.array, as: UTF8.self).replacing("\r\n", with: "")
        let text = String(decoding: try #require(Data(base64Encoded: base64)), as: UTF8.self)
        #expect(text.utf8.elementsEqual("Bin verreist – zurück am 2. Jänner.\r\n日本語\r\n".utf8))
    }

    @Test func `an ASCII name is quoted`() throws {
        let message = try Self.reply(to: "Subject: x", name: "Berg, \"Anna\" <x@y>")
        let author = AddressList(try #require(message.header["From"])).mailboxes
        #expect(author.map(\.name) == ["Berg, \"Anna\" <x@y>"] && author.map(\.address) == ["anna@here.test"])
    }

    @Test func `its own subject and HTML are taken, the text first`() throws {
        let message = try Self.reply(to: "Subject: x") { reply in
            reply.subject = "Verreist bis Jänner"
            reply.html = "<p>I am <b>away</b>.</p>"
        }
        #expect(EncodedWord.decode(Self.value("Subject", message) ?? "") == "Verreist bis Jänner")
        let boundary = "=_\(Self.id)"
        #expect(Self.value("Content-Type", message) == "multipart/alternative; boundary=\"\(boundary)\"")
        let body = String(decoding: message.body.array, as: UTF8.self)
        let parts = body.components(separatedBy: "--\(boundary)")
        #expect(parts.count == 4 && parts[0].isEmpty && parts[3] == "--\r\n")
        #expect(parts[1].contains("text/plain") && parts[1].hasSuffix("\r\n\r\nI am away.\r\nBack soon.\r\n"))
        #expect(parts[2].contains("text/html") && parts[2].hasSuffix("\r\n\r\n<p>I am <b>away</b>.</p>\r\n"))
    }

    @Test func `lines that are too long are packed`() throws {
        let text = String(repeating: "a", count: 5_000)
        let message = try Self.reply(to: "Subject: x") { $0.text = text }
        #expect(Self.value("Content-Transfer-Encoding", message) == "base64")
    }
}

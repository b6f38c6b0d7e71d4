import Foundation
import Testing

/// Mail that waits in the queue when its mailbox is removed.
@Suite struct GoneMailboxTests {
    @Test func `mail for a mailbox that was removed meanwhile goes back to its sender`() async throws {
        try await LiveServer.run { server in
            // Nothing can be delivered while a file lies where the folder should be.
            let place = "\(server.data)/mailboxes/acme.test/carl"
            try FileManager.default.createDirectory(
                atPath: "\(server.data)/mailboxes/acme.test", withIntermediateDirectories: true)
            try "in the way".write(toFile: place, atomically: false, encoding: .utf8)
            let wire = try await server.submission()
            let mail = "From: anna@acme.test\r\nSubject: hello\r\n\r\nbody\r\n"
            #expect(try await wire.deliver(mail, from: "anna@acme.test", to: ["carl@acme.test"]).hasPrefix("250"))
            #expect(await eventually { (try? await server.queue().first?.recipients.first?.attempts) == 1 })
            #expect(try await server.sluice("mailbox", "remove", "carl@acme.test", "--force").code == 0)
            try FileManager.default.removeItem(atPath: place)
            let id = try #require(try await server.queue().first).id
            #expect(try await server.sluice("queue", "retry", id).code == 0)
            let report = try await server.mail(of: "anna@acme.test", count: 1)[0]
            #expect(report.contains("Final-Recipient: rfc822; carl@acme.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"))
            #expect(!FileManager.default.fileExists(atPath: place))
            #expect(try await server.queueIsEmpty())
        }
    }
}

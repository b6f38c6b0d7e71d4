import Foundation
import Frontends
import MailTypes
import Protocols
import Queue
import Testing

@Suite struct SuccessReportsTests {
    enum Client: CaseIterable {
        case stranger, listed, user
    }

    /// What is said, and what is kept of it for a stranger.
    static let wishes: [(said: String, forStrangers: RecipientParameters.Notify?)] = [
        ("", nil), (" NOTIFY=NEVER", .never), (" NOTIFY=FAILURE", .failure), (" NOTIFY=SUCCESS", .failure),
        (" NOTIFY=SUCCESS,FAILURE", .failure), (" NOTIFY=SUCCESS,DELAY", .delay),
        (" NOTIFY=SUCCESS,DELAY,FAILURE", [.failure, .delay]),
    ]

    private static func notify(_ said: String) -> RecipientParameters.Notify? {
        guard let list = said.split(separator: "=").last, said != "" else { return nil }
        let all: [Substring: RecipientParameters.Notify] = ["SUCCESS": .success, "FAILURE": .failure, "DELAY": .delay]
        return list.split(separator: ",").compactMap { all[$0] }.reduce(into: .never) { $0.formUnion($1) }
    }

    @Test(arguments: Client.allCases)
    func `who may hear of success`(_ client: Client) async throws {
        let server = try await LiveServer { setup in
            setup.listener.machine.authMechanisms = ["PLAIN"]
            setup.listener.machine.authWithoutTLS = true
            if client == .listed { setup.listener.successReportsFrom = ["127.0.0.0/8"] }
        }
        let wire = try await server.client()
        _ = try await wire.reply()
        #expect(try await wire.say("EHLO c.test").contains("DSN"))
        if client == .user {
            let claim = Data("\0anna@here.test\0secret".utf8).base64EncodedString()
            #expect(try await wire.say("AUTH PLAIN \(claim)").hasPrefix("235"))
        }
        for (said, forStrangers) in Self.wishes {
            _ = try await wire.say("MAIL FROM:<a@out.test>")
            #expect(try await wire.say("RCPT TO:<anna@here.test>\(said)").hasPrefix("250"))
            _ = try await wire.say("DATA")
            #expect(try await wire.say("Subject: x\r\n\r\nx\r\n.").hasPrefix("250"))
            let kept = server.acceptor.taken.last?.recipients.first?.said.parameters.notify
            #expect(kept == (client == .stranger ? forStrangers : Self.notify(said)), "\(client)\(said)")
        }
        await server.stop()
    }
}

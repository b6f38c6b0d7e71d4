import Foundation
import Frontends
import MailTypes
import NIOCore
import Pipeline
import Protocols
import Queue
import Testing

@testable import SluiceTesting

/// The dialogs that the machine is tested with, played against a listener on loopback.
@Suite struct LiveDialogTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../ProtocolsTests/Dialogs/smtp").standardizedFileURL
    static let dialogs: [Dialog] = {
        do {
            return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
                .filter { $0.pathExtension == "smtp" && !others.contains($0.lastPathComponent) }
                .sorted { $0.lastPathComponent < $1.lastPathComponent }
                .map {
                    try Dialog(name: $0.lastPathComponent, text: forListener(String(contentsOf: $0, encoding: .utf8)))
                }
        } catch {
            Issue.record(error)
            return []
        }
    }()

    /// About what the driver decides itself: LoginTests has the like.
    private static let others: Set = ["auth-banned.smtp"]

    /// The texts of the chain's replies have an id where the machine's tests name the recipient.
    private static func forListener(_ text: String) -> String {
        text.replacing(/(?m)^(S[*\d]*:.* Taken)( for \w+)?$/) { "\($0.1) *" }
            .replacing(/(?m)^(S[*\d]*:.* Not for )\w+$/) { "\($0.1)*" }
    }

    @Test func `there are dialogs`() { #expect(Self.dialogs.count >= 80) }

    @Test(arguments: dialogs)
    func `a dialog is played over a socket`(_ dialog: Dialog) async throws {
        let certificates = try Self.certificates.get()
        let server = try await LiveServer { setup in
            setup.listener.machine = try .sample(for: dialog)
            setup.listener.tls = dialog.option("implicitTLS") == "true" ? .implicit : .starttls
            if !setup.listener.machine.offersStartTLS, setup.listener.tls == .starttls { setup.listener.tls = .none }
            if setup.listener.machine.extensions.contains(.xclient) { setup.listener.xclientFrom = ["127.0.0.1"] }
            if dialog.option("early") != nil { setup.listener.greetDelay = "1s" }
            setup.certificates = certificates
            setup.stages = [DialogStage(.init())]
            setup.onMixed = .junk
            setup.logins.firstDelay = 0
            setup.authenticator = DialogAuthenticator()
        }
        let early = dialog.option("early").flatMap(Dialog.unescaped) ?? []
        let client = try await TestClient.connect(port: server.port, saying: early)
        if setupIsEncrypted(dialog) { try await client.startTLS() }
        var transport = LiveTransport(client, server, dialog)
        try await DialogPlayer.play(dialog, .whole, against: &transport)
        await server.stop()
    }

    private func setupIsEncrypted(_ dialog: Dialog) -> Bool { dialog.option("implicitTLS") == "true" }

    /// One certificate for all dialogs.
    private static let certificates = Result { try TestCertificates().store(["mx.here.example"]) }
}

extension Dialog {
    /// Replies that it waits for.
    fileprivate var replies: Int {
        lines.count { if case .server = $0.event { true } else { false } }
    }

    fileprivate var taken: [[UInt8]] {
        lines.compactMap { if case .taken(let content) = $0.event { content } else { nil } }
    }
}

/// Plays against a socket. While replies are due it waits long for them, and only a moment for
/// those that must not come.
private struct LiveTransport: DialogTransport {
    private let client: TestClient
    private let server: LiveServer
    private let expected: [[UInt8]]
    private var due: Int

    init(_ client: TestClient, _ server: LiveServer, _ dialog: Dialog) {
        self.client = client
        self.server = server
        expected = dialog.taken
        due = dialog.replies
    }

    func send(_ octets: [UInt8]) async throws {
        // A server that has closed does not care.
        try? await client.send(octets)
    }

    mutating func receive() async throws -> [UInt8] {
        if due > 0 {
            guard let reply = try? await client.reply() else { return [] }
            due -= 1
            return Array((reply + "\r\n").utf8)
        }
        for _ in 0..<5 where !client.isClosed { try await Task.sleep(for: .milliseconds(10)) }
        return Array(client.takeAll().utf8)
    }

    func startTLS() async throws { try await client.startTLS() }

    func isClosed() async throws -> Bool {
        let end = ContinuousClock.now + patience
        while !client.isClosed, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
        return client.isClosed
    }

    func takenMessages() async throws -> [[UInt8]]? {
        var messages: [TransactionID: [UInt8]] = [:]
        for one in server.acceptor.taken { messages[one.id.transaction] = one.content.flatMap(\.array) }
        // Content without a header has got the empty line that ends one.
        return messages.sorted { $0.key < $1.key }.enumerated().map { place, message in
            let isBare = place < expected.count && message.value == [13, 10] + expected[place]
            return isBare ? expected[place] : message.value
        }
    }
}

/// Decides by the names in the addresses, as ``SMTPMachineTransport`` does.
private struct DialogStage: SenderStage, RecipientStage, MessageStage {
    static let name: StageName = "dialog"
    static let effects: Effects = [.rejects, .tempfails, .routes, .scores]
    struct Configuration: Decodable, Sendable {}
    init(_ configuration: Configuration) {}

    func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding {
        guard transaction.sender?.localPart.hasPrefix("banned") == true else { return .none }
        return Finding(.reject(Reply(550, .deliveryNotAuthorized, "Not you")))
    }

    func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let address = recipient.address
        let name = address.localPart
        if name.hasPrefix("unknown") { return Finding(.reject(Reply(550, .badDestinationMailbox, "No such user"))) }
        if name.hasPrefix("busy") { return Finding(.tempfail(Reply(451, .deliveryNotAuthorized, "Come back later"))) }
        var edits = [Edit.resolve(address, to: [Destination(address: address, route: .mailbox(address))])]
        // Who has a score of his own is judged by himself.
        if name.hasPrefix("picky") { edits.append(.score(Symbol("picky \(name)", points: 1, description: ""))) }
        return Finding(edits: edits)
    }

    func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let text = String(decoding: message.pieces.flatMap(\.array), as: UTF8.self)
        if text.contains("X-Refuse:") { return Finding(.reject(Reply(550, .deliveryNotAuthorized, "Refused"))) }
        if text.contains("X-Defer:") { return Finding(.tempfail(Reply(451, .deliveryNotAuthorized, "Not now"))) }
        let isPicky = transaction.symbols.contains { $0.name.hasPrefix("picky") }
        guard isPicky, transaction.session.repliesPerRecipient else { return .none }
        return Finding(.reject(Reply(550, .deliveryNotAuthorized, "Not for everybody")))
    }
}

private struct DialogAuthenticator: Authenticator {
    func authenticate(login: String, password: [UInt8]) async -> LoginAnswer {
        switch login {
        case "anna": password == Array("secret".utf8) ? .success("anna@here.example") : .refused
        case "down": .temporary("down")
        default: .refused
        }
    }
}

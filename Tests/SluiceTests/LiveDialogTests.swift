import Foundation
import SluiceTesting
import Testing

/// The dialogs of the protocol tests, played over sockets against the built server.
@Suite struct LiveDialogTests {
    static let folder = URL(fileURLWithPath: Programs.root + "/Tests/ProtocolsTests/Dialogs/smtp")

    /// Words of the dialogs that only the machine's own tests understand: their pipeline decides by names and
    /// marks, and their directory knows other users.
    static let foreign = [
        "picky", "busy", "banned", "X-Refuse", "X-Defer", "evil@", "S: 235", "S: 454 4.7.0", "Taken for", "Taken\n",
    ]

    /// One listener for each configuration that dialogs ask for, all in one server.
    struct Group: Sendable {
        var options: [(key: String, value: String)]
        var dialogs: [Dialog]
        var port = 0

        var key: String { options.map { "\($0.key)=\($0.value)" }.joined(separator: ";") }
        var isEncrypted: Bool { options.contains { $0.key == "implicitTLS" } }
        var early: [UInt8]? {
            options.first { $0.key == "early" }.map {
                Array($0.value.replacingOccurrences(of: "\\r\\n", with: "\r\n").utf8)
            }
        }
    }

    static func groups() throws -> [Group] {
        var groups: [Group] = []
        for dialog in try Dialog.all(in: folder, withExtension: "smtp") where isPlayable(dialog) {
            let key = Group(options: dialog.options, dialogs: []).key
            if let place = groups.firstIndex(where: { $0.key == key }) {
                groups[place].dialogs.append(dialog)
            } else {
                groups.append(Group(options: dialog.options, dialogs: [dialog]))
            }
        }
        return groups
    }

    static func isPlayable(_ dialog: Dialog) -> Bool {
        let text = dialog.lines.map { line in
            switch line.event {
            case .client(let octets): String(decoding: octets, as: UTF8.self)
            case .server(let pattern): "S: \(pattern)\n"
            case .startTLS, .closed, .taken: ""
            }
        }.joined()
        // A right login of another directory, a command line shorter than a listener may ask for.
        return !foreign.contains(where: text.contains) && dialog.name != "auth-banned.smtp"
            && dialog.option("maxCommandLine") == nil
    }

    @Test func `every dialog is true of the live server, and what it takes lies in the mailboxes`() async throws {
        var groups = try Self.groups()
        let ports = try Ports.free(groups.count)
        for place in groups.indices { groups[place].port = ports[place] }
        var setup = LiveServer.Setup()
        setup.hostname = "mx.here.example"
        setup.more = try groups.map(Self.listener).joined(separator: "\n")
        setup.isReplayed = true
        // The dialogs' messages have no header; the stages that look at one have tests of their own.
        for name in ["12-early-talker.toml", "14-rate.toml", "30-header.toml", "32-received.toml"] {
            setup.filters[name] = ""
        }
        let place = try await Place()
        try await Self.fill(place)
        try await Turnstile.servers.pass {
            let server = try await LiveServer.start(setup, in: place)
            let ids = try await Self.play(groups)
            #expect(try await server.queueIsEmpty())
            let names = (FileManager.default.enumerator(atPath: server.data + "/mailboxes")?.allObjects ?? [])
                .compactMap { $0 as? String }.filter { $0.contains("/new/") }
            let stored = Set(names.compactMap { $0.firstMatch(of: /\.Q([0-9a-z]{16})-/).map { String($0.1) } })
            #expect(stored == Set(ids))
            #expect(ids.count > 20)
            await server.stop()
            try await server.replay()
        }
    }

    /// Plays all, some at a time; the ids of what was taken.
    private static func play(_ groups: [Group]) async throws -> [String] {
        var waiting = groups.flatMap { group in group.dialogs.map { (group, $0) } }
        #expect(waiting.count >= 100)
        return try await withThrowingTaskGroup(of: [String].self) { tasks in
            var ids: [String] = []
            for _ in 0..<min(6, waiting.count) {
                let (group, dialog) = waiting.removeLast()
                tasks.addTask { try await play(dialog, group) }
            }
            for try await taken in tasks {
                ids += taken
                guard let (group, dialog) = waiting.popLast() else { continue }
                tasks.addTask { try await play(dialog, group) }
            }
            return ids
        }
    }

    private static func play(_ dialog: Dialog, _ group: Group) async throws -> [String] {
        let wire = try await Wire.connect(port: group.port)
        if group.isEncrypted { try await wire.startTLS() }
        if let early = group.early { try await wire.send(early) }
        var transport = SocketTransport(wire, expecting: dialog)
        do {
            try await DialogPlayer.play(dialog, .whole, against: &transport)
        } catch let failure as DialogPlayer.Failure {
            Issue.record("\(failure)")
        }
        if let takes = dialog.takes { #expect(transport.taken.count == takes, "\(dialog)") }
        await wire.close()
        return transport.taken
    }

    // MARK: - The server's side

    private static func fill(_ place: Place) async throws {
        let config = ["--config", place.folder.path + "/sluice.toml"]
        var commands = [["domain", "add", "here.example", "--postoffice", "acme"]]
        for name in ["anna", "bob", "carol", "dave", "postmaster", "jürgen", String(repeating: "a", count: 64)] {
            commands.append(["mailbox", "add", "\(name)@here.example", "--password-stdin"])
        }
        for command in commands {
            let ran = try await Programs.run(Programs.sluice, command + config, input: Array("secret\n".utf8))
            guard ran.code == 0 else { throw Timeout("\(command): \(ran)") }
        }
    }

    /// A listener's table, in the words of sluice.toml.
    static func listener(_ group: Group) throws -> String {
        var lines = ["name = \"dialogs-\(group.port)\"", "bind = [\"127.0.0.1:\(group.port)\"]"]
        var values = ["protocol": "\"smtp\"", "tls": "\"starttls\"", "auth": "[\"PLAIN\", \"LOGIN\"]"]
        values["message_size"] = "1000"
        values["max_recipients"] = "100"
        let numbers = [
            "maxMessageSize": "message_size", "maxRecipients": "max_recipients", "maxTextLine": "text_line",
            "maxRefusedRecipients": "max_refused_recipients", "maxTransactions": "max_transactions",
            "maxErrors": "max_errors", "maxUnknownBeforeHello": "max_unknown_before_hello",
            "maxJunkCommands": "max_junk_commands", "requiresTLS": "requires_tls", "requiresAuth": "requires_auth",
            "authWithoutTLS": "auth_without_tls",
        ]
        for (key, value) in group.options {
            switch key {
            case "language": values["protocol"] = "\"\(value)\""
            case "lineEnds": values["line_ends"] = "\"\(value)\""
            case "syncViolation": values["sync_violation"] = "\"\(value)\""
            case "implicitTLS": values["tls"] = "\"implicit\""
            case "offersStartTLS": values["tls"] = "\"none\""
            case "early": values["greet_delay"] = "\"5s\""
            case "with": values["xclient_from"] = "[\"127.0.0.1\"]"
            case "without":
                values["extensions_off"] = value == "CHUNKING" ? "[\"CHUNKING\", \"BINARYMIME\"]" : "[\"\(value)\"]"
            case "authMechanisms": values["auth"] = "[]"
            default:
                guard let name = numbers[key] else { throw Timeout("no option of a listener: \(key)") }
                values[name] = value
            }
        }
        if values["tls"] == "\"none\"", values["auth_without_tls"] == nil { values["auth"] = "[]" }
        lines += values.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }
        return "[[listener]]\n" + lines.joined(separator: "\n") + "\n"
    }
}

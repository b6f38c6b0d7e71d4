import Configuration
import Foundation
import Logging
import Testing

@testable import Sluice

/// Changing the queue by hand.
@Suite struct QueueCommandTests {
    /// Puts a file where the folder of carl's mail should be: nothing can be delivered there. Answers its path.
    private static func block(_ server: LiveServer) throws -> String {
        let place = "\(server.data)/mailboxes/acme.test/carl"
        try FileManager.default.createDirectory(
            atPath: "\(server.data)/mailboxes/acme.test", withIntermediateDirectories: true)
        try "in the way".write(toFile: place, atomically: false, encoding: .utf8)
        return place
    }

    private static let mail = "From: a@out.test\r\nSubject: hello\r\n\r\nbody\r\n"

    @Test func `without a server nothing is tried, and nothing else is said`() async throws {
        try await LiveServer.run { server in
            _ = try Self.block(server)
            let wire = try await server.smtp()
            try await wire.greet()
            let id = String(try await wire.deliver(Self.mail, to: ["carl@acme.test"]).suffix(16)) + "-0"
            #expect(await eventually { (try? await server.queue().first?.recipients.first?.attempts) == 1 })
            await server.stop()
            let retry = try await server.sluice("queue", "retry", id)
            #expect(retry.code == 75 && retry.output.isEmpty)
            #expect(retry.errors.contains("The server is not running"), "\(retry)")
            #expect(try await server.sluice("queue", "hold", id).code == 0)
        }
    }

    @Test func `what is held is not tried, keeps its first reason, and is named by its transaction too`() async throws {
        try await LiveServer.run { server in
            let place = try Self.block(server)
            let wire = try await server.smtp()
            try await wire.greet()
            let transaction = String(try await wire.deliver(Self.mail, from: "", to: ["carl@acme.test"]).suffix(16))
            let id = transaction + "-0"
            #expect(await eventually { (try? await server.queue().first?.recipients.first?.attempts) == 1 })
            // It has no sender who could be told: it is held.
            #expect(try await server.sluice("queue", "bounce", id).code == 0)
            #expect(await eventually { (try? await server.queue().first?.held) != .some(nil) })
            let reason = try #require(try await server.queue().first?.held)

            for words in [[id], ["--all"], [transaction], [transaction, id]] {
                let hold = try await server.sluice(["queue", "hold"] + words)
                #expect(hold.code == 0 && hold.output == "Held 1 message.\n", "\(words): \(hold)")
                #expect(try await server.queue().first?.held == reason)
            }
            let retry = try await server.sluice("queue", "retry", id)
            #expect(retry.code == 1 && retry.output.isEmpty)
            #expect(retry.errors.contains("\(id) is held (\(reason)) and is not tried; release it first"), "\(retry)")
            let all = try await server.sluice("queue", "retry", "--all")
            #expect(all.code == 0 && all.output.isEmpty && all.errors.contains("1 message is held, and not tried."))

            let none = try await server.sluice("queue", "retry", "--all", "--json").json() as? [String: Any]
            #expect(none?["messages"] as? [String] == [])

            #expect(try await server.sluice("queue", "show", transaction).output.contains(id))
            let listed = try await server.sluice("queue", "show", transaction, "--json").json() as? [[String: Any]]
            #expect(listed?.map { $0["id"] as? String } == [id])
            let unknown = try await server.sluice("queue", "show", "0000000000000000")
            #expect(unknown.code == 1 && unknown.errors.contains("nothing of 0000000000000000 in"), "\(unknown)")
            try FileManager.default.removeItem(atPath: place)
            #expect(try await server.sluice("queue", "release", transaction).output == "Released 1 message.\n")
            _ = try await server.mail(of: "carl@acme.test", count: 1)
            #expect(try await server.queueIsEmpty())
        }
    }

    @Test func `what leaves the queue meanwhile keeps no other message from being changed`() async throws {
        try await LiveServer.run { server in
            _ = try Self.block(server)
            let wire = try await server.smtp()
            try await wire.greet()
            for _ in 0..<3 { #expect(try await wire.deliver(Self.mail, to: ["carl@acme.test"]).hasPrefix("250")) }
            #expect(
                try await eventually { try await server.queue().filter { $0.recipients[0].attempts == 1 }.count == 3 })
            let second = try await server.queue()[1].id
            // Between the command and the server is somebody who takes a message away once the list is told.
            let (place, logger) = (try await Place(), Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            var (real, own) = (ServerConfiguration(), ServerConfiguration())
            (real.data, own.data) = (server.data, place.folder.path + "/data")
            let between = try ControlServer(DataFolder(own), logger: logger) { [real] request in
                let answer = try? ControlClient(data: DataFolder(real)).ask(request)
                if case .queueList = request { _ = try? await server.sluice("queue", "remove", second) }
                return answer ?? .failed("no answer", isTemporary: true)
            }
            between.start()
            defer { between.stop() }
            let hold = try await Programs.run(
                Programs.sluice, ["queue", "hold", "--all", "--config", place.folder.path + "/sluice.toml"])
            #expect(hold.code == 0 && hold.output == "Held 2 messages.\n", "\(hold)")
            #expect(try await server.queue().map(\.held) == ["held by an operator", "held by an operator"])
        }
    }
}

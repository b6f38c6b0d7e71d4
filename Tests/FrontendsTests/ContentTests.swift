import Foundation
import Frontends
import MailTypes
import Pipeline
import Protocols
import Queue
import Testing

@Suite struct ContentTests {
    private func begin(_ client: TestClient) async throws {
        _ = try await client.reply()
        for line in ["EHLO c.test", "MAIL FROM:<a@out.test>", "RCPT TO:<anna@here.test>"] {
            _ = try await client.say(line)
        }
        #expect(try await client.say("DATA").hasPrefix("354"))
    }

    private static func content(lines: Int) -> [UInt8] {
        Array(
            ("Subject: large\r\n\r\n" + (0..<lines).map { "line \($0) of many, each a little different\r\n" }.joined())
                .utf8)
    }

    @Test(arguments: [0, 1, 2000, 40_000])
    func `content is the same whether it fits into memory or not`(_ lines: Int) async throws {
        let server = try await LiveServer { $0.limits.contentMemory = 64 << 10 }
        let client = try await server.client()
        try await begin(client)
        let content = Self.content(lines: lines)
        try await client.send(content + Array(".\r\n".utf8))
        #expect(try await client.reply().hasPrefix("250"))
        let taken = try #require(server.acceptor.taken.first)
        #expect(taken.content.flatMap(\.array) == content)
        #expect(Self.openFiles(in: server.folder.path) == 0, "what is mapped needs no descriptor")
        #expect(server.folder.files.isEmpty, "the file has no name")
        await server.stop()
    }

    @Test func `several large messages come in side by side`() async throws {
        let server = try await LiveServer { $0.limits.contentMemory = 16 << 10 }
        let content = Self.content(lines: 20_000)
        try await withThrowingTaskGroup { group in
            for _ in 0..<6 {
                group.addTask {
                    let client = try await server.client()
                    try await begin(client)
                    try await client.send(content + Array(".\r\n".utf8))
                    #expect(try await client.reply().hasPrefix("250"))
                }
            }
            try await group.waitForAll()
        }
        #expect(server.acceptor.taken.count == 6)
        #expect(server.acceptor.taken.allSatisfy { $0.content.flatMap(\.array) == content })
        await server.stop()
    }

    @Test func `a message that grows too large is refused at its end`() async throws {
        let server = try await LiveServer { setup in
            setup.listener.machine.maxMessageSize = 100_000
            setup.limits.contentMemory = 16 << 10
        }
        let client = try await server.client()
        try await begin(client)
        try await client.send(Self.content(lines: 10_000) + Array(".\r\n".utf8))
        #expect(try await client.reply().hasPrefix("552 5.3.4"))
        #expect(try await client.say("MAIL FROM:<a@out.test> SIZE=200000").hasPrefix("552 5.3.4"))
        #expect(try await client.deliver(greeted: true).hasPrefix("250"))
        #expect(await server.eventually { server.traces.contains { $0.outcome == .rejected } })
        await server.stop()
    }

    @Test func `broken transfers leave nothing`() async throws {
        let server = try await LiveServer { $0.limits.contentMemory = 16 << 10 }
        for _ in 0..<10 {
            let client = try await server.client()
            try await begin(client)
            try await client.send(Self.content(lines: 5000))
            try await client.close()
        }
        #expect(await server.eventually { server.frontend.openConnections == 0 && server.traces.count == 10 })
        #expect(server.folder.files.isEmpty)
        #expect(server.acceptor.taken.isEmpty)
        #expect(await server.eventually { Self.openFiles(in: server.folder.path) == 0 })
        await server.stop()
    }

    @Test func `a folder that is gone costs the message, not the server`() async throws {
        let server = try await LiveServer { $0.limits.contentMemory = 16 << 10 }
        try FileManager.default.removeItem(atPath: server.folder.path)
        let client = try await server.client()
        try await begin(client)
        try await client.send(Self.content(lines: 5000) + Array(".\r\n".utf8))
        #expect(try await client.reply().hasPrefix("451 4.3.0"))
        #expect(try await client.deliver(greeted: true).hasPrefix("250"), "small messages need no folder")
        await server.stop()
    }

    /// Files without a name that this process holds in `folder`.
    private static func openFiles(in folder: String) -> Int {
        let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return open.count { descriptor in
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
            return target?.contains(folder) ?? false
        }
    }
}

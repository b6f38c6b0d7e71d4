import Foundation
import Frontends
import Metrics
import NIOCore
import Testing

@Suite struct MetricsTests {
    @Test func `numbers are told in the text format`() {
        let registry = MetricsRegistry()
        Counter(label: "mails.taken", dimensions: [("to", "a\"b\\c\nd")], factory: registry).increment(by: 3)
        Meter(label: "open", factory: registry).set(2.5)
        let timer = Metrics.Timer(label: "judge", dimensions: [("listener", "x")], factory: registry)
        timer.recordNanoseconds(2_000_000)
        timer.recordNanoseconds(90_000_000_000)
        let text = registry.exposition()
        #expect(text.contains("# TYPE mails_taken_total counter\nmails_taken_total{to=\"a\\\"b\\\\c\\nd\"} 3\n"))
        #expect(text.contains("# TYPE open gauge\nopen 2.5\n"))
        #expect(text.contains("# TYPE judge_seconds histogram\n"))
        #expect(text.contains("judge_seconds_bucket{listener=\"x\",le=\"0.001\"} 0\n"))
        #expect(text.contains("judge_seconds_bucket{listener=\"x\",le=\"0.0025\"} 1\n"))
        #expect(text.contains("judge_seconds_bucket{listener=\"x\",le=\"+Inf\"} 2\n"))
        #expect(text.contains("judge_seconds_count{listener=\"x\"} 2\n"))
    }

    @Test func `the same name is the same number`() {
        let registry = MetricsRegistry()
        for _ in 0..<5 { Counter(label: "n", dimensions: [("b", "2"), ("a", "1")], factory: registry).increment() }
        Counter(label: "n", dimensions: [("a", "1"), ("b", "2")], factory: registry).increment()
        #expect(registry.value("n_total", [("a", "1"), ("b", "2")]) == 6)
    }

    @Test func `series have a limit`() {
        let registry = MetricsRegistry()
        for number in 0..<10_000 {
            Counter(label: "n", dimensions: [("k", "\(number)")], factory: registry).increment()
        }
        #expect(registry.exposition().split(separator: "\n").count <= MetricsRegistry.mostSeries + 1)
    }

    private static func ask(_ request: String, isWell: Bool = true) async throws -> String {
        let registry = MetricsRegistry()
        Counter(label: "taken", factory: registry).increment()
        let server = StatusServer(group: LiveServer.group, registry: registry, timeout: .minutes(10)) {
            .init(isWell: isWell, details: ["queue"])
        }
        let address = try await server.start(.ip("127.0.0.1", port: 0))
        let client = try await TestClient.connect(port: address?.port ?? 0)
        try await client.send(request)
        let answer = try await client.end()
        await server.stop()
        return answer
    }

    @Test(arguments: [
        ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200", "taken_total 1"),
        ("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "200", "degraded\nqueue"),
        ("GET /other HTTP/1.1\r\nHost: x\r\n\r\n", "404", "/metrics"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405", "only GET"),
        ("EHLO client.test\r\n\r\n", "400", "not HTTP"),
    ])
    func `the status listener answers`(_ request: String, _ status: String, _ content: String) async throws {
        let answer = try await Self.ask(request)
        #expect(answer.hasPrefix("HTTP/1.1 \(status)"))
        #expect(answer.contains(content))
    }

    @Test func `a status server listens at all its addresses, and closes them all`() async throws {
        let server = StatusServer(group: LiveServer.group, registry: MetricsRegistry()) { .init(isWell: true) }
        var ports: [Int] = []
        for _ in 0..<3 { ports.append(try await server.start(.ip("127.0.0.1", port: 0))?.port ?? 0) }
        for port in ports { try await TestClient.connect(port: port).close() }
        await server.stop()
        for port in ports {
            await #expect(throws: (any Error).self) { try await TestClient.connect(port: port) }
        }
    }

    @Test func `a crowd that asks nothing keeps nobody out`() async throws {
        let server = StatusServer(group: LiveServer.group, registry: MetricsRegistry(), timeout: .minutes(10)) {
            .init(isWell: true)
        }
        let port = try await server.start(.ip("127.0.0.1", port: 0))?.port ?? 0
        var crowd: [TestClient] = []
        for _ in 0..<StatusServer.mostConnections + 20 { crowd.append(try await TestClient.connect(port: port)) }
        let client = try await TestClient.connect(port: port)
        try await client.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(try await client.end().hasPrefix("HTTP/1.1 200"))
        // Whoever was there first has gone.
        for early in crowd.prefix(20) { #expect(try await early.end() == "") }
        #expect(crowd.last?.isClosed == false)
        await server.stop()
    }

    @Test(
        arguments: [
            (true, [], "ok"), (true, ["one key"], "degraded"), (false, [], "not well"),
            (false, ["the disk"], "not well"),
        ] as [(Bool, [String], String)])
    func `a server of which a part fails is degraded`(_ isWell: Bool, _ details: [String], _ word: String) {
        #expect(StatusServer.Health(isWell: isWell, details: details).word == word)
    }

    @Test func `a server that is not well says 503`() async throws {
        let answer = try await Self.ask("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", isWell: false)
        #expect(answer.hasPrefix("HTTP/1.1 503"))
    }

    @Test func `an endless header is cut off`() async throws {
        let endless =
            "GET /health HTTP/1.1\r\n" + String(repeating: "X: \(String(repeating: "y", count: 1000))\r\n", count: 100)
        #expect(!(try await Self.ask(endless)).hasPrefix("HTTP/1.1 200"))
    }
}

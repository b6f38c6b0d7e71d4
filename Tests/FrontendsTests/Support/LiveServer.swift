import Foundation
import Frontends
import Logging
import MailTypes
import NIOCore
import NIOPosix
import Pipeline
import Protocols
import Synchronization

/// A front-end on a port of its own, with fakes behind it.
final class LiveServer: Sendable {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)

    let frontend: SMTPFrontend
    let acceptor = FakeAcceptor()
    let authenticator = FakeAuthenticator()
    let log = MemoryLog()
    let metrics = MetricsRegistry()
    let folder: TemporaryFolder
    private let collected: Collector<Trace>
    let options: ListenerOptions

    /// What a test may change before the start.
    struct Setup {
        var listener: ListenerOptions
        var limits = ServerLimits()
        var stages: [any Stage] = [TakesMail(.init()), Strict(.init())]
        var certificates: CertificateStore?
        var logins = LoginThrottle.Limits()
        var group = LiveServer.group
        var onMixed = OnMixed.split
        /// `nil`: the server's own fake.
        var authenticator: (any Authenticator)?
    }

    init(_ change: (inout Setup) throws -> Void = { _ in }) async throws {
        var machine = SMTPServerMachine.Configuration(hostname: "mx.here.test")
        machine.maxMessageSize = 8 << 20
        var setup = Setup(listener: ListenerOptions(name: "test", bind: [.ip("127.0.0.1", port: 0)], machine: machine))
        setup.limits.tick = "20ms"
        setup.limits.stopTimeout = "1s"
        // On a busy machine a test may be kept waiting for longer than any sensible client.
        setup.listener.handshakeTimeout = "10m"
        setup.listener.proxyTimeout = "10m"
        try change(&setup)
        let folder = try TemporaryFolder()
        let links = setup.stages.enumerated().map { place, stage in
            Link(number: place * 10, file: "\(place * 10)-test.toml", base: StageVariant(stage))
        }
        let chain = Chain(links, onMixed: setup.onMixed)
        let log = log
        var logger = Logger(label: "test") { LineLogHandler(label: $0, sink: log) }
        logger.logLevel = .debug
        var environment = SMTPEnvironment(
            hostname: "mx.here.test", chain: { chain }, services: FakeServices(), acceptor: acceptor,
            authenticator: setup.authenticator ?? authenticator, temporaryDirectory: folder.path, logger: logger)
        environment.metrics = metrics
        environment.certificates = setup.certificates
        let collected = Collector<Trace>()
        environment.traced = { trace, _ in collected.add(trace) }
        self.collected = collected
        self.folder = folder
        options = setup.listener
        frontend = SMTPFrontend(
            group: setup.group, environment: environment, limits: setup.limits, logins: LoginThrottle(setup.logins))
        try await frontend.listen([setup.listener])
    }

    var port: Int { frontend.addresses(of: options.name).first?.port ?? 0 }
    var traces: [Trace] { collected.all }

    func client() async throws -> TestClient { try await TestClient.connect(port: port) }

    func stop() async { await frontend.stop() }

    /// Waits until `condition` holds; a test that would wait for ever fails instead.
    func eventually(within limit: Duration = patience, _ condition: @Sendable () -> Bool) async -> Bool {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            if condition() { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return condition()
    }
}

final class Collector<Element: Sendable>: Sendable {
    private let list = Mutex<[Element]>([])
    func add(_ element: Element) { list.withLock { $0.append(element) } }
    var all: [Element] { list.withLock { $0 } }
}

/// A folder of one test, gone with it.
final class TemporaryFolder: Sendable {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "/sluice-frontends-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
}

import Adapters
import Configuration
import Delivery
import Directory
import Foundation
import Frontends
import Logging
import MailTypes
import Mailboxes
import Metrics
import NIOCore
import NIOPosix
import Pipeline
import Queue
import Sandbox
import Synchronization
import UnixSignals

/// The running server: everything opened, wired and listening, until it is told to stop.
final class Server: Sendable {
    private let file: String
    private let data: DataFolder
    /// As it was started: what only a restart changes holds still.
    private let settings: ServerConfiguration
    private let started = Date()
    private let logger: Logger
    private let registry: MetricsRegistry
    private let state: Mutex<State>
    /// A signal and a command may ask for a reload at the same time.
    private let reloads = OneByOne()
    private let reroutes = OneByOne()

    private let directory: MailDirectory
    private let memory: StageMemoryStore
    private let lessons: LessonStore
    private let resolver: UnboundResolver
    private let sandbox: SandboxPool
    private let blocklists: BlocklistDesk
    private let scanners: ScanDesk
    private let traces: TraceKeeper
    private let rooms: RoomDesk
    private let queue: MailQueue
    private let certificates: CertificateStore
    private let frontend: SMTPFrontend
    private let statusServer: StatusServer
    private let witness = HealthWitness()
    private let autoresponder: Autoresponder
    private let events: Eventing
    private let delivery: DeliveryAgent
    private let outbound: OutboundSecurity
    private let reporter: DailyReporter
    private let tlsReporter: DailyReporter
    private let keyWatch: KeyWatch
    private let quarantine: QuarantineKeeper
    private let group: MultiThreadedEventLoopGroup

    /// What a reload replaces.
    private struct State {
        var settings: ServerConfiguration
        /// What an operator should look at.
        var warnings: [String]
        var isStopping = false
    }

    /// Serves until SIGTERM or SIGINT; returns when everything is written and closed.
    ///
    /// `whenServing` is called once, when every socket is bound.
    static func run(
        _ loaded: LoadedConfiguration, file: String, whenServing: @Sendable () -> Void = {}
    ) async throws {
        signal(SIGPIPE, SIG_IGN)
        // From the first moment on: whoever is told that it serves may stop it at once, and in order.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        Descriptors.raiseLimit()
        let registry = MetricsRegistry()
        MetricsSystem.bootstrap(registry)
        let server: Server
        do { server = try await Server(loaded, file: file, registry: registry) } catch let failure as BindFailure {
            throw CommandFailure.wrong(["\(failure)", failure.advice].compactMap(\.self).joined(separator: "\n"))
        }
        try await server.serve(until: signals, whenServing)
    }

    // MARK: - Opening

    private init(_ loaded: LoadedConfiguration, file: String, registry: MetricsRegistry) async throws {
        let settings = loaded.settings
        self.settings = settings
        self.file = file
        self.registry = registry
        logger = Logger(settings)
        let identity = try Privileges(settings.run)
        state = Mutex(State(settings: settings, warnings: loaded.diagnostics.map(\.description)))
        group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)

        // Low ports and keys may need root. Nothing is opened and nobody listened to before its rights are given up.
        let folder = try DataFolder(settings).made(for: identity)
        certificates = try Self.certificates(settings)
        statusServer = StatusServer(group: group, registry: registry, logger: logger) { [witness] in witness.health }
        let bound = await Self.bind(settings, on: group, status: statusServer)
        try identity?.becomeForGood()

        data = try folder.prepared()
        (queue, directory, memory, lessons, traces) = try Self.openStores(data, settings, logger)
        resolver = try Stores.resolver(settings)
        // Told only now: where another server has the queue, that says more than its taken address.
        let sockets = try bound.get()
        sandbox = Stores.sandbox(settings, resolver, SandboxObserver(logger, MetricsSystem.factory))
        blocklists = Stores.blocklists(of: loaded.chain, resolver, BlocklistObserver(logger))
        scanners = Stores.scanners(settings, logger)
        var living = LiveWorld(
            directory: directory, memory: memory, resolver: resolver, suffixes: try Stores.suffixes(settings),
            sandbox: sandbox, viruses: scanners, blocklists: blocklists, lessons: lessons)
        loaded.rules.patterns.use(sandbox)
        try loaded.rules.prepare(for: loaded.chain)
        sandbox.prepare(for: loaded.chain, settings, logger)
        await scanners.prepare(for: loaded.chain, settings)
        let chain = ChainHolder(loaded.chain)
        self.chain = chain
        let traced = Self.following(directory, traces, logger)
        outbound = try OutboundSecurity(settings, in: data, resolver, group, logger)
        var hooks = DeliveryHooks(living, { chain.current }, logger, traces, LoginSeal(data), outbound)
        living.probe = RecipientProbe(settings, hooks, group)
        rooms = RoomDesk(MailStore(root: data.mailboxes), directory, group)
        living.rooms = rooms
        let world = living
        var environment = SMTPEnvironment(
            hostname: settings.hostname, chain: { chain.current }, services: world, acceptor: queue,
            authenticator: DirectoryAuthenticator(directory: directory), temporaryDirectory: data.temporary,
            logger: logger)
        environment.certificates = certificates
        environment.traced = traced
        environment.domainToASCII = { InternationalDomain.toASCII($0) }
        frontend = SMTPFrontend(
            group: group, environment: environment, limits: ServerLimits(settings),
            logins: LoginThrottle(.init(settings)), sockets: sockets)
        let house = HouseMail(
            judging: HouseJudging(hostname: settings.hostname, chain: { chain.current }, source: world), queue: queue,
            traced: traced)
        autoresponder = try Autoresponder(settings, in: data, directory, house, world, traces, logger)
        events = Eventing(settings, in: data, directory, traces, logger)
        events.watch(queue, settings.events)
        hooks.follower = MailboxFollowers(all: [autoresponder, events.deliveries])
        delivery = DeliveryAgent(
            queue: queue, store: rooms.store, room: rooms.room, hostname: settings.hostname,
            options: DeliveryOptions(settings), surroundings: (hooks: hooks, group: group, logger: logger))
        reporter = try AggregateReports(settings, in: data, mail: house, traces: traces, logger: logger).reporter
        tlsReporter = try TLSReports(settings, in: data, mail: house, outbound, logger: logger).reporter
        quarantine = try QuarantineKeeper(settings, in: data, queue: queue, mail: house, traces: traces, memory, logger)
        keyWatch = KeyWatch(
            KeyFolder(path: data.signingKeys), logger,
            world: ({ [directory] in try directory.signing() }, { chain.current.signingStage?.policy }))
        try await frontend.listen(Self.listeners(settings))
        if frontend.mostConnections < settings.limits.maxConnections { warnOfFewConnections() }
    }

    /// What follows from a trace: who is to be kept from sending is, failures are told, stages counted; it is kept.
    private static func following(
        _ directory: MailDirectory, _ traces: TraceKeeper, _ logger: Logger
    ) -> @Sendable (Trace, Message?) -> Void {
        let counters = StageCounters()
        return { trace, message in
            trace.follow(in: directory, logger)
            counters.count(trace)
            traces.keep(trace, message)
        }
    }

    private func warnOfFewConnections() {
        logger.warning(
            "fewer connections than configured",
            metadata: [
                "connections": "\(frontend.mostConnections)", "configured": "\(settings.limits.maxConnections)",
                "reason": "the process may not open more files",
            ])
    }

    private let chain: ChainHolder

    // MARK: - Serving

    private func serve(until signals: UnixSignalsSequence, _ whenServing: () -> Void) async throws {
        witness.server = self
        statusServer.accept()
        let control = try commands()
        control.start()
        await autoresponder.recover()
        let works = [
            Task { await delivery.run() }, Task { await reporter.run() }, Task { await keyWatch.run() },
            Task { await quarantine.run() }, Task { await blocklists.run() }, Task { await tlsReporter.run() },
            Task { await outbound.run() },
        ]
        whenServing()
        Notifier.tell("READY=1\nSTATUS=Serving")
        logger.info(
            "serving",
            metadata: [
                "hostname": "\(settings.hostname)", "listeners": "\(addresses.joined(separator: " "))",
                "stages": "\(chain.current.links.count)",
            ])
        for await signal in signals {
            guard signal == .sighup else { break }
            _ = await reload()
        }
        logger.info("stopping")
        state.withLock { $0.isStopping = true }
        await reloads.run { () async in }
        Notifier.tell("STOPPING=1")
        control.stop()
        await frontend.stop()
        for work in works { work.cancel() }
        await withoutSilentServers { for work in works { await work.value } }
        await statusServer.stop()
        close()
        try? await group.shutdownGracefully()
        logger.info("stopped")
        DescriptorLogSink.standardError.flush()
    }

    private func commands() throws -> ControlServer {
        do { return try ControlServer(data, logger: logger) { [self] in await answer($0) } } catch {
            throw CommandFailure.wrong("Commands cannot be taken: \(error).")
        }
    }

    /// How long name servers may take to answer while the server stops.
    private static let lastAnswers = Duration.seconds(1)

    /// What is under way ends, but does not wait for name servers until these have used up all their time.
    private func withoutSilentServers(_ body: () async -> Void) async {
        let impatience = Task { [resolver] in
            try await Task.sleep(for: Self.lastAnswers)
            resolver.stop()
        }
        await body()
        impatience.cancel()
    }

    private func close() {
        queue.close()
        traces.close()
        memory.close()
        lessons.close()
        reporter.close()
        tlsReporter.close()
        autoresponder.close()
        events.close()
        outbound.close()
        rooms.close()
        directory.close()
        scanners.stop()
        sandbox.stop()
        resolver.stop()
    }

    private var addresses: [String] {
        state.withLock { $0.settings }.listeners.flatMap { listener in
            frontend.addresses(of: listener.name).map { "\(listener.name)=\($0.text)" }
        }
    }

    var health: StatusServer.Health {
        // A server that takes mail is no balancer's to take away: not for one domain's key, nor for a lint.
        let obstacles = obstacles
        return StatusServer.Health(isWell: obstacles.isEmpty, details: obstacles + warnings + troubles)
    }

    /// Why no mail is taken.
    private var obstacles: [String] { queue.refusal(forSize: 0).map { ["No mail is taken: \($0)."] } ?? [] }

    /// What fails of the server without keeping it from its work.
    private var troubles: [String] {
        keyWatch.troubles.map(\.text) + blocklists.troubles.map(\.text) + scanners.troubles + lessons.troubles
    }

    /// What an admin should look at while mail flows.
    private var warnings: [String] {
        let (current, complaints) = state.withLock { ($0.settings, $0.warnings) }
        var warnings = complaints
        if let late = settings.needsRestart(for: current) { warnings.append("\(file): warning: \(late)") }
        if let failure = memory.writeFailure { warnings.append("What stages remember is not written: \(failure).") }
        return warnings
    }

    // MARK: - Commands

    private func answer(_ request: ControlRequest) async -> ControlAnswer {
        switch request {
        case .status:
            await keyWatch.look()
            return .status(status)
        case .reload: return await reload()
        case .queueList(let after, let limit): return .listings(queue.list(after: after, limit: limit))
        case .queueShow(let id):
            do throws(QueueFailure) { return .listings([try queue.show(id)]) } catch { return ControlAnswer(error) }
        case .queueContent(let id): return ControlAnswer(contentOf: id, in: queue)
        case .queueChange(let change, let id):
            do throws(QueueFailure) {
                let underWay = try await apply(change, to: id)
                logger.notice("queue changed", metadata: ["id": "\(id)", "change": "\(change.rawValue)"])
                return underWay.isEmpty ? .done : .underWay(underWay)
            } catch { return ControlAnswer(error) }
        case .reports(let domain): return await reporter.answer(domain)
        case .tlsReports(let domain): return await tlsReporter.answer(domain)
        case .queueReroute(let id, let isTrial, let actor):
            return await reroutes.run { [self] () async in
                await RerouteDesk(
                    queue: queue, directory: directory, hostname: settings.hostname,
                    chain: { [chain] in chain.current }, logger: logger
                ).answer(id, isTrial: isTrial, by: actor)
            }
        case .queueAttempts(let id): return .attempts(queue.results(of: id).mapValues(AttemptEnd.init))
        }
    }

    /// Answers whom it does not hold for yet.
    private func apply(_ change: QueueChange, to id: QueueID) async throws(QueueFailure) -> [QueueAttempt] {
        switch change {
        case .retry, .hold, .release:
            try await queue.apply(change, to: id, now: Date())
            return []
        case .remove:
            let message = try queue.show(id)
            let tried = try await queue.remove(id)
            traces.keep(removed: message)
            return message.attempts(tried)
        case .bounce:
            let message = try queue.show(id)
            let tried = try queue.watchAttempts(of: id)
            try await delivery.giveUp(id)
            return message.attempts(tried)
        }
    }

    private var status: ServerStatus {
        ServerStatus(
            version: Version.text, processID: getpid(), started: started,
            hostname: settings.hostname, listeners: addresses, configuration: file,
            stages: chain.current.links.count, connections: frontend.openConnections,
            mostConnections: frontend.mostConnections, queue: queue.counts(),
            droppedTraces: traces.dropped, scanning: scanners.status,
            unverified: (try? directory.unverifiedNames())?.map(\.name), warnings: obstacles + warnings + troubles)
    }

    /// Builds everything anew, and takes it only if nothing is wrong with it.
    private func reload() async -> ControlAnswer { await reloads.run { [self] () async in await reloadNow() } }

    private func reloadNow() async -> ControlAnswer {
        if state.withLock({ $0.isStopping }) { return .failed("The server is stopping.", isTemporary: true) }
        Notifier.tell("RELOADING=1")
        defer { Notifier.tell("READY=1") }
        let loaded = LoadedConfiguration(file: file)
        let complaints = loaded.diagnostics.map(\.description)
        guard loaded.isUsable else {
            logger.error("not reloaded", metadata: ["first": "\(complaints.first ?? "")"])
            return .refused(complaints: complaints)
        }
        var remarks = complaints
        do {
            try loaded.rules.prepare(for: loaded.chain)
            let readied = try CertificateStore.ready(loaded.settings.certificateFiles)
            // The name is everywhere or nowhere the new one.
            let listeners = Self.listeners(loaded.settings, hostname: settings.hostname)
            try await frontend.listen(listeners) { [certificates] in certificates.use(readied) }
        } catch {
            logger.error("not reloaded", metadata: ["reason": "\(error)"])
            let advice = (error as? BindFailure)?.advice
            let complaint = Diagnostic(.error, at: SourceLocation(file: file), "\(error)", hint: advice)
            return .refused(complaints: [complaint.description])
        }
        let changes = loaded.chain.difference(from: chain.current).map(\.description)
        loaded.rules.patterns.use(sandbox)
        chain.current = loaded.chain
        blocklists.watch(loaded.chain.blocklists)
        scanners.use(loaded.chain, loaded.settings)
        outbound.use(loaded.settings)
        let before = state.withLock { state in
            defer { (state.settings, state.warnings) = (loaded.settings, complaints) }
            return state.settings
        }
        if let late = settings.needsRestart(for: loaded.settings) { remarks.append("\(file): warning: \(late)") }
        let listeners = loaded.settings.listenerChanges(from: before)
        logger.notice("reloaded", metadata: ["changes": "\(changes.count + listeners.count)"])
        for change in listeners { logger.notice("listener changed", metadata: ["line": "\(change)"]) }
        for change in changes { logger.notice("chain changed", metadata: ["line": "\(change)"]) }
        return .reloaded(file: file, changes: listeners + changes, complaints: remarks)
    }
}

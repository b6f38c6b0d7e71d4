import Adapters
import Configuration
import Directory
import Foundation
import Logging
import MailTypes
import Pipeline
import Sandbox

/// Opens the stores of the data folder as the configuration wants them.
enum Stores {
    static func directory(in data: DataFolder, _ settings: ServerConfiguration) throws -> MailDirectory {
        var options = MailDirectory.Options()
        options.hostname = settings.hostname
        options.plusSeparator = settings.addresses.detailSeparator
        options.requiresVerification = settings.addresses.verifyDomains
        options.passwordThreads = settings.auth.passwordThreads
        options.waitingLogins = settings.auth.maxWaiting
        options.loginMemory = settings.auth.remember
        options.domainToASCII = { InternationalDomain.toASCII($0) }
        return try MailDirectory.open(data.directory, hasher: try ScryptHashing(), options: options)
    }

    static func memory(
        in data: DataFolder, _ settings: ServerConfiguration, isReadOnly: Bool = false
    ) throws -> StageMemoryStore {
        var options = StageMemoryStore.Options()
        options.capacity = settings.memory.capacity
        options.writeInterval = settings.memory.writeEvery
        options.isReadOnly = isReadOnly
        return try StageMemoryStore.open(data.memory, options: options)
    }

    static func lessons(in data: DataFolder) throws -> LessonStore { try LessonStore.open(data.lessons) }

    /// Opened for a server, which damaged lessons don't stop; what is made of them is made anew while it serves.
    static func lessons(in data: DataFolder, _ logger: Logger) throws -> LessonStore {
        let store = try LessonStore.open(data.lessons, setsDamagedAside: true)
        if let damaged = store.setAside {
            logger.error(
                "damaged lessons set aside",
                metadata: ["file": "\(data.lessons)", "now": "\(damaged.file)", "reason": "\(damaged.reason)"])
        }
        Thread.detachNewThread { [weak store] in
            do {
                for scope in try store?.catchUp() ?? [] {
                    logger.notice("lessons gone through", metadata: ["scope": "\(scope.text)"])
                }
            } catch {
                logger.warning("lessons cannot be gone through", metadata: ["reason": "\(error)"])
            }
        }
        return store
    }

    static func traces(
        in data: DataFolder, _ settings: ServerConfiguration, report: @escaping @Sendable (String) -> Void
    ) throws -> TraceStore {
        var options = TraceStore.Options()
        options.report = report
        options.maximumAge = settings.trace.keepFor
        options.maximumSize = settings.trace.maxSize
        options.maximumMessage = settings.trace.maxMessage
        return try TraceStore.open(data.traces, options: options)
    }

    static func resolver(_ settings: ServerConfiguration) throws -> UnboundResolver {
        var options = UnboundResolver.Options()
        options.servers = settings.dns.servers.map { .init($0.address, port: $0.port) }
        options.trustAnchor = settings.dns.dnssec ? settings.dns.trustAnchor : nil
        return try UnboundResolver(options)
    }

    static func sandbox(
        _ settings: ServerConfiguration, _ resolver: UnboundResolver, _ observer: SandboxObserver = SandboxObserver()
    ) -> SandboxPool {
        SandboxPool(SandboxOptions(settings), observer: observer, known: resolver.known) {
            (question) async throws(StageFailure) in try await resolver.answer(question)
        }
    }

    static func scanners(
        _ settings: ServerConfiguration, _ observer: ScannerObserver = ScannerObserver(),
        clamd tell: @escaping ClamdClient.Observer = { _, _ in }
    ) -> ScanDesk {
        ScanDesk(
            pool: ScannerPool(ScannerOptions(settings), SandboxOptions(settings), observer: observer),
            clamd: ClamdClient(ClamdClient.Options(settings), observer: tell))
    }

    static func blocklists(
        of chain: Chain, _ resolver: UnboundResolver, _ observer: BlocklistObserver = BlocklistObserver()
    ) -> BlocklistDesk {
        let desk = BlocklistDesk(observer: observer, known: resolver.known) {
            (question) async throws(StageFailure) in try await resolver.answer(question)
        }
        desk.watch(chain.blocklists)
        return desk
    }

    static func suffixes(_ settings: ServerConfiguration) throws -> PublicSuffixes {
        try PublicSuffixes(file: settings.dns.publicSuffixes)
    }
}

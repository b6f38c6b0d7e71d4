import Directory
import Filters
import Logging
import Metrics
import NIOPosix
import Pipeline
import Synchronization

/// Looks from time to time whether every key in use can be used, so that an admin hears of it before users do.
final class KeyWatch: Sendable {
    /// Between two looks.
    private static let pause = Duration.seconds(60)

    private let keys: KeyFolder
    private let logger: Logger
    private let entries: @Sendable () throws -> [SigningEntry]
    private let policy: @Sendable () -> DKIMSign.Configuration?
    private let gauge: Meter
    private let found = Mutex<[SigningTrouble]>([])
    /// Keys that were sound, each as long as its file stays what it was. Held while somebody looks.
    private let sound = Mutex<[SelectorEntry: KeyFileStamp]>([:])

    /// - Parameter world: What the directory knows, which may block, and how the chain signs: `nil` where it does not.
    init(
        _ keys: KeyFolder, _ logger: Logger,
        world: (
            entries: @Sendable () throws -> [SigningEntry], policy: @Sendable () -> DKIMSign.Configuration?
        ),
        _ factory: any MetricsFactory = MetricsSystem.factory
    ) {
        self.keys = keys
        self.logger = logger
        (entries, policy) = world
        gauge = Meter(label: "sluice_dkim_unusable_keys", factory: factory)
        gauge.set(0)
    }

    /// What was found at the last look.
    var troubles: [SigningTrouble] { found.withLock { $0 } }

    /// Looks until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            await look()
            try? await Task.sleep(for: Self.pause)
        }
    }

    func look() async {
        // Where the directory does not answer, nothing new is known of keys.
        try? await NIOThreadPool.singleton.runIfActive { [self] in try lookNow() }
    }

    private func lookNow() throws {
        try sound.withLock { sound in
            let policy = policy()
            let entries = policy == nil ? [] : try entries()
            var stillSound: [SelectorEntry: KeyFileStamp] = [:]
            let now = entries.flatMap { entry in
                entry.troubles(policy ?? DKIMSign.Configuration()) { selector in
                    let stamp = try? keys.stamp(domain: selector.domain, selector: selector.name)
                    if stamp == nil || sound[selector] != stamp, let fault = keys.fault(of: selector) { return fault }
                    stillSound[selector] = stamp
                    return nil
                }
            }
            sound = stillSound
            tell(now)
        }
    }

    private func tell(_ now: [SigningTrouble]) {
        let before = found.withLock { found in
            defer { found = now }
            return found
        }
        gauge.set(now.count)
        for trouble in now where !before.contains(trouble) {
            logger.error("mail cannot be signed", metadata: trouble.metadata)
        }
        for trouble in before where !now.contains(where: { $0.isAbout(trouble) }) {
            logger.notice("mail can be signed again", metadata: trouble.metadata)
        }
    }
}

extension SigningTrouble {
    fileprivate func isAbout(_ other: SigningTrouble) -> Bool { domain == other.domain && selector == other.selector }

    fileprivate var metadata: Logger.Metadata {
        ["domain": "\(domain)", "selector": "\(selector ?? "-")", "reason": "\(reason)"]
    }
}

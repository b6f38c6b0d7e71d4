import Directory
import MailTypes
import Mailboxes
import NIOCore
import NIOPosix
import Pipeline
import Synchronization

/// Tells how full mailboxes are while a client waits: from memory, or after a look that may take only so long. What a
/// look finds too late is known to the next one who asks.
final class RoomDesk: Sendable {
    /// How long a client may wait for a look at a mailbox: some ten thousand messages.
    static let patience = TimeAmount.milliseconds(150)
    /// Mailboxes that are looked at, or wait for it; of others it is said that nobody knows.
    static let mostLooks = 256
    private static let threadCount = 2

    let store: MailStore
    let room: MailboxRoom
    private let directory: MailDirectory
    private let group: any EventLoopGroup
    private let threads = NIOThreadPool(numberOfThreads: threadCount)
    private let looked = Mutex<Set<String>>([])

    init(_ store: MailStore, _ directory: MailDirectory, _ group: any EventLoopGroup) {
        self.store = store
        room = MailboxRoom(store: store)
        self.directory = directory
        self.group = group
        threads.start()
    }

    func close() { threads.shutdownGracefully { _ in } }

    /// What is known without a look, or would not be known better after one; `nil`: ask ``fill(of:for:)``.
    func known(of mailbox: EmailAddress, for size: Int) -> MailboxFill? {
        guard let known = directory.knownQuota(of: mailbox) else { return nil }
        guard let quota = known else { return .unlimited }
        guard let known = room.known(of: mailbox, for: size, quota: quota), known.isFresh else { return nil }
        return .measured(octets: known.octets, quota: quota)
    }

    func fill(of mailbox: EmailAddress, for size: Int) async -> MailboxFill {
        if let known = known(of: mailbox, for: size) { return known }
        let isFirst = looked.withLock { $0.count < Self.mostLooks && $0.insert(mailbox.key).inserted }
        if isFirst { await look(at: mailbox) }
        // In memory by now, unless it was not looked at in time.
        guard let quota = directory.knownQuota(of: mailbox) ?? nil else { return .unlimited }
        guard let known = room.known(of: mailbox, for: size, quota: quota) else { return .unknown(quota: quota) }
        return known.isFresh
            ? .measured(octets: known.octets, quota: quota) : .outdated(octets: known.octets, quota: quota)
    }

    /// Returns when it has been looked at, or patience is at its end.
    private func look(at mailbox: EmailAddress) async {
        await withCheckedContinuation { continuation in
            let end = SharedEnd(continuation)
            let timer = group.next().scheduleTask(in: Self.patience) { end.reach() }
            threads.submit { [self] state in
                defer {
                    looked.withLock { _ = $0.remove(mailbox.key) }
                    timer.cancel()
                    end.reach()
                }
                guard state == .active, directory.quota(of: mailbox) != nil else { return }
                // What cannot be looked at now is not known; delivery will say why.
                try? room.look(at: mailbox)
            }
        }
    }
}

/// Somebody who waits, and goes on once.
private final class SharedEnd: Sendable {
    private let waiting: Mutex<CheckedContinuation<Void, Never>?>

    init(_ continuation: CheckedContinuation<Void, Never>) { waiting = Mutex(continuation) }

    func reach() {
        let continuation = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting
        }
        continuation?.resume()
    }
}

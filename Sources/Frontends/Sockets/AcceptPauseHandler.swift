import Logging
import Metrics
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Stops accepting for a moment where the system has nothing left that a connection needs. accept(2).
///
/// A connection that is not accepted stays in the socket's queue, and a socket with such a queue is readable: as long
/// as anybody waits for that, the loop turns without end. So nobody does until the moment is over.
final class AcceptPauseHandler: ChannelInboundHandler {
    typealias InboundIn = any Channel

    /// A connection that could not be accepted.
    struct Failure {
        var error: IOError
        /// None has failed for ``AcceptPauseHandler/quiet`` before.
        var beginsSpell: Bool
        /// Where it is accepted.
        var address: SocketAddress?
    }

    /// How long nothing is accepted.
    static let pause = TimeAmount.milliseconds(200)
    /// After so long without a failure the next one is told anew.
    static let quiet = TimeAmount.seconds(10)
    private static let shortages: Set = [EMFILE, ENFILE, ENOBUFS, ENOMEM]

    private let failed: (Failure) -> Void
    private var last: NIODeadline?
    private var resumption: Scheduled<Void>?

    init(failed: @escaping (Failure) -> Void) { self.failed = failed }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, Self.shortages.contains(error.errnoCode) else {
            return context.fireErrorCaught(error)
        }
        let now = context.eventLoop.now
        let isNew = last.map { now - $0 > Self.quiet } ?? true
        last = now
        failed(Failure(error: error, beginsSpell: isNew, address: context.localAddress))
        rest(context.channel)
    }

    func handlerRemoved(context: ChannelHandlerContext) { resumption?.cancel() }

    /// Holding back the next read() would not do: the one that has failed is still open.
    private func rest(_ channel: any Channel) {
        resumption?.cancel()
        do {
            try channel.syncOptions?.setOption(.autoRead, value: false)
            resumption = channel.eventLoop.scheduleTask(in: Self.pause) {
                channel.setOption(.autoRead, value: true).whenFailure { _ in }
            }
        } catch {
            // It is closed, and accepts nothing.
        }
    }
}

extension AcceptPauseHandler.Failure {
    /// Counts it, and tells the first of a spell to people.
    func note(_ counter: Counter, _ logger: Logger, listener: String) {
        counter.increment()
        guard beginsSpell else { return }
        logger.error(
            "connections cannot be accepted",
            metadata: [
                "listener": "\(listener)", "address": "\(address?.text ?? "")", "reason": "\(error.words)",
                "advice": "\(advice)",
            ])
    }

    private var advice: String {
        switch error.errnoCode {
        case EMFILE: "raise LimitNOFILE (ulimit -n), or lower max_connections"
        case ENFILE: "raise fs.file-max"
        default: "the system is short of memory"
        }
    }
}

extension Counter {
    /// Counts the connections that could not be accepted.
    static func acceptFailures(_ listener: String, _ factory: any MetricsFactory) -> Counter {
        Counter(label: "sluice_accept_failures_total", dimensions: [("listener", listener)], factory: factory)
    }
}

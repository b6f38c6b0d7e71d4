import MailTypes
import NIOCore

/// The times of one connection: until when something must happen, and how fast a message comes.
struct ConnectionClock {
    /// Octets read after our last word, before the connection is cut.
    static let mostDiscarded = 64 << 10
    /// How long a client may go on sending after our last word.
    static let lingering = TimeAmount.seconds(2)

    /// When the present wait is over; set when it begins, not by each octet.
    private(set) var deadline = NIODeadline.distantFuture
    /// Since when the client reads no replies.
    var unreadSince: NIODeadline?
    /// The server wants to stop: no new transaction.
    var isStopping = false
    var discarded = 0

    /// A message that is coming in.
    private struct Content {
        var began: NIODeadline
        var last: NIODeadline
        var octets = 0
    }
    private var content: Content?

    mutating func expect(within interval: Interval) { deadline = .now() + interval.timeAmount }

    mutating func progressed(within interval: Interval) { expect(within: interval) }

    mutating func linger(within interval: Interval) {
        deadline = .now() + min(interval.timeAmount, Self.lingering)
    }

    mutating func contentBegins() { content = Content(began: .now(), last: .now()) }
    mutating func contentEnds() { content = nil }

    mutating func received(_ octets: Int) {
        guard content != nil else { return }
        content?.octets += octets
        content?.last = .now()
    }

    /// The server's own disk has kept the client waiting: that time is not the client's.
    mutating func held(until now: NIODeadline) {
        content?.began = now
        content?.last = now
        content?.octets = 0
    }

    /// What has taken too long at `now`, in the words of the metrics.
    func lateness(at now: NIODeadline, _ options: ListenerOptions) -> String? {
        guard let content else { return now >= deadline ? "timeout" : nil }
        if now - content.last > options.dataTimeout.timeAmount { return "timeout" }
        let elapsed = now - content.began
        guard elapsed > options.rateGrace.timeAmount, options.minimumRate > 0 else { return nil }
        let rate = Double(content.octets) / (Double(elapsed.nanoseconds) / 1e9)
        return rate < Double(options.minimumRate) ? "slow" : nil
    }

    func isUnread(at now: NIODeadline, _ options: ListenerOptions) -> Bool {
        unreadSince.map { now - $0 > options.writeTimeout.timeAmount } ?? false
    }
}

extension Interval {
    /// Not more than a year, so that sums of deadlines cannot overflow.
    var timeAmount: TimeAmount { .nanoseconds(Int64(min(max(0, seconds), 31_536_000) * 1e9)) }
}

import Synchronization

/// Keeps one client from filling the log: of each kind of line, so many at once and then one per
/// second. How many were left out is told by the next line of that kind that is written.
public final class LogSampler: Sendable {
    /// Lines of one kind and source that are written without delay.
    public static let burst = 30.0
    /// Lines per second of one kind and source after that.
    public static let perSecond = 1.0
    /// Kinds and sources watched at once; when there are more, those at rest longest are forgotten.
    public static let mostSources = 4096

    struct Key: Hashable {
        var message: String
        var source: String
    }

    private struct Bucket {
        var tokens = LogSampler.burst
        var last: Double
        var suppressed = 0
    }

    private let buckets = Mutex(BoundedTable<Key, Bucket>(capacity: mostSources))

    public init() {}

    enum Answer: Equatable {
        case write(suppressed: Int)
        case suppress
    }

    /// Whether a line may be written at `now`, in seconds of any steady clock.
    func ask(_ key: Key, at now: Double) -> Answer {
        buckets.withLock { buckets in
            var bucket = buckets[key] ?? Bucket(last: now)
            bucket.tokens = min(Self.burst, bucket.tokens + max(0, now - bucket.last) * Self.perSecond)
            bucket.last = now
            defer { buckets[key] = bucket }
            guard bucket.tokens >= 1 else {
                bucket.suppressed += 1
                return .suppress
            }
            let suppressed = bucket.suppressed
            bucket.tokens -= 1
            bucket.suppressed = 0
            return .write(suppressed: suppressed)
        }
    }
}

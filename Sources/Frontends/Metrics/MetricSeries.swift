import Metrics
import Synchronization

/// One line, or one histogram, of the exposition.
protocol Series: AnyObject, Sendable {
    /// The type in the words of Prometheus.
    var kind: String { get }
    var current: Double { get }
    func expose(_ key: MetricsRegistry.Key, into text: inout String)
}

extension Series {
    func expose(_ key: MetricsRegistry.Key, into text: inout String) {
        text += "\(sample(key.name, key.labels)) \(number(current))\n"
    }

    func sample(_ name: String, _ labels: String) -> String { labels.isEmpty ? name : "\(name){\(labels)}" }

    func number(_ value: Double) -> String {
        if let whole = Int64(exactly: value) { return "\(whole)" }
        return value.isNaN ? "NaN" : value == .infinity ? "+Inf" : value == -.infinity ? "-Inf" : "\(value)"
    }
}

final class CounterSeries: Series, CounterHandler {
    private let count = Atomic<Int64>(0)
    var kind: String { "counter" }
    var current: Double { Double(count.load(ordering: .relaxed)) }
    func increment(by amount: Int64) { count.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { count.store(0, ordering: .relaxed) }
}

final class SumSeries: Series, FloatingPointCounterHandler {
    private let sum = Mutex(0.0)
    var kind: String { "counter" }
    var current: Double { sum.withLock { $0 } }
    func increment(by amount: Double) { sum.withLock { $0 += amount } }
    func reset() { sum.withLock { $0 = 0 } }
}

final class GaugeSeries: Series, MeterHandler, RecorderHandler {
    private let value = Mutex(0.0)
    var kind: String { "gauge" }
    var current: Double { value.withLock { $0 } }
    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }
}

/// Counts of values up to each bound.
final class HistogramSeries: Series, RecorderHandler, TimerHandler {
    /// For timers.
    static let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
    /// For sizes in octets and for counts.
    static let sizes = [1.0, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000]

    private struct State {
        var counts: [Int]
        var count = 0
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count)))
    }

    var kind: String { "histogram" }
    var current: Double { state.withLock { Double($0.count) } }

    func record(_ value: Int64) { record(Double(value)) }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func record(_ value: Double) {
        let place = bounds.firstIndex { value <= $0 }
        state.withLock { state in
            if let place { state.counts[place] += 1 }
            state.count += 1
            state.sum += value
        }
    }

    func expose(_ key: MetricsRegistry.Key, into text: inout String) {
        let (counts, count, sum) = state.withLock { ($0.counts, $0.count, $0.sum) }
        let prefix = key.labels.isEmpty ? "" : key.labels + ","
        var running = 0
        for (bound, inside) in zip(bounds, counts) {
            running += inside
            text += "\(key.name)_bucket{\(prefix)le=\"\(number(bound))\"} \(running)\n"
        }
        text += "\(key.name)_bucket{\(prefix)le=\"+Inf\"} \(count)\n"
        text += "\(sample(key.name + "_sum", key.labels)) \(number(sum))\n"
        text += "\(sample(key.name + "_count", key.labels)) \(count)\n"
    }
}

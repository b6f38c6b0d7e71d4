public import Metrics
import Synchronization

/// Keeps the numbers of this process and tells them to Prometheus.
///
/// Labels of swift-metrics become names of the text format: other characters than letters, digits
/// and `_` turn into `_`; counters end in `_total`, timers in `_seconds`.
public final class MetricsRegistry: MetricsFactory {
    /// Series that are kept; what comes later counts nowhere, so that no stranger's text in a
    /// dimension can fill the memory.
    public static let mostSeries = 4000

    struct Key: Hashable {
        var name: String
        /// `name="value",…`, escaped, in the order of the names.
        var labels: String
    }

    private let series = Mutex<[Key: any Series]>([:])

    public init() {}

    /// All series in the text format of Prometheus, version 0.0.4.
    public func exposition() -> String {
        let all = series.withLock { $0 }.sorted { ($0.key.name, $0.key.labels) < ($1.key.name, $1.key.labels) }
        var text = ""
        var last: String?
        for (key, series) in all {
            if key.name != last { text += "# TYPE \(key.name) \(series.kind)\n" }
            last = key.name
            series.expose(key, into: &text)
        }
        return text
    }

    /// The number of a counter or gauge now, for tests and `status`.
    public func value(_ name: String, _ dimensions: [(String, String)] = []) -> Double? {
        series.withLock { $0[Key(name: name, labels: Self.labels(dimensions))] }?.current
    }

    private func find<S: Series>(_ name: String, _ dimensions: [(String, String)], _ make: () -> S) -> S {
        let key = Key(name: name, labels: Self.labels(dimensions))
        return series.withLock { series in
            if let known = series[key] as? S { return known }
            let new = make()
            if series[key] == nil, series.count < Self.mostSeries { series[key] = new }
            return new
        }
    }

    private static func name(_ label: String, ending: String = "") -> String {
        var octets = label.utf8.map { $0.isMetricName ? $0 : UInt8(ascii: "_") }
        if octets.first.map({ $0 &- 0x30 < 10 }) ?? true { octets.insert(UInt8(ascii: "_"), at: 0) }
        let name = String(decoding: octets, as: UTF8.self)
        return name.hasSuffix(ending) ? name : name + ending
    }

    private static func labels(_ dimensions: [(String, String)]) -> String {
        dimensions.sorted { $0.0 < $1.0 }.map { key, value in
            let escaped = value.unicodeScalars.map { scalar in
                switch scalar {
                case "\\": "\\\\"
                case "\"": "\\\""
                case "\n": "\\n"
                default: String(scalar)
                }
            }
            return "\(name(key))=\"\(escaped.joined())\""
        }.joined(separator: ",")
    }
}

extension MetricsRegistry {
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        find(Self.name(label, ending: "_total"), dimensions) { CounterSeries() }
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        find(Self.name(label, ending: "_total"), dimensions) { SumSeries() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        find(Self.name(label), dimensions) { GaugeSeries() }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return find(Self.name(label), dimensions) { GaugeSeries() } }
        return find(Self.name(label), dimensions) { HistogramSeries(bounds: HistogramSeries.sizes) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        find(Self.name(label, ending: "_seconds"), dimensions) { HistogramSeries(bounds: HistogramSeries.seconds) }
    }

    // A series stays when its handle goes: a counter that vanished would look like a restart.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}
}

extension UInt8 {
    fileprivate var isMetricName: Bool { self &- 0x30 < 10 || (self | 0x20) &- 0x61 < 26 || self == UInt8(ascii: "_") }
}

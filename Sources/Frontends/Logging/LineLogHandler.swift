public import Logging

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A log of lines: each record is one line of logfmt or JSON, whatever strangers put into its values.
///
///     time=2026-03-01T12:00:00.125Z level=info msg=connected logger=smtp client=192.0.2.7 id=…
public struct LineLogHandler: LogHandler {
    public enum Format: String, Sendable {
        case logfmt, json
    }

    /// Metadata keys of one record; more are left out.
    public static let mostKeys = 40
    /// The metadata keys that say who caused a line; lines are sampled per value of the first that is there.
    public static let sourceKeys = ["stage", "client"]

    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    public var logLevel: Logger.Level = .info

    private let label: String
    private let format: Format
    private let sink: any LogSink
    private let sampler: LogSampler?

    /// - Parameter sampler: Shared by all loggers; `nil` writes every line.
    public init(
        label: String, format: Format = .logfmt, sink: any LogSink = DescriptorLogSink.standardError,
        sampler: LogSampler? = nil
    ) {
        self.label = label
        self.format = format
        self.sink = sink
        self.sampler = sampler
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get(), !provided.isEmpty { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        if let error = event.error { all["error"] = "\(error)" }
        let now = LogTime.now()
        let message = event.message.description
        // Errors are rare and never left out.
        if let sampler, let source = Self.sourceKeys.lazy.compactMap({ all[$0] }).first, event.level < .error {
            switch sampler.ask(.init(message: message, source: source.description), at: now.steady) {
            case .suppress: return
            case .write(suppressed: 0): break
            case .write(let count): all["suppressed"] = "\(count)"
            }
        }
        var line: [UInt8] = []
        line.reserveCapacity(256)
        var fields = [("time", now.description), ("level", event.level.rawValue), ("msg", message), ("logger", label)]
        for (key, value) in all.sorted(by: { $0.key < $1.key }).prefix(Self.mostKeys) {
            fields.append((key, value.description))
        }
        append(fields, to: &line)
        sink.write(line)
    }

    private func append(_ fields: [(String, String)], to line: inout [UInt8]) {
        if format == .json { line.append(UInt8(ascii: "{")) }
        for (place, (key, value)) in fields.enumerated() {
            switch format {
            case .logfmt:
                if place > 0 { line.append(UInt8(ascii: " ")) }
                LogText.appendKey(key, to: &line)
                line.append(UInt8(ascii: "="))
                LogText.appendLogfmt(value, to: &line)
            case .json:
                if place > 0 { line.append(UInt8(ascii: ",")) }
                line.append(UInt8(ascii: "\""))
                LogText.appendKey(key, to: &line)
                line += "\":".utf8
                LogText.appendQuoted(value, to: &line)
            }
        }
        if format == .json { line.append(UInt8(ascii: "}")) }
        line.append(UInt8(ascii: "\n"))
    }
}

/// The moment of a log line: by the calendar for people, and steady for sampling.
struct LogTime: CustomStringConvertible {
    let seconds: Int
    let milliseconds: Int
    let steady: Double

    static func now() -> LogTime {
        var wall = timespec()
        var steady = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        clock_gettime(CLOCK_MONOTONIC, &steady)
        return LogTime(
            seconds: wall.tv_sec, milliseconds: wall.tv_nsec / 1_000_000,
            steady: Double(steady.tv_sec) + Double(steady.tv_nsec) / 1e9)
    }

    /// `2026-03-01T12:00:00.125Z`. RFC 3339 §5.6.
    var description: String {
        var time = seconds
        var parts = tm()
        gmtime_r(&time, &parts)
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let fraction =
            milliseconds < 10 ? "00\(milliseconds)" : milliseconds < 100 ? "0\(milliseconds)" : "\(milliseconds)"
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)Z"
    }
}

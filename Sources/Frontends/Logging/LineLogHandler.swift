public import Logging
import MailTypes

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
        // What the event has comes before what is provided, and that before what the logger has. Nearly always there
        // is only the first, and nothing is copied.
        var all = event.metadata ?? [:]
        if let provided = metadataProvider?.get(), !provided.isEmpty { all.merge(provided) { own, _ in own } }
        if !metadata.isEmpty { all.merge(metadata) { own, _ in own } }
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
        line.reserveCapacity(512)
        append("time", now.description, to: &line)
        append("level", event.level.rawValue, to: &line)
        append("msg", message, to: &line)
        append("logger", label, to: &line)
        for (key, value) in all.sorted(by: { $0.key < $1.key }).prefix(Self.mostKeys) {
            append(key, value.description, to: &line)
        }
        if format == .json { line.append(UInt8(ascii: "}")) }
        line.append(UInt8(ascii: "\n"))
        sink.write(line)
    }

    private func append(_ key: String, _ value: String, to line: inout [UInt8]) {
        let isFirst = line.isEmpty
        switch format {
        case .logfmt:
            if !isFirst { line.append(UInt8(ascii: " ")) }
            LogText.appendKey(key, to: &line)
            line.append(UInt8(ascii: "="))
            LogText.appendLogfmt(value, to: &line)
        case .json:
            line.append(isFirst ? UInt8(ascii: "{") : UInt8(ascii: ","))
            line.append(UInt8(ascii: "\""))
            LogText.appendKey(key, to: &line)
            line += "\":".utf8
            LogText.appendQuoted(value, to: &line)
        }
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
        return .ascii(atMost: 32) { text in
            text.put(Int(parts.tm_year) + 1900, width: 4)
            text.put("-")
            text.put(Int(parts.tm_mon) + 1, width: 2)
            text.put("-")
            text.put(Int(parts.tm_mday), width: 2)
            text.put("T")
            text.put(Int(parts.tm_hour), width: 2)
            text.put(":")
            text.put(Int(parts.tm_min), width: 2)
            text.put(":")
            text.put(Int(parts.tm_sec), width: 2)
            text.put(".")
            text.put(milliseconds, width: 3)
            text.put("Z")
        }
    }
}

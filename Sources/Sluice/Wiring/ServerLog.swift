import Configuration
import Frontends
import Logging

extension Logger {
    /// The server's own, as its configuration wants it; made once.
    init(_ settings: ServerConfiguration) {
        let sampler = LogSampler()
        let format = LineLogHandler.Format(rawValue: settings.log.format.rawValue) ?? .logfmt
        LoggingSystem.bootstrap { LineLogHandler(label: $0, format: format, sampler: sampler) }
        self.init(label: "sluice")
        logLevel = Logger.Level(rawValue: settings.log.level.rawValue) ?? .info
    }
}

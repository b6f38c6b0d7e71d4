import Foundation
import Frontends
import Logging
import MailTypes
import Synchronization
import Testing

@testable import Pipeline
@testable import Sluice

/// What the log says of stages that could not decide.
@Suite struct FailureLogTests {
    private final class Lines: LogSink {
        private let text = Mutex("")
        func write(_ line: [UInt8]) { text.withLock { $0 += String(decoding: line, as: UTF8.self) } }
        var all: [Substring] { text.withLock { $0 }.split(separator: "\n") }
    }

    private static func step(_ stage: StageName, _ reason: String?, then: FailurePolicy? = nil) -> TraceStep {
        var step = TraceStep(phase: .message, stage: stage, file: "50-\(stage).toml")
        step.failure = reason.map { StageFailure($0) }
        step.onFailure = then
        return step
    }

    private static func told(_ steps: [TraceStep]) -> [Substring] {
        let lines = Lines()
        let id = TransactionID(milliseconds: 1_795_230_000_000, random: 7)
        let session = Session(language: .smtp, listener: "smtp", client: "192.0.2.7")
        var trace = Trace(id: id, started: Date(timeIntervalSince1970: 0), session: session)
        trace.steps = steps
        trace.tellFailures(to: Logger(label: "test") { LineLogHandler(label: $0, sink: lines) })
        #expect(lines.all.allSatisfy { $0.contains("level=warning") && $0.contains("id=\(id) ") })
        return lines.all
    }

    @Test func `each failure is told with stage, reason and what came of it`() throws {
        let lines = Self.told([
            Self.step("spf", nil), Self.step("dkim-verify", "the worker died", then: .tempfail),
            Self.step("dmarc", "no answer", then: .continue), Self.step("arc", "no answer"),
        ])
        let ends = lines.compactMap { line in line.range(of: "phase=").map { line[$0.lowerBound...] } }
        #expect(
            ends == [
                "phase=message reason=\"the worker died\" stage=dkim-verify then=tempfail",
                "phase=message reason=\"no answer\" stage=dmarc then=continue",
                "phase=message reason=\"no answer\" stage=arc then=shadow",
            ])
        #expect(lines.allSatisfy { $0.contains("msg=\"stage could not decide\"") && $0.contains("client=192.0.2.7") })
    }

    @Test func `what fails for each of many recipients is told once`() {
        let failed = Self.step("greylist", "the store is full", then: .continue)
        #expect(Self.told(Array(repeating: failed, count: 50)).count == 1)
    }
}

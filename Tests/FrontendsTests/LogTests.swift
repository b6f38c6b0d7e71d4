import Foundation
import Logging
import Testing

@testable import Frontends

@Suite struct LogTests {
    private func line(
        _ format: LineLogHandler.Format, _ metadata: Logger.Metadata, _ message: Logger.Message = "said"
    ) -> String {
        let log = MemoryLog()
        let logger = Logger(label: "test") { LineLogHandler(label: $0, format: format, sink: log) }
        logger.info(message, metadata: metadata)
        return log.lines.map(String.init).joined(separator: "\n")
    }

    @Test func `a record is one line of logfmt`() {
        let text = line(.logfmt, ["client": "192.0.2.7", "hello": "a b"])
        #expect(
            text.wholeMatch(
                of: /time=\d{4}-\d\d-\d\dT[\d:.]+Z level=info msg=said logger=test client=192.0.2.7 hello="a b"/) != nil
        )
    }

    @Test func `a record is one object of JSON`() throws {
        let text = line(.json, ["client": "192.0.2.7", "hello": "\"},{\"level\":\"error"])
        let object = try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
        #expect(object["hello"] == "\"},{\"level\":\"error")
        #expect(object["level"] == "info")
        #expect(object["msg"] == "said")
    }

    static let hostile = [
        "a\r\ntime=2026 level=error msg=forged", "\u{1B}[2J\u{1B}[31mred", "\u{202E}gpj.exe", "\u{2066}x\u{2069}",
        "a\u{2028}b\u{2029}c\u{85}d", "\0", "\u{7F}\u{9B}31m", "level=error", "\"quoted\\\"", "\u{E0041}tag",
        "zero\u{200B}width",
    ]

    @Test(arguments: hostile)
    func `what strangers say stays inside its value`(_ text: String) throws {
        for format in [LineLogHandler.Format.logfmt, .json] {
            let written = line(format, ["hello": "\(text)"])
            for scalar in written.unicodeScalars {
                #expect(scalar.value >= 0x20 && scalar.value != 0x7F && !(0x80..<0xA0).contains(scalar.value))
                #expect(!(0x2028...0x202E).contains(scalar.value) && !(0x2066...0x2069).contains(scalar.value))
            }
            if format == .json {
                let object = try JSONDecoder().decode([String: String].self, from: Data(written.utf8))
                #expect(object["hello"] == text)
            }
        }
    }

    @Test func `long values and many keys are cut`() {
        let long = line(.logfmt, ["hello": "\(String(repeating: "ä", count: 100_000))"])
        #expect(long.utf8.count < 800)
        #expect(long.hasSuffix("…\""))
        var many: Logger.Metadata = [:]
        for number in 0..<1000 { many["k\(number)"] = "v" }
        #expect(line(.logfmt, many).utf8.count < 2000)
    }

    @Test func `a client that fills the log is sampled, and what is left out is told`() {
        let sampler = LogSampler()
        let key = LogSampler.Key(message: "said", source: "192.0.2.7")
        let answers = (0..<1000).map { _ in sampler.ask(key, at: 0) }
        #expect(answers.count { $0 != .suppress } == Int(LogSampler.burst))
        #expect(sampler.ask(.init(message: "said", source: "192.0.2.8"), at: 0) == .write(suppressed: 0))
        #expect(sampler.ask(key, at: 1) == .write(suppressed: 1000 - Int(LogSampler.burst)))
        #expect(sampler.ask(key, at: 1) == .suppress)
    }

    @Test func `lines about a stage are sampled by stage, whoever the clients are`() {
        let log = MemoryLog()
        let sampler = LogSampler()
        let logger = Logger(label: "test") { LineLogHandler(label: $0, sink: log, sampler: sampler) }
        for number in 0..<200 {
            logger.warning("down", metadata: ["client": "client \(number)", "stage": "spf"])
        }
        logger.warning("down", metadata: ["client": "client 0", "stage": "arc"])
        let told = log.lines.count { $0.contains("stage=spf") }
        #expect(told >= Int(LogSampler.burst) && told < 100)
        #expect(log.lines.count { $0.contains("stage=arc") } == 1)
    }

    @Test func `errors are never left out`() {
        let log = MemoryLog()
        let sampler = LogSampler()
        let logger = Logger(label: "test") { LineLogHandler(label: $0, sink: log, sampler: sampler) }
        for _ in 0..<100 {
            logger.error("broken", metadata: ["client": "192.0.2.7"])
            logger.info("said", metadata: ["client": "192.0.2.7"])
        }
        #expect(log.lines.count { $0.contains("broken") } == 100)
        #expect(log.lines.count { $0.contains("said") } < 100)
    }

    @Test func `lines reach a descriptor whole and in order`() throws {
        let pipe = Pipe()
        let sink = DescriptorLogSink(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        for number in 0..<500 { sink.write(Array("line \(number)\n".utf8)) }
        sink.flush()
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(text == (0..<500).map { "line \($0)\n" }.joined())
    }
}

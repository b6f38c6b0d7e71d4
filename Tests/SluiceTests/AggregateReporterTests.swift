import Configuration
import Directory
import Filters
import Foundation
import Logging
import MailTypes
import Queue
import SluiceTesting
import Synchronization
import Testing

@testable import Pipeline
@testable import Sluice

/// Aggregate reports, day by day, on a clock that is moved by hand, with a real queue and a real ledger.
@Suite struct AggregateReporterTests {
    /// A midnight.
    static let day = Date(timeIntervalSince1970: 1_795_219_200)

    /// A server's parts, as far as reports need them.
    final class World: Sendable {
        let folder: TemporaryFolder
        private let clock = Mutex(day + 3600)
        var now: Date {
            get { clock.withLock { $0 } }
            set { clock.withLock { $0 = newValue } }
        }
        let services: MemoryServices
        let queue: MailQueue
        let ledger: ReportLedger
        let traces = Mutex<[TraceRecord]>([])
        let kept = Mutex<[Trace]>([])
        let lines = LogLines()
        let chain: Chain
        let change: @Sendable (inout ReportOptions) -> Void

        init(
            _ folder: TemporaryFolder? = nil, services: MemoryServices = MemoryServices(),
            _ change: @escaping @Sendable (inout ReportOptions) -> Void = { _ in }
        ) throws {
            let folder = try folder ?? TemporaryFolder()
            self.folder = folder
            self.services = services
            self.change = change
            queue = try MailQueue.open(
                folder.path + "/queue", files: LinuxFileSystem(), options: QueueOptions(), now: Date()
            ).0
            ledger = try ReportLedger(folder.path + "/reports.sqlite")
            let relay = StageVariant(Relay(Relay.Configuration()))
            chain = Chain([Link(number: 22, file: "22-relay.toml", base: relay)])
        }

        private var judging: HouseJudging {
            HouseJudging(hostname: "mx.here.example", chain: { [chain] in chain }, source: services)
        }

        private var options: ReportOptions {
            var options = ReportOptions(
                hostname: "mx.here.example", organization: "Here", from: "dmarc@here.example")
            options.sends = true
            options.hour = 2
            options.pause = "1ms"
            change(&options)
            return options
        }

        /// What a round by hand would do now.
        func rehearsed() async throws -> [ReportLine] {
            let period = try ReportDesk.lastDay(at: now)
            var rehearsal = ReportRehearsal(
                ReportDesk(options: options, period: period), judging, ledger: try ledger.entries())
            let reports = try await DMARCReports.gathered(from: period.begin, to: period.end) { records($0) }
            var lines: [ReportLine] = []
            for report in reports.sorted { lines.append(try await rehearsal.line(report, at: now)) }
            return lines
        }

        var reporter: DailyReporter {
            let house = HouseMail(
                judging: judging, queue: queue, traced: { [self] trace, _ in kept.withLock { $0.append(trace) } })
            var logger = Logger(label: "reports") { [lines] _ in LineKeeper(lines: lines) }
            logger.logLevel = .debug
            let reports = AggregateReports(
                options: options, post: ReportPost(ledger: ledger, mail: house, now: { [self] in now }),
                records: { [self] in records($0) }, logger: logger)
            return reports.reporter
        }

        private func records(_ query: TraceQuery) -> [TraceRecord] {
            let all = traces.withLock { $0 }.filter { record in
                query.since.map { record.started >= $0 } ?? true && query.until.map { record.started <= $0 } ?? true
            }
            return Array(all.sorted { $0.started > $1.started }.prefix(query.limit))
        }

        /// A message that says it is from that domain, and was judged then.
        func receive(_ domain: String, rua: String, at moment: Date, number: UInt32 = 1) async throws {
            let record = DNSRecord.text(Array("v=DMARC1; p=none; rua=\(rua)".utf8))
            services.set("_dmarc.\(domain)", .txt, .records([record], isSecure: false))
            let id = TransactionID(milliseconds: UInt64(moment.timeIntervalSince1970 * 1000), random: number)
            var transaction = Transaction(
                id: id, hostname: "mx.here.example", session: .sample(), services: Services(services))
            transaction.envelope = Envelope(sender: "alice@out.example")
            transaction.recipients = [.local("bob@here.example")]
            var step = TraceStep(phase: .message, stage: DMARC.name, file: "36-dmarc.toml")
            step.finding = try await DMARC(DMARC.Configuration())
                .message(.sample(["From": "a@\(domain)"]), in: transaction)
            var trace = Trace(id: id, started: moment, session: transaction.session)
            trace.envelope = transaction.envelope
            trace.facts = transaction.services.facts
            step.facts = 0..<trace.facts.count
            trace.steps = [step]
            let stored = try TraceRecord(trace, finished: moment)
            traces.withLock { $0.append(stored) }
        }

        /// What lies in the queue, by recipient: its reason to be held, or an empty text.
        var queued: [String: String] {
            var queued: [String: String] = [:]
            for one in queue.list() {
                for recipient in one.recipients {
                    queued[recipient.recipient.address.description] = one.holdReason ?? ""
                }
            }
            return queued
        }

        func close() {
            queue.close()
            ledger.close()
        }
    }

    /// Log lines as `level message reason`.
    final class LogLines: Sendable {
        let all = Mutex<[String]>([])
    }

    struct LineKeeper: LogHandler {
        let lines: LogLines
        var logLevel = Logger.Level.debug
        var metadata: Logger.Metadata = [:]

        init(lines: LogLines) { self.lines = lines }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let line = "\(event.level) \(event.message) \(event.metadata?["reason"].map { "\($0)" } ?? "")"
            lines.all.withLock { $0.append(line) }
        }
    }

    @Test func `each day's reports are queued once, and not held`() async throws {
        let world = try World()
        try world.ledger.cover(until: Self.day)
        try await world.receive("own.example", rua: "mailto:a@own.example,mailto:b@own.example", at: Self.day + 60)
        try await world.receive("own.example", rua: "mailto:a@own.example,mailto:b@own.example", at: Self.day + 90)
        // The moment of midnight is the next day's.
        try await world.receive("late.example", rua: "mailto:a@late.example", at: Self.day + 86_400)
        try await world.receive("silent.example", rua: "https://silent.example", at: Self.day + 61)
        world.now = Self.day + 86_400 + 7200
        let reporter = world.reporter
        try await reporter.step()
        #expect(world.queued == ["a@own.example": "", "b@own.example": ""])
        #expect(try world.ledger.covered() == Self.day + 86_400)
        #expect(try await reporter.send(nil).flatMap(\.to) == [], "they were sent")
        #expect(
            try await reporter.send(nil).first?.notTo.map(\.reason) == ["it was sent already", "it was sent already"])
        world.now = Self.day + 2 * 86_400 + 7200
        try await reporter.step()
        #expect(world.queued.keys.sorted() == ["a@late.example", "a@own.example", "b@own.example"])
        #expect(world.queue.list().allSatisfy { $0.sender == nil })
        #expect(world.kept.withLock { $0 }.map(\.outcome) == [.accepted, .accepted, .accepted])
        let id = try #require(world.queue.list().first?.id)
        try await Self.check(try world.queue.read(id).content.array, messages: 2, domain: "own.example")
        world.close()
    }

    /// Python's own libraries read mail, compression and XML; the schema is xmllint's to judge.
    static func check(_ mail: [UInt8], messages: Int, domain: String) async throws {
        let script = """
            import email, gzip, sys, xml.etree.ElementTree as tree
            mail = email.message_from_bytes(sys.stdin.buffer.read())
            part = [p for p in mail.walk() if p.get_content_type() == 'application/gzip'][0]
            assert part.get_filename().endswith('.xml.gz') and part.get_filename().count('!') == 4, part.get_filename()
            text = gzip.decompress(part.get_payload(decode=True))
            report = tree.fromstring(text)
            assert report.findtext('policy_published/domain') == sys.argv[1]
            assert sum(int(row.text) for row in report.iterfind('record/row/count')) == int(sys.argv[2])
            assert mail['Subject'].replace('\\n', '').replace('\\r', '').startswith('Report Domain: ' + sys.argv[1])
            sys.stdout.buffer.write(text)
            """
        let read = try await Programs.run("python3", ["-c", script, domain, "\(messages)"], input: mail)
        #expect(read.code == 0, "\(read)")
        try await ReportSchemaTests.check(read.output)
    }

    @Test func `the first day is the one on which it begins`() async throws {
        let world = try World()
        try await world.receive("own.example", rua: "mailto:a@own.example", at: Self.day - 60)
        try await world.reporter.step()
        #expect(try world.ledger.covered() == Self.day)
        #expect(world.queued.isEmpty)
        world.close()
    }

    /// What a kill leaves between two steps, and what the next start makes of it.
    @Test func `a kill between any two steps sends nothing twice and leaves nothing out`() async throws {
        let folder = try TemporaryFolder()
        let services = MemoryServices()
        var world = try World(folder, services: services)
        try world.ledger.cover(until: Self.day)
        try await world.receive("own.example", rua: "mailto:a@own.example", at: Self.day + 60)
        let traces = world.traces.withLock { $0 }
        func restart() throws {
            world.close()
            world = try World(folder, services: services)
            world.traces.withLock { $0 = traces }
            world.now = Self.day + 86_400 + 7200
        }
        let entry = ReportEntry(
            domain: "own.example", address: "a@own.example", end: Self.day + 86_400,
            id: TransactionID(milliseconds: 1_795_300_000_000, random: 5), state: .begun)
        // Killed before it was in the queue: it is made again, under its name.
        try world.ledger.write(entry)
        try restart()
        try await world.reporter.recover()
        #expect(world.queued.isEmpty)
        try await world.reporter.step()
        #expect(world.queue.list().map(\.id) == [QueueID(entry.id)])
        #expect(world.queued == ["a@own.example": ""])
        // Killed when it was in the queue, and the ledger did not know: it is let go.
        for state in [ReportEntry.State.begun, .queued] {
            try await world.queue.hold(QueueID(entry.id), reason: HouseMail.heldFor)
            try world.ledger.cover(until: Self.day)
            var known = entry
            known.state = state
            try world.ledger.write(known)
            try restart()
            #expect(world.queued == ["a@own.example": HouseMail.heldFor])
            try await world.reporter.recover()
            #expect(world.queued == ["a@own.example": ""])
            try await world.reporter.step()
            #expect(world.queue.list().map(\.id) == [QueueID(entry.id)])
        }
        // Killed after it had left.
        try await world.queue.remove(QueueID(entry.id))
        try world.ledger.cover(until: Self.day)
        try restart()
        try await world.reporter.recover()
        try await world.reporter.step()
        #expect(world.queued.isEmpty)
        #expect(try world.ledger.covered() == Self.day + 86_400)
        // What is held for another reason stays so.
        world.close()
    }

    @Test func `what DNS could not say is asked again, and then it is enough`() async throws {
        let world = try World { $0.tries = 3 }
        try world.ledger.cover(until: Self.day)
        try await world.receive("own.example", rua: "mailto:a@takes.example", at: Self.day + 60)
        try await world.receive("other.example", rua: "mailto:a@other.example", at: Self.day + 60, number: 2)
        let name = "own.example._report._dmarc.takes.example"
        world.services.set(name, .txt, .records([.text(Array("v=DMARC1".utf8))], isSecure: false))
        world.services.fail(with: StageFailure("silence"))
        world.now = Self.day + 86_400 + 7200
        let asked = world.services.asked.count
        try await world.reporter.step()
        #expect(world.queued.isEmpty)
        #expect(world.services.asked.dropFirst(asked).count { $0 == .publicSuffix("own.example") } == 3)
        #expect(try world.ledger.covered() == Self.day + 86_400, "the day is done with")
        world.services.fail(with: nil)
        #expect(try await world.reporter.send("own.example").flatMap(\.to) == ["a@takes.example"])
        #expect(world.queued == ["a@takes.example": ""])
        world.close()
    }

    @Test func `limits hold: of a mail, of the address, of the day`() async throws {
        let world = try World { $0.maxReports = 2 }
        for number in 0..<4 as Range<UInt32> {
            let domain = "d\(number).example"
            let count = number == 2 ? 2 : 1
            for more in 0..<count {
                try await world.receive(
                    domain, rua: "mailto:a@\(domain)!\(number == 0 ? "1k" : "1m")", at: Self.day + Double(more),
                    number: number * 10 + UInt32(more))
            }
        }
        world.now = Self.day + 86_400 + 7200
        let rehearsed = try await world.rehearsed()
        #expect(world.queued.isEmpty && world.kept.withLock { $0 }.isEmpty, "nothing is done")
        #expect(try world.ledger.entries().isEmpty)
        let lines = try await world.reporter.send(nil)
        #expect(rehearsed == lines, "what would be done, is")
        #expect(try await world.rehearsed() == world.reporter.send(nil), "and again")
        #expect(lines.map(\.domain) == ["d2.example", "d0.example", "d1.example", "d3.example"])
        #expect(lines.map(\.to.count) == [1, 0, 1, 0])
        #expect(lines[1].notTo.first?.reason.hasSuffix("octets are more than it takes") == true)
        #expect(lines[3].notTo.first?.reason.contains("max_reports") == true)
        world.close()
        let small = try World { $0.maxSize = 100 }
        try await small.receive("own.example", rua: "mailto:a@own.example", at: Self.day)
        small.now = Self.day + 86_400 + 900
        #expect(try await small.rehearsed().first?.notTo.first?.reason.hasSuffix("over `max_size`") == true)
        let line = try #require(try await small.reporter.send("own.example").first)
        #expect(line.to.isEmpty && line.notTo.first?.reason.hasSuffix("octets are over `max_size`") == true)
        #expect(line.text.contains("  not to  a@own.example: "))
        small.close()
    }

    @Test func `what the chain refuses is not tried again`() async throws {
        let services = MemoryServices()
        let world = try World(services: services)
        // Relay refuses to route onwards.
        try await world.receive("own.example", rua: "mailto:a%25far@own.example", at: Self.day)
        world.now = Self.day + 86_400 + 7200
        try world.ledger.cover(until: Self.day)
        let rehearsed = try #require(try await world.rehearsed().first?.notTo.first)
        #expect(rehearsed.reason.hasPrefix("5") && !rehearsed.isOld, "the chain is asked: \(rehearsed.reason)")
        try await world.reporter.step()
        #expect(world.queued.isEmpty)
        #expect(try world.ledger.entries().map(\.state) == [.refused])
        #expect(try await world.rehearsed() == world.reporter.send(nil))
        #expect(try world.ledger.covered() == Self.day + 86_400)
        world.close()
    }

    @Test func `a domain is asked for as its people write it, too`() {
        #expect(DMARCCommand.Report.name("Bücher.test") == "xn--bcher-kva.test")
        #expect(DMARCCommand.Report.name("Own.Example") == "own.example")
    }

    @Test func `what was sent before a restart is no news`() async throws {
        let world = try World()
        try world.ledger.cover(until: Self.day)
        try await world.receive("own.example", rua: "mailto:a@own.example,mailto:b@far.example", at: Self.day + 60)
        world.now = Self.day + 86_400 + 7200
        try await world.reporter.step()
        let notSent = "aggregate report not sent"
        #expect(world.lines.all.withLock { $0 }.count { $0.hasPrefix("notice \(notSent) far.example") } == 1)
        world.lines.all.withLock { $0 = [] }
        // As if it had been ended before the day was done with.
        try world.ledger.cover(until: Self.day)
        try await world.reporter.step()
        let lines = world.lines.all.withLock { $0 }
        #expect(lines.contains("debug \(notSent) it was sent already"), "\(lines)")
        #expect(lines.count { $0.hasPrefix("notice") } == 1, "\(lines)")
        world.close()
    }

    @Test func `no day is reported on before its last messages are in`() async throws {
        let world = try World { $0.hour = 0 }
        try world.ledger.cover(until: Self.day)
        try await world.receive("own.example", rua: "mailto:a@own.example", at: Self.day + 60)
        world.now = Self.day + 86_400 + 899
        await #expect(throws: ReportDesk.TooEarly.self) { try await world.reporter.send(nil) }
        await #expect(throws: ReportDesk.TooEarly.self) { try await world.rehearsed() }
        // It began in the last second, and came in within the margin.
        try await world.receive("late.example", rua: "mailto:a@late.example", at: Self.day + 86_399)
        world.now = Self.day + 86_400 + 900
        try await world.reporter.step()
        #expect(world.queued.keys.sorted() == ["a@late.example", "a@own.example"])
        world.close()
    }
}

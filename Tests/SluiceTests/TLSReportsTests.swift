import Configuration
import Delivery
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

/// Reports on TLS, day by day, on a clock that is moved by hand, with a real queue, ledger and book.
@Suite struct TLSReportsTests {
    static let day = AggregateReporterTests.day

    /// A server's parts, as far as these reports need them.
    final class World: Sendable {
        let folder: TemporaryFolder
        private let clock = Mutex(day + 3600)
        var now: Date {
            get { clock.withLock { $0 } }
            set { clock.withLock { $0 = newValue } }
        }
        let services = MemoryServices()
        let queue: MailQueue
        let ledger: ReportLedger
        let store: TLSSessionStore
        let lines = AggregateReporterTests.LogLines()
        let posted = Mutex<[HTTPSClient.Request]>([])
        /// What the web server says, one after the other; the last one stays.
        let statuses = Mutex<[Int]>([200])
        let chain: Chain
        let change: @Sendable (inout ReportOptions) -> Void

        init(_ change: @escaping @Sendable (inout ReportOptions) -> Void = { _ in }) throws {
            folder = try TemporaryFolder()
            self.change = change
            queue = try MailQueue.open(
                folder.path + "/queue", files: LinuxFileSystem(), options: QueueOptions(), now: Date()
            ).0
            ledger = try ReportLedger(folder.path + "/tls-reports.sqlite")
            store = try TLSSessionStore(folder.path + "/tls-sessions.sqlite")
            let relay = StageVariant(Relay(Relay.Configuration()))
            chain = Chain([Link(number: 22, file: "22-relay.toml", base: relay)])
        }

        private var judging: HouseJudging {
            HouseJudging(hostname: "mx.here.example", chain: { [chain] in chain }, source: services)
        }

        var options: ReportOptions {
            var options = ReportOptions(
                hostname: "mx.here.example", organization: "Here", from: "tls@here.example")
            options.sends = true
            options.hour = 2
            options.pause = "1ms"
            change(&options)
            return options
        }

        private var logger: Logger {
            var logger = Logger(label: "reports") { [lines] _ in AggregateReporterTests.LineKeeper(lines: lines) }
            logger.logLevel = .debug
            return logger
        }

        var reporter: DailyReporter {
            let house = HouseMail(judging: judging, queue: queue, traced: { _, _ in })
            let reports = TLSReports(
                options: options, post: ReportPost(ledger: ledger, mail: house, now: { [self] in now }),
                tallies: { [store] in try store.tallies(from: $0.begin, to: $0.end) },
                ask: { [self] request throws(HTTPSClient.Failure) in try answer(request) }, logger: logger)
            return reports.reporter
        }

        private func answer(_ request: HTTPSClient.Request) throws(HTTPSClient.Failure) -> HTTPSClient.Page {
            posted.withLock { $0.append(request) }
            let status = statuses.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            guard status > 0 else { throw HTTPSClient.Failure(isAboutCertificate: true, reason: "untrusted") }
            return HTTPSClient.Page(status: status, mediaType: nil, body: [])
        }

        /// What a round by hand would do now.
        func rehearsed() async throws -> [ReportLine] {
            let period = try ReportDesk.lastDay(at: now)
            var rehearsal = TLSReportRehearsal(
                TLSReportDesk(options: options, period: period), judging, ledger: try ledger.entries())
            let tallies = try store.tallies(from: period.begin, to: period.end)
            var lines: [ReportLine] = []
            for report in TLSReport.reports(on: tallies) {
                lines.append(try await rehearsal.line(report, at: now))
            }
            return lines
        }

        var book: TLSSessionBook {
            TLSSessionBook(store, logger: logger, now: { [self] in now }) {
                [services] question async throws(StageFailure) in
                guard case .dns(let answer) = try await services.answer(.dns(question)) else { return .noName }
                return answer
            }
        }

        func publish(_ domain: String, _ rua: String?) {
            let texts = rua.map { [DNSRecord.text(Array("v=TLSRPTv1; rua=\($0)".utf8))] } ?? []
            services.set("_smtp._tls.\(domain)", .txt, .records(texts, isSecure: false))
        }

        /// Sessions with exchangers of a domain, on the first day.
        func speak(with domain: String, good: Int = 1) throws {
            var tally = TLSTally(domain: domain, day: day, policy: PublishedPolicy(.none, domain: domain))
            tally.succeeded = good
            _ = try store.add([tally], at: day)
        }

        var queued: [String] {
            queue.list().filter { $0.holdReason == nil }
                .flatMap { $0.recipients.map(\.recipient.address.description) }.sorted()
        }

        func close() {
            queue.close()
            ledger.close()
            store.close()
        }
    }

    // MARK: Counting

    @Test func `only domains that want to be told are counted`() async throws {
        let world = try World()
        world.publish("own.example", "mailto:a@own.example")
        world.publish("xn--bcher-kva.example", "mailto:a@own.example")
        world.publish("mute.example", nil)
        world.services.set("_smtp._tls.other.example", .txt, .noName)
        let book = world.book
        let failure = TLSFailure(.expired, reason: String(repeating: "x", count: 10_000))
        for domain in ["own.example", "Own.Example", "mute.example", "other.example", "bücher.example", "[192.0.2.1]"] {
            book.note(TLSSession(domain: domain, policy: PublishedPolicy(.none, domain: domain.lowercased())))
            book.note(
                TLSSession(
                    domain: domain, policy: PublishedPolicy(.none, domain: domain.lowercased()), failures: [failure]))
        }
        await book.write()
        let found = try world.store.tallies(from: Self.day, to: Self.day + 86_400)
        #expect(found.map(\.domain) == ["own.example", "xn--bcher-kva.example"])
        #expect(found.map(\.succeeded) == [2, 1] && found.map(\.failed) == [2, 1])
        #expect(found.allSatisfy { $0.failures.keys.allSatisfy { $0.reason?.utf8.count == 200 } })
        // A day ends: the next one has sums of its own.
        world.now = Self.day + 86_400
        book.note(TLSSession(domain: "own.example", policy: PublishedPolicy(.none, domain: "own.example")))
        await book.write()
        await book.write()
        #expect(try world.store.tallies(from: Self.day + 86_400, to: Self.day + 2 * 86_400).map(\.succeeded) == [1])
        world.close()
    }

    @Test func `while DNS is silent nothing is lost`() async throws {
        let world = try World()
        world.services.fail(with: StageFailure("silence"))
        let book = world.book
        book.note(TLSSession(domain: "own.example", policy: PublishedPolicy(.none, domain: "own.example")))
        await book.write()
        #expect(try world.store.tallies(from: Self.day, to: Self.day + 1).map(\.domain) == ["own.example"])
        world.close()
    }

    @Test func `what has no room is told, and not kept`() async throws {
        let world = try World()
        world.services.fail(with: StageFailure("silence"))
        let book = world.book
        for number in 0..<(TLSSessionBook.mostTallies + 5) {
            let domain = "d\(number).example"
            book.note(TLSSession(domain: domain, policy: PublishedPolicy(.none, domain: domain)))
        }
        await book.write()
        #expect(try world.store.tallies(from: Self.day, to: Self.day + 1).count == TLSSessionBook.mostTallies)
        #expect(world.lines.all.withLock { $0 }.contains { $0.hasPrefix("warning TLS sessions are not counted") })
        world.close()
    }

    // MARK: Sending

    @Test func `each day's reports go once, by mail and to web servers`() async throws {
        let world = try World()
        try world.ledger.cover(until: Self.day)
        world.publish("own.example", "mailto:a@own.example,https://r.example/x")
        world.publish("gone.example", nil)
        try world.speak(with: "own.example", good: 3)
        try world.speak(with: "gone.example")
        world.now = Self.day + 86_400 + 7200
        let rehearsed = try await world.rehearsed()
        #expect(world.posted.withLock { $0.isEmpty } && world.queue.list().isEmpty, "nothing is done")
        #expect(rehearsed.map(\.to) == [["mailto:a@own.example", "https://r.example/x"], []])
        #expect(rehearsed.last?.notTo.map(\.reason) == ["there is no record, or not just one"])
        let reporter = world.reporter
        try await reporter.step()
        #expect(world.queued == ["a@own.example"])
        #expect(world.queue.list().allSatisfy { $0.sender == nil })
        #expect(try world.ledger.covered() == Self.day + 86_400)
        let post = try #require(world.posted.withLock { $0 }.first)
        #expect(post.host == "r.example" && post.path == "/x" && post.content?.type == "application/tlsrpt+gzip")
        let mail = try world.queue.read(try #require(world.queue.list().first?.id)).content.array
        for octets in [post.content?.octets ?? [], mail] {
            let text = try await Self.report(in: octets)
            #expect(text.contains("\"total-successful-session-count\": 3"), "\(text)")
        }
        #expect(try await reporter.send(nil).flatMap(\.to) == [], "they were sent")
        #expect(try await world.rehearsed() == reporter.send(nil))
        #expect(world.posted.withLock { $0.count } == 1)
        world.close()
    }

    /// Python's own libraries read mail, compression and JSON.
    static func report(in octets: [UInt8]) async throws -> String {
        let script = """
            import email, gzip, json, sys
            data = sys.stdin.buffer.read()
            if not data.startswith(b'\\x1f\\x8b'):
                mail = email.message_from_bytes(data)
                assert mail.get_content_type() == 'multipart/report' and mail.get_param('report-type') == 'tlsrpt'
                assert mail['TLS-Report-Domain'] and mail['TLS-Report-Submitter'] and mail['TLS-Required'] == 'No'
                part = mail.get_payload()[1]
                assert part.get_content_type() == 'application/tlsrpt+gzip', part.get_content_type()
                assert part.get_filename().endswith('.json.gz') and part.get_filename().count('!') == 4
                data = part.get_payload(decode=True)
            report = json.loads(gzip.decompress(data))
            print(json.dumps(report, indent=1))
            """
        let ran = try await Programs.run("python3", ["-c", script], input: octets)
        #expect(ran.code == 0, "\(ran)")
        return ran.output
    }

    @Test func `a web server that cannot is asked again, one that will not is not`() async throws {
        let world = try World { $0.tries = 4 }
        try world.ledger.cover(until: Self.day)
        world.publish("own.example", "https://r.example/x")
        try world.speak(with: "own.example")
        world.statuses.withLock { $0 = [0, 503, 202] }
        world.now = Self.day + 86_400 + 7200
        try await world.reporter.step()
        #expect(world.posted.withLock { $0.count } == 3)
        #expect(try world.ledger.entries().map(\.state) == [.queued])
        let lines = world.lines.all.withLock { $0 }
        #expect(lines.contains("info TLS report put off untrusted"), "\(lines)")
        #expect(lines.contains("info TLS report sent "), "\(lines)")

        try world.ledger.cover(until: Self.day)
        world.publish("other.example", "https://r.example/y")
        try world.speak(with: "other.example")
        world.statuses.withLock { $0 = [404] }
        try await world.reporter.step()
        #expect(world.posted.withLock { $0.count } == 4)
        #expect(try world.ledger.entries().map(\.state) == [.refused, .queued])
        #expect(try await world.reporter.send("other.example").first?.notTo.map(\.isOld) == [true])
        world.close()
    }

    @Test func `a dead web server is given up, and the day is done with`() async throws {
        let world = try World { $0.tries = 3 }
        try world.ledger.cover(until: Self.day)
        world.publish("own.example", "https://r.example/x")
        try world.speak(with: "own.example")
        world.statuses.withLock { $0 = [500] }
        world.now = Self.day + 86_400 + 7200
        try await world.reporter.step()
        #expect(world.posted.withLock { $0.count } == 3)
        #expect(try world.ledger.covered() == Self.day + 86_400)
        #expect(world.lines.all.withLock { $0 }.contains("notice TLS report not sent HTTP status 500"))
        // A kill in the middle of a POST repeats it.
        world.statuses.withLock { $0 = [200] }
        #expect(try await world.reporter.send(nil).flatMap(\.to) == ["https://r.example/x"])
        world.close()
    }

    @Test func `limits hold: of a report, of its addresses, of the day`() async throws {
        let world = try World {
            $0.maxReports = 2
            $0.maxDestinations = 2
        }
        world.publish("own.example", "mailto:a@own.example,https://r.example/x,mailto:c@own.example")
        world.publish("other.example", "mailto:a@other.example")
        try world.speak(with: "own.example", good: 2)
        try world.speak(with: "other.example")
        world.now = Self.day + 86_400 + 7200
        let rehearsed = try await world.rehearsed()
        let lines = try await world.reporter.send(nil)
        #expect(rehearsed == lines)
        #expect(lines.map(\.to.count) == [2, 0])
        #expect(lines[0].notTo.map(\.reason) == ["too many addresses stand before it"])
        #expect(lines[1].notTo.first?.reason.contains("max_reports") == true)
        world.close()
        let small = try World { $0.maxSize = 10 }
        small.publish("own.example", "mailto:a@own.example,https://r.example/x")
        try small.speak(with: "own.example")
        small.now = Self.day + 86_400 + 7200
        let line = try #require(try await small.reporter.send(nil).first)
        #expect(line.notTo.count == 2 && line.notTo.allSatisfy { $0.reason.hasSuffix("over `max_size`") })
        small.close()
    }

    @Test func `not all go at one moment, and a restart changes none`() {
        var options = ReportOptions(hostname: "mx.here.example", organization: "Here", from: "tls@here.example")
        options.spread = 14_400
        let period = ReportPeriod(containing: Self.day)
        let delays = (0..<200).map { DailyReporter.delay(of: "d\($0).example", period, options) }
        #expect(delays.allSatisfy { (0..<14_400).contains($0) })
        #expect(delays.count { $0 < 3600 } > 20 && delays.count { $0 > 10_800 } > 20)
        #expect(delays == (0..<200).map { DailyReporter.delay(of: "d\($0).example", period, options) })
        #expect(delays[0] != DailyReporter.delay(of: "d0.example", period.next, options))
        options.spread = 0
        #expect(DailyReporter.delay(of: "d0.example", period, options) == 0)
    }

    @Test func `pauses grow, and end before the next day's reports`() {
        var options = ReportOptions(ServerConfiguration.TLSReports(), hostname: "mx.here.example")
        #expect(options.spread == 14_400)
        let pauses = (1..<options.tries).map { options.pause(after: $0).seconds }
        #expect(pauses.prefix(6) == [600, 1200, 2400, 4800, 9600, 14_400])
        #expect(pauses.reduce(0, +) < 86_400)
        options.longestPause = nil
        #expect(options.pause(after: 9) == options.pause)
    }
}

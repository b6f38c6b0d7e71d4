import CUnbound
import Foundation
public import MailTypes
public import Pipeline
import Synchronization

/// A caching resolver: libunbound, asked asynchronously.
///
/// One thread waits for the library's answers and hands them on; nobody blocks. A question that is
/// cancelled or takes too long is answered with a failure at once, and what the library says later is dropped.
public final class UnboundResolver: Sendable {
    public struct Options: Sendable {
        /// Where questions are sent; empty: to the servers of `/etc/resolv.conf`, or, without that file, from the
        /// root servers on.
        public var servers: [Server] = []
        /// The longest that one question may take.
        public var timeout: Interval = "12s"
        /// The most questions under way; more fail at once.
        public var maxPending = 4096
        /// A file with the root's DNSSEC keys. Without it no answer is secure.
        public var trustAnchor: String?

        public init() {}
    }

    /// A name server: an address and a port.
    public struct Server: Sendable, Hashable, CustomStringConvertible {
        public var address: IPAddress
        public var port: Int

        public init(_ address: IPAddress, port: Int = 53) {
            self.address = address
            self.port = port
        }

        /// Reads `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:53`.
        public init?(_ text: String) {
            if let address = IPAddress(text) {
                self.init(address)
                return
            }
            guard
                let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0,
                case let host = text[..<colon],
                let address = IPAddress(host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host)
            else { return nil }
            self.init(address, port: Int(port))
        }

        public var description: String { "\(address)@\(port)" }
    }

    /// The library refused an option.
    public struct SetupFailure: Error, CustomStringConvertible {
        public let description: String
    }

    private let context: Context
    private let options: Options

    public init(_ options: Options = Options()) throws(SetupFailure) {
        self.options = options
        context = try Context(options)
        let context = context
        let thread = Thread { context.pump() }
        thread.name = "resolver"
        thread.start()
    }

    /// Fails what is pending and ends the thread.
    public func stop() { context.stop() }

    deinit { context.stop() }

    /// What DNS has said lately, if that still holds.
    public func known(_ question: DNSQuestion) -> DNSAnswer? {
        Self.isAskable(question.name) ? context.cache.answer(to: question) : .noName
    }

    /// What DNS says; CNAMEs are followed. SERVFAIL, refusals, bogus answers and silence are failures, never
    /// "no record".
    public func answer(_ question: DNSQuestion) async throws(StageFailure) -> DNSAnswer {
        if let known = known(question) { return known }
        let pending = Pending(question: question, deadline: .now + options.timeout.duration)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard pending.wait(continuation) else { return }
                context.ask(pending, most: options.maxPending)
            }
        } onCancel: {
            pending.finish(.failure(StageFailure("cancelled")))
        }
        return try result.get()
    }

    /// Labels of 1 to 63 octets and 253 in all; everything else has no record anywhere. RFC 1035 §2.3.4.
    private static func isAskable(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= 253, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5C })
        else {
            return false
        }
        return name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            .allSatisfy { (1...63).contains($0.count) }
    }
}

/// One question under way. It is answered once, by whoever comes first.
private final class Pending: Sendable {
    typealias Answer = Result<DNSAnswer, StageFailure>

    private enum State {
        case new
        case waiting(CheckedContinuation<Answer, Never>)
        case answered(Answer)
    }

    let question: DNSQuestion
    let deadline: ContinuousClock.Instant
    private let state = Mutex(State.new)

    init(question: DNSQuestion, deadline: ContinuousClock.Instant) {
        self.question = question
        self.deadline = deadline
    }

    /// - Returns: `false` if there is an answer already, which the waiter has got.
    func wait(_ continuation: CheckedContinuation<Answer, Never>) -> Bool {
        let ready = state.withLock { state -> Answer? in
            if case .answered(let answer) = state { return answer }
            state = .waiting(continuation)
            return nil
        }
        if let ready { continuation.resume(returning: ready) }
        return ready == nil
    }

    func finish(_ answer: Answer) {
        let waiter = state.withLock { state -> CheckedContinuation<Answer, Never>? in
            defer { if case .answered = state {} else { state = .answered(answer) } }
            if case .waiting(let continuation) = state { return continuation }
            return nil
        }
        waiter?.resume(returning: answer)
    }
}

/// The library's context, the thread that pumps it, and what is pending.
private final class Context: Sendable {
    private struct State {
        var pending: [UInt64: Pending] = [:]
        /// What the library holds pointers to, until it calls back; questions that were given up too.
        var tickets: [UInt64: Ticket] = [:]
        var next: UInt64 = 0
        var isStopped = false
    }

    /// `ub_resolve_async` and `ub_process` may be called from different threads at once: libunbound(3), THREADS.
    private nonisolated(unsafe) let context: OpaquePointer
    /// A pipe: the end that the thread watches, and the one that wakes it.
    private let wakeUp: (watched: CInt, waking: CInt)
    let cache = AnswerCache()
    private let state = Mutex(State())

    /// Names that the library answers itself, as the RFCs want from a resolver of last resort; servers that an admin
    /// names may know better. RFC 6761, RFC 6303. `localhost` stays what it is everywhere.
    private static let builtInZones =
        [
            "test.", "invalid.", "onion.", "home.arpa.", "10.in-addr.arpa.", "127.in-addr.arpa.",
            "168.192.in-addr.arpa.",
            "254.169.in-addr.arpa.", "2.0.192.in-addr.arpa.", "100.51.198.in-addr.arpa.", "113.0.203.in-addr.arpa.",
            "8.b.d.0.1.0.0.2.ip6.arpa.", "d.f.ip6.arpa.", "8.e.f.ip6.arpa.", "9.e.f.ip6.arpa.", "a.e.f.ip6.arpa.",
            "b.e.f.ip6.arpa.",
        ] + (16...31).map { "\($0).172.in-addr.arpa." }

    init(_ options: UnboundResolver.Options) throws(UnboundResolver.SetupFailure) {
        guard let context = ub_ctx_create() else {
            throw UnboundResolver.SetupFailure(description: "libunbound could not be started")
        }
        self.context = context
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else {
            ub_ctx_delete(context)
            throw UnboundResolver.SetupFailure(description: "pipe: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        wakeUp = (ends[0], ends[1])
        do { try Self.configure(context, options) } catch {
            ub_ctx_delete(context)
            for end in ends { close(end) }
            throw error
        }
    }

    /// The order matters: zones are touched last, for that fixes all other options.
    private static func configure(
        _ context: OpaquePointer, _ options: UnboundResolver.Options
    ) throws(UnboundResolver.SetupFailure) {
        func check(_ code: CInt, _ what: String) throws(UnboundResolver.SetupFailure) {
            guard code != 0 else { return }
            let reason = String(cString: ub_strerror(code))
            throw UnboundResolver.SetupFailure(description: "libunbound, \(what): \(reason)")
        }
        try check(ub_ctx_async(context, 1), "threads")
        if let file = options.trustAnchor { try check(ub_ctx_add_ta_file(context, file), file) }
        if options.servers.isEmpty {
            if access("/etc/resolv.conf", R_OK) == 0 {
                // A container's resolver may be on a loopback address.
                try check(ub_ctx_set_option(context, "do-not-query-localhost:", "no"), "do-not-query-localhost")
                try check(ub_ctx_resolvconf(context, nil), "/etc/resolv.conf")
            }
            return
        }
        try check(ub_ctx_set_option(context, "do-not-query-localhost:", "no"), "do-not-query-localhost")
        for server in options.servers { try check(ub_ctx_set_fwd(context, "\(server)"), "\(server)") }
        for zone in builtInZones { try check(ub_ctx_zone_remove(context, zone), zone) }
    }

    func ask(_ pending: Pending, most: Int) {
        // The lock is held over the call, so that the context cannot go away meanwhile; the call only
        // hands the question to the library's own thread.
        let failure = state.withLock { state -> StageFailure? in
            if state.isStopped { return StageFailure("the resolver has stopped") }
            guard state.tickets.count < most else { return StageFailure("too many DNS questions are under way") }
            state.next &+= 1
            let number = state.next
            let ticket = Ticket(context: self, number: number)
            let code = ub_resolve_async(
                context, pending.question.name, CInt(pending.question.type.rawValue), 1,
                Unmanaged.passUnretained(ticket).toOpaque(),
                { @Sendable pointer, code, result in
                    defer { ub_resolve_free(result) }
                    guard let pointer else { return }
                    let ticket = Unmanaged<Ticket>.fromOpaque(pointer).takeUnretainedValue()
                    ticket.context?.answered(ticket.number, code, result?.pointee)
                }, nil)
            guard code == 0 else { return StageFailure("libunbound: \(String(cString: ub_strerror(code)))") }
            state.tickets[number] = ticket
            state.pending[number] = pending
            return nil
        }
        if let failure { pending.finish(.failure(failure)) }
    }

    /// What the library gives back with an answer.
    private final class Ticket: Sendable {
        weak let context: Context?
        let number: UInt64
        init(context: Context, number: UInt64) {
            self.context = context
            self.number = number
        }
    }

    private func take(_ number: UInt64) -> Pending? {
        state.withLock { state in
            state.tickets[number] = nil
            return state.pending.removeValue(forKey: number)
        }
    }

    private func answered(_ number: UInt64, _ code: CInt, _ result: ub_result?) {
        guard let pending = take(number) else { return }
        guard code == 0, let result else {
            pending.finish(.failure(StageFailure("libunbound: \(String(cString: ub_strerror(code)))")))
            return
        }
        let answer = Self.read(result, pending.question)
        if case .success(let known) = answer {
            cache.insert(known, for: pending.question, seconds: Int(result.ttl))
        }
        pending.finish(answer)
    }

    private static func read(_ result: ub_result, _ question: DNSQuestion) -> Pending.Answer {
        if result.bogus != 0 { return .failure(StageFailure("DNSSEC: the answer about \(question.name) is bogus")) }
        if result.nxdomain != 0 { return .success(.noName) }
        guard result.rcode == 0 else {
            return .failure(StageFailure("DNS: \(ResponseCode.name(result.rcode)) for \(question.name)"))
        }
        guard result.havedata != 0, let data = result.data, let lengths = result.len else { return .success(.noData) }
        var records: [DNSRecord] = []
        var place = 0
        while records.count < RecordParser.maxRecords, let start = data[place] {
            let octets = UnsafeRawBufferPointer(start: start, count: max(0, Int(lengths[place])))
            if let record = RecordParser.record(Array(octets), question.type) { records.append(record) }
            place += 1
        }
        guard !records.isEmpty else {
            return .failure(StageFailure("DNS: malformed records for \(question.name)"))
        }
        return .success(.records(records, isSecure: result.secure != 0))
    }

    // MARK: The thread

    /// Milliseconds between two looks at the deadlines while something is pending.
    private static let sweep: CInt = 100

    func pump() {
        let answers = ub_fd(context)
        while true {
            let (isStopped, isIdle) = state.withLock { ($0.isStopped, $0.pending.isEmpty) }
            if isStopped { break }
            var sources = [
                pollfd(fd: answers, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wakeUp.watched, events: Int16(POLLIN), revents: 0),
            ]
            // Questions may come while this waits; then the deadline is at most a second late.
            let count = poll(&sources, 2, isIdle ? 1000 : Self.sweep)
            if count > 0, sources[0].revents != 0 { _ = ub_process(context) }
            expire()
        }
        let left = state.withLock { state in
            defer { state.pending.removeAll() }
            return Array(state.pending.values)
        }
        for pending in left { pending.finish(.failure(StageFailure("the resolver has stopped"))) }
        // Ends the library's own thread; it calls nobody back after that.
        ub_ctx_delete(context)
        state.withLock { $0.tickets.removeAll() }
        close(wakeUp.watched)
        close(wakeUp.waking)
    }

    private func expire() {
        let now = ContinuousClock.now
        let late = state.withLock { state -> [Pending] in
            let numbers = state.pending.filter { $0.value.deadline <= now }.map(\.key)
            return numbers.compactMap { state.pending.removeValue(forKey: $0) }
        }
        for pending in late {
            pending.finish(.failure(StageFailure("DNS: no answer about \(pending.question.name)", timedOut: true)))
        }
    }

    func stop() {
        // Under the lock, since the thread closes the pipe once it has seen the mark.
        state.withLock { state in
            if !state.isStopped { _ = write(wakeUp.waking, [1], 1) }
            state.isStopped = true
        }
    }
}

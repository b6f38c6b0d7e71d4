import Foundation
public import MailTypes
public import Pipeline
import Protocols
import Synchronization

/// Servers that scan for viruses, as this server uses them: it answers ``Question/scan(_:by:)`` for `clamd`.
///
/// They are asked in their order. One that cannot be reached, does not answer in time or says what clamd does not say
/// is put aside for a while, and the next one gets the message.
public final class ClamdClient: Sendable {
    public struct Options: Sendable, Hashable {
        public var servers: [ClamdServer] = [.unix(path: "/run/clamav/clamd.ctl")]
        /// Sessions at once.
        public var connections = 4
        /// How long one server may take for one message.
        public var timeout: Interval = "20s"
        /// Messages that wait for a session; more fail at once.
        public var maxWaiting = 1000
        /// Of a message's parts, those that are sent once more as we read them: how many, and how many octets.
        public var maxParts = 1000
        public var maxPartSize: ByteCount = "100MB"
        public init() {}
    }

    /// How a server was when it was asked last.
    public struct ServerState: Sendable, Hashable {
        public var server: String
        /// `ClamAV 1.4.6/27500/…`, as it says itself.
        public var version: String?
        /// Why it is put aside.
        public var failure: String?
    }

    /// Who is told, once for each change, that a server is put aside, why, and that it is asked again.
    public typealias Observer = @Sendable (_ server: String, _ failure: String?) -> Void

    /// How long a server is put aside.
    private static let pause = Duration.seconds(30)

    private struct State {
        var options: Options?
        var aside: [ClamdServer: (reason: String, until: ContinuousClock.Instant)] = [:]
        var versions: [ClamdServer: String] = [:]
    }

    private let state = Mutex(State())
    private let threads: BlockingThreads
    private let observer: Observer

    /// Nobody is asked before ``use(_:)``; `connections` and `maxWaiting` hold from now on.
    public init(_ options: Options = Options(), observer: @escaping Observer = { _, _ in }) {
        threads = BlockingThreads(options.connections, limit: options.maxWaiting, name: "clamd")
        self.observer = observer
    }

    deinit { stop() }

    /// Asks these servers from now on; `nil`: none.
    public func use(_ options: Options?) { state.withLock { $0.options = options } }

    public func stop() { threads.stop() }

    /// One line for each server; none where nobody is to be asked.
    public var servers: [ServerState] {
        state.withLock { state in
            (state.options?.servers ?? []).map { server in
                ServerState(
                    server: "\(server)", version: state.versions[server], failure: state.aside[server]?.reason)
            }
        }
    }

    /// Asks every server how it is.
    public func look() async {
        guard let options = state.withLock({ $0.options }) else { return }
        _ = await threads.run { [self] in
            for server in options.servers {
                do throws(ClamdFault) {
                    var connection = try ClamdConnection(to: server, until: .now + options.timeout.duration)
                    guard case .version(let version) = try connection.ask(.version) else {
                        throw ClamdFault(reason: "it does not tell its version")
                    }
                    connection.finish()
                    note(server, version: version)
                } catch { putAside(server, error.reason) }
            }
        }
    }

    /// What the first server that answers finds in the message.
    public func scan(_ message: Message) async throws(StageFailure) -> ScanReport {
        let result = await threads.run { [self] in
            Result { () throws(StageFailure) in try scanNow(message) }
        }
        guard let result else { throw StageFailure("too many messages wait for clamd") }
        return try result.get()
    }

    private func scanNow(_ message: Message) throws(StageFailure) -> ScanReport {
        guard let options = state.withLock({ $0.options }) else { throw StageFailure("no clamd is to be asked") }
        let mail = ScannedMail(message)
        var reasons: [String] = []
        // Those that were put aside come last: better late than not at all.
        let aside = state.withLock { state in state.aside.filter { $0.value.until > .now } }
        let order = options.servers.filter { aside[$0] == nil } + options.servers.filter { aside[$0] != nil }
        for server in order {
            do throws(ClamdFault) { return try scan(mail, at: server, options) } catch {
                putAside(server, error.reason)
                reasons.append("\(server): \(error.reason)")
            }
        }
        throw StageFailure("no clamd has answered: \(reasons.joined(separator: "; "))")
    }

    private func scan(
        _ mail: ScannedMail, at server: ClamdServer, _ options: Options
    ) throws(ClamdFault) -> ScanReport {
        var connection = try ClamdConnection(to: server, until: .now + options.timeout.duration)
        guard case .version(let version) = try connection.ask(.version) else {
            throw ClamdFault(reason: "it does not tell its version")
        }
        var names: [String] = []
        try names.add(connection.scan(mail.whole))
        let isAll = try mail.eachPart(most: options.maxParts, octets: options.maxPartSize.octets) {
            octets throws(ClamdFault) in
            try names.add(connection.scan([Bytes(octets)]))
        }
        if !isAll { try names.add(.found(ScannedMail.tooManyParts)) }
        connection.finish()
        note(server, version: version)
        let words = version.split(separator: "/").prefix(2).joined(separator: "/").dropFirst("ClamAV ".count)
        return ScanReport(names, by: "clamd \(words)")
    }

    // MARK: Servers

    private func note(_ server: ClamdServer, version: String) {
        let wasAside = state.withLock { state in
            state.versions[server] = version
            return state.aside.removeValue(forKey: server) != nil
        }
        if wasAside { observer("\(server)", nil) }
    }

    private func putAside(_ server: ClamdServer, _ reason: String) {
        let isNew = state.withLock { state in
            defer { state.aside[server] = (reason, .now + Self.pause) }
            return state.aside[server]?.reason != reason
        }
        if isNew { observer("\(server)", reason) }
    }
}

extension [String] {
    /// What a server says of a stream, as a find; a failure is one of the server.
    fileprivate mutating func add(_ reply: ClamdSession.Reply) throws(ClamdFault) {
        switch reply {
        case .clean: break
        case .found(let name): if !contains(name) { append(name) }
        // It has not looked at all of it, and that is something to be told of.
        case .failed(let reason) where reason.contains("size limit exceeded"):
            append("Heuristics.Limits.Exceeded.StreamMaxLength")
        case .failed(let reason): throw ClamdFault(reason: reason)
        case .pong, .version: throw ClamdFault(reason: "another reply than one to a stream")
        }
    }
}

import Foundation
import Glibc
import MailTypes
import Synchronization

/// Databases that are loaded, and what scanners come from.
protocol ScannerSource: AnyObject, Sendable {
    /// The library's.
    var version: String { get }
    var signatures: Int { get }
    var options: ScannerOptions { get }
    var databases: [VirusDatabase] { get }
    /// Whether scanners can still be had from it.
    var isAlive: Bool { get }
    /// From now on there is a better one.
    func retire()
    func scanner() throws(WorkerStartFailure) -> any Worker
}

/// A template of scanners as the server sees it. It ends when nobody has it any more, so after its last scanner.
final class TemplateProcess: ScannerSource {
    let process: pid_t
    let version: String
    let signatures: Int
    let options: ScannerOptions
    let databases: [VirusDatabase]

    private let channel: PacketChannel
    private let state = Mutex(State())

    private struct State {
        var scanners: UInt32 = 0
        /// Nothing can be asked of it any more.
        var isBroken = false
        var isOutdated = false
    }

    /// How long databases may take to load, and a template to answer.
    private static let loadLimit = Duration.seconds(300)
    private static let answerLimit = Duration.seconds(10)

    /// Starts one and waits until it is ready. The thread that does it must live as long as the template.
    init(_ options: ScannerOptions, _ databases: [VirusDatabase], program: [String]) throws(WorkerStartFailure) {
        (self.options, self.databases) = (options, databases)
        let reply: TemplateReply
        do {
            let (ours, theirs) = try PacketChannel.pair()
            defer { close(theirs) }
            channel = PacketChannel(descriptor: ours)
            do throws(SystemError) {
                process = try WorkerProcess.spawn(program, [ScannerTemplate.word] + options.words, channel: theirs)
            } catch {
                close(ours)
                throw error
            }
        } catch { throw WorkerStartFailure(reason: "\(error)") }
        let said = Self.receive(channel, within: Self.loadLimit)
        switch said {
        case .success(let first): reply = first
        case .failure(let failure):
            (version, signatures) = ("", 0)
            throw failure
        }
        switch reply {
        case .ready(let version, let signatures): (self.version, self.signatures) = (version, signatures)
        case .failed(let reason):
            (version, signatures) = ("", 0)
            throw WorkerStartFailure(reason: reason)
        case .started, .collected:
            (version, signatures) = ("", 0)
            throw WorkerStartFailure(reason: "another reply than one to its start")
        }
    }

    deinit {
        // What is left of its scanners goes with it.
        kill(process, SIGKILL)
        _ = Child(process: process).collected(waits: true)
        close(channel.descriptor)
    }

    var isAlive: Bool {
        if state.withLock({ $0.isBroken }) { return false }
        // It says nothing unasked: if something can be read, it is its end.
        return !channel.isReadable(within: .zero)
    }

    var isOutdated: Bool { state.withLock { $0.isOutdated } }

    func retire() { state.withLock { $0.isOutdated = true } }

    func scanner() throws(WorkerStartFailure) -> any Worker {
        try WorkerProcess { (channel) throws(SystemError) in try start(channel: channel) }
    }

    /// Has it make a scanner that speaks over that end of a socket.
    func start(channel end: CInt) throws(SystemError) -> Scanner {
        let number = state.withLock { state in
            state.scanners &+= 1
            return state.scanners
        }
        let folder = "\(options.folder)/\(number)"
        guard mkdir(folder, 0o700) == 0 else { throw SystemError(call: "mkdir", path: folder, code: errno) }
        switch ask(.start(number), descriptor: end) {
        case .started(let process): return Scanner(process: process, template: self, folder: folder)
        case .failed(let reason):
            Scanner.remove(folder)
            throw SystemError(call: "a scanner could not be made: \(reason)", code: EAGAIN)
        case .ready, .collected, nil:
            Scanner.remove(folder)
            throw SystemError(call: "the template of scanners has ended", code: EPIPE)
        }
    }

    fileprivate func collect(_ process: pid_t, waits: Bool) -> CInt? {
        switch ask(.collect(process, waits: waits)) {
        case .collected(let status): return status
        // With the template all its scanners have ended.
        case .ready, .started, .failed, nil: return waits ? SIGKILL : nil
        }
    }

    /// One request, and its reply; `nil` if it has none to give any more.
    private func ask(_ request: TemplateRequest, descriptor: CInt? = nil) -> TemplateReply? {
        state.withLock { state in
            guard !state.isBroken else { return nil }
            guard (try? channel.send(request.packet, descriptor: descriptor, waits: false)) != nil,
                case .success(let reply) = Self.receive(channel, within: Self.answerLimit)
            else {
                state.isBroken = true
                return nil
            }
            return reply
        }
    }

    private static func receive(
        _ channel: PacketChannel, within limit: Duration
    ) -> Result<TemplateReply, WorkerStartFailure> {
        guard channel.isReadable(within: limit) else { return .failure(.init(reason: "no answer in time")) }
        guard let packet = try? channel.receive(takesDescriptor: false), let reply = try? TemplateReply(packet.octets)
        else { return .failure(.init(reason: "the template of scanners has ended")) }
        return .success(reply)
    }
}

/// A scanner: a process that a template has made.
struct Scanner: Offspring {
    let process: pid_t
    let template: TemplateProcess
    /// Its own, which goes with it.
    let folder: String

    var isOutdated: Bool { template.isOutdated || !template.isAlive }

    func collected(waits: Bool) -> CInt? {
        guard let status = template.collect(process, waits: waits) else { return nil }
        Self.remove(folder)
        return status
    }

    /// With all that a scanner has left there; links are removed, not followed.
    static func remove(_ folder: String) { try? FileManager.default.removeItem(atPath: folder) }
}

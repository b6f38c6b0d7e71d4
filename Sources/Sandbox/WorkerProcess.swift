import Glibc
import MailTypes

/// A worker as the server sees it. One thread uses it.
protocol Worker: AnyObject {
    /// Its process; 0 for our own.
    var process: pid_t { get }

    /// Why it cannot be asked; `nil`: it can. Who speaks unasked cannot, nor who has died.
    var trouble: WorkerEnd? { get }

    /// Whether there is a better one to be had, with newer databases.
    var isOutdated: Bool { get }

    /// One request, and its reply.
    func exchange(
        _ request: WorkerRequest, _ material: JobMaterial?, within limit: Duration
    ) throws(WorkerTrouble) -> WorkerReply

    /// Ends it, for the reason given or, where it had died by itself, for the one that the kernel knows.
    @discardableResult
    func end(_ reason: WorkerEnd) -> WorkerEnd
}

/// A worker cannot be used any more.
struct WorkerTrouble: Error {
    let end: WorkerEnd
}

/// A worker could not be started.
struct WorkerStartFailure: Error {
    let reason: String
}

/// Whose end can be learned.
protocol Offspring: Sendable {
    var process: pid_t { get }
    var isOutdated: Bool { get }
    /// The status that it has ended with, as of waitpid(2); `nil`: it has not. Waits for it if told to, once it is
    /// killed.
    func collected(waits: Bool) -> CInt?
}

/// A process that this one has started.
struct Child: Offspring {
    let process: pid_t
    let isOutdated = false

    func collected(waits: Bool) -> CInt? {
        var status: CInt = 0
        while true {
            let ended = waitpid(process, &status, waits ? 0 : WNOHANG)
            if ended == process { return status }
            guard ended < 0, errno == EINTR else { return nil }
        }
    }
}

/// A worker in a process of its own, and the socket to it.
final class WorkerProcess: Worker {
    private let child: any Offspring
    private let channel: PacketChannel
    private var hasEnded = false

    /// How long a worker may take to close its sandbox.
    private static let startLimit = Duration.seconds(30)

    /// Starts one: `start` is given its end of the socket, which is closed here afterwards.
    init(_ start: (_ channel: CInt) throws(SystemError) -> any Offspring) throws(WorkerStartFailure) {
        do throws(SystemError) {
            // Where messages cannot be passed on, a worker would be of no use.
            try SharedMessage.probe()
            let (ours, theirs) = try PacketChannel.pair()
            defer { close(theirs) }
            do throws(SystemError) { child = try start(theirs) } catch {
                close(ours)
                throw error
            }
            channel = PacketChannel(descriptor: ours)
        } catch {
            throw WorkerStartFailure(reason: "\(error)")
        }
        try becomeReady()
    }

    convenience init(_ options: SandboxOptions) throws(WorkerStartFailure) {
        let words = [SandboxWorker.word, String(options.memory.octets), String(options.processorSeconds)]
        try self.init { (channel) throws(SystemError) in
            Child(process: try Self.spawn(options.program, words, channel: channel))
        }
    }

    var process: pid_t { child.process }
    var isOutdated: Bool { child.isOutdated }

    private func becomeReady() throws(WorkerStartFailure) {
        let first: WorkerReply
        do throws(WorkerTrouble) { first = try reply(within: Self.startLimit) } catch {
            throw WorkerStartFailure(reason: "\(end(error.end))")
        }
        switch first {
        case .ready(WorkerReply.version): break
        case .failed(_, let reason):
            end(.recycled)
            throw WorkerStartFailure(reason: reason)
        case .ready, .ask, .done: throw WorkerStartFailure(reason: "\(end(.corrupt("another version")))")
        }
    }

    deinit { end(.recycled) }

    var trouble: WorkerEnd? {
        guard channel.isReadable(within: .zero) else { return nil }
        let hasSpoken = (try? channel.receive(takesDescriptor: false)) != nil
        return hasSpoken ? .corrupt("it speaks unasked") : .exit(code: 0)
    }

    /// `material` goes with the request as a file.
    func exchange(
        _ request: WorkerRequest, _ material: JobMaterial?, within limit: Duration
    ) throws(WorkerTrouble) -> WorkerReply {
        let file: MaterialFile?
        do throws(SystemError) { file = try material?.file() } catch {
            // That is our want of descriptors or memory, not the worker's.
            return .failed(job: request.job, reason: "\(error)")
        }
        defer { file?.close() }
        do throws(SystemError) { try channel.send(request.packet, descriptor: file?.descriptor, waits: false) } catch {
            // One that has read what it was told leaves room for this. EPIPE: it has died since; how, the caller finds
            // when it ends it.
            throw WorkerTrouble(end: error.code == EAGAIN ? .corrupt("it does not read") : .exit(code: 0))
        }
        return try reply(within: limit)
    }

    private func reply(within limit: Duration) throws(WorkerTrouble) -> WorkerReply {
        guard channel.isReadable(within: limit) else { throw WorkerTrouble(end: .hung) }
        do {
            guard let packet = try channel.receive(takesDescriptor: false) else {
                throw WorkerTrouble(end: .exit(code: 0))
            }
            return try PacketReader.reply(packet.octets)
        } catch let trouble as WorkerTrouble {
            throw trouble
        } catch let malformed as MalformedPacket {
            throw WorkerTrouble(end: .corrupt(malformed.reason))
        } catch let failure as SystemError where failure.code == ECONNRESET {
            // It died before it had read what it was told.
            throw WorkerTrouble(end: .exit(code: 0))
        } catch {
            throw WorkerTrouble(end: .corrupt("\(error)"))
        }
    }

    @discardableResult
    func end(_ reason: WorkerEnd) -> WorkerEnd {
        guard !hasEnded else { return reason }
        hasEnded = true
        close(channel.descriptor)
        let isDying = if case .exit = reason { true } else { false }
        // Its end of the socket is closed a moment before the process is gone.
        var status = isDying ? collected(within: Self.deathLimit) : nil
        if status == nil {
            kill(process, SIGKILL)
            status = child.collected(waits: true)
        }
        guard isDying, let status else { return reason }
        return status & 0x7F == 0 ? .exit(code: Int(status >> 8) & 0xFF) : .signal(Int(status & 0x7F))
    }

    private static let deathLimit = 100

    /// Looks some times, a millisecond apart, whether the process has ended.
    private func collected(within times: Int) -> CInt? {
        for _ in 0..<times {
            if let status = child.collected(waits: false) { return status }
            usleep(1000)
        }
        return nil
    }

    // MARK: - Starting

    /// Starts the program with the socket and nothing else: no other file, no variable of ours, signals as usual.
    static func spawn(_ program: [String], _ words: [String], channel: CInt) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, channel, SandboxWorker.descriptor)
        for number in CInt(0)...2 {
            posix_spawn_file_actions_addopen(&actions, number, "/dev/null", number == 0 ? O_RDONLY : O_WRONLY, 0)
        }
        Confinement.closeAll(from: SandboxWorker.descriptor + 1, in: &actions)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // Not in our group: who interrupts us at the terminal means us, and we stop in order.
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))
        let words = program + words
        // The program itself calls itself what the man page calls it, whatever its file is.
        let name = program == SandboxOptions.ownProgram ? "sluice" : words[0]
        var arguments = ([name] + words.dropFirst()).map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, words[0], &actions, &attributes, &arguments, &variables)
        guard code == 0 else { throw SystemError(call: "posix_spawn", path: words[0], code: code) }
        return process
    }

    /// The handler that prints Swift's backtraces starts a process, which the sandbox forbids. Where libraries are
    /// looked for must be as for us.
    static var environment: [String] {
        let path = getenv("LD_LIBRARY_PATH").map { "LD_LIBRARY_PATH=" + String(cString: $0) }
        return ["SWIFT_BACKTRACE=enable=no"] + [path].compactMap(\.self)
    }
}

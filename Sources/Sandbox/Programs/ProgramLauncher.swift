import Glibc
import MailTypes
import Synchronization

/// Runs programs of an admin's: without a shell, without our descriptors and variables, in a process group of their
/// own, within ``ProgramOptions``. Blocks the thread that asks until the program has ended.
public struct ProgramLauncher: Sendable {
    public let options: ProgramOptions
    private let groups = ProgramGroups()

    /// Octets of its standard error that are kept.
    private static let longestErrors = 1024
    /// How long the end of a program may go unseen, in milliseconds.
    private static let shortestLook: CInt = 2
    private static let longestLook: CInt = 100

    public init(_ options: ProgramOptions) { self.options = options }

    /// Kills what runs, with all that it has started, and from now on whatever is begun: without us nobody would.
    public func endAll() { groups.endAll() }

    /// - Parameters:
    ///   - path: The program's file.
    ///   - folder: Where it starts, and where it may make files.
    ///   - environment: All that it has.
    public func run(
        _ path: String, _ arguments: [String], in folder: String, environment: [String]
    ) -> ProgramRun {
        let begun = ContinuousClock.now
        var run = ProgramRun(end: .timeout)
        do throws(SystemError) {
            let words = ProgramRunner.words(options, in: folder, environment: environment) + [path] + arguments
            var pipes: [CInt] = [-1, -1]
            // What others start in between is given no descriptor but those that are meant.
            guard pipe(&pipes) == 0 else { throw SystemError(call: "pipe", code: errno) }
            for end in pipes { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            // The program's own end waits for us, as it would for anybody.
            _ = fcntl(pipes[0], F_SETFL, O_NONBLOCK)
            defer { close(pipes[0]) }
            let process: pid_t
            do throws(SystemError) { process = try spawn(words, errors: pipes[1]) } catch {
                close(pipes[1])
                throw error
            }
            close(pipes[1])
            groups.add(process)
            run.end = wait(for: process, until: begun + options.timeout.duration, errors: pipes[0], into: &run.errors)
        } catch {
            run.end = .failed("\(error)")
        }
        if case .exit(ProgramRunner.failure) = run.end, run.errors.starts(with: ProgramRunner.complaint) {
            run.end = .failed(String(decoding: run.errors.dropFirst(ProgramRunner.complaint.count), as: UTF8.self))
            run.errors = []
        }
        run.seconds = (ContinuousClock.now - begun) / .seconds(1)
        return run
    }

    // MARK: - Its end

    /// What is left of its group when it has ended is killed with it: nothing goes on behind our back.
    private func wait(
        for process: pid_t, until deadline: ContinuousClock.Instant, errors: CInt, into kept: inout [UInt8]
    ) -> ProgramEnd {
        var look = Self.shortestLook
        var isLate = false
        while !hasEnded(process) {
            if ContinuousClock.now >= deadline {
                isLate = true
                break
            }
            var descriptor = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
            _ = poll(&descriptor, 1, look)
            // Once its standard error is closed there is nothing to wake us: time goes by all the same.
            if !drain(errors, into: &kept) { usleep(UInt32(look) * 1000) }
            look = min(look * 2, Self.longestLook)
        }
        // Before it is collected: until then nobody else can have its number.
        groups.end(process)
        var status: CInt = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        _ = drain(errors, into: &kept)
        if isLate { return .timeout }
        return status & 0x7F == 0 ? .exit(code: Int(status >> 8) & 0xFF) : .signal(Int(status & 0x7F))
    }

    /// Whether it has ended; it stays to be collected.
    private func hasEnded(_ process: pid_t) -> Bool {
        var information = siginfo_t()
        guard waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT) == 0 else {
            return errno != EINTR
        }
        return information.si_signo == SIGCHLD
    }

    /// Takes what is there; `false`: there is nothing, or will never be.
    private func drain(_ errors: CInt, into kept: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        var hasRead = false
        // A program that talks on and on is not listened to for ever.
        for _ in 0..<16 {
            let count = read(errors, &buffer, buffer.count)
            guard count > 0 else { break }
            hasRead = true
            kept += buffer.prefix(min(count, max(0, Self.longestErrors - kept.count)))
        }
        return hasRead
    }

    // MARK: - Starting

    private func spawn(_ words: [String], errors: CInt) throws(SystemError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        Confinement.closeAll(from: 3, in: &actions)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        let file = options.runner.first ?? "/proc/self/exe"
        let name = options.runner == SandboxOptions.ownProgram ? "sluice" : file
        let all = [name] + options.runner.dropFirst() + [ProgramRunner.word] + words
        var arguments = all.map { strdup($0) } + [nil]
        var variables = WorkerProcess.environment.map { strdup($0) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var process: pid_t = 0
        let code = posix_spawn(&process, file, &actions, &attributes, &arguments, &variables)
        guard code == 0 else { throw SystemError(call: "posix_spawn", path: file, code: code) }
        return process
    }
}

/// The groups of programs that run.
private final class ProgramGroups: Sendable {
    private struct State {
        var running: Set<pid_t> = []
        var isOver = false
    }

    private let state = Mutex(State())

    func add(_ process: pid_t) {
        state.withLock { state in
            state.running.insert(process)
            if state.isOver { Self.kill(process) }
        }
    }

    /// Before it is collected.
    func end(_ process: pid_t) {
        state.withLock { state in
            state.running.remove(process)
            Self.kill(process)
        }
    }

    func endAll() {
        state.withLock { state in
            state.isOver = true
            for process in state.running { Self.kill(process) }
        }
    }

    private static func kill(_ process: pid_t) {
        _ = Glibc.kill(-process, SIGKILL)
        _ = Glibc.kill(process, SIGKILL)
    }
}

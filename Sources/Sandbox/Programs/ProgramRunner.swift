import Glibc
import MailTypes

/// The program on its way to become another one: `sluice run-program`, started by `sluice serve` and by nobody else.
///
/// It has one thread. It limits itself and what it becomes, for good, and is then replaced by the program.
public enum ProgramRunner {
    /// The word on the command line that makes the program a runner.
    public static let word = "run-program"
    /// The exit code where the program could not be started, if the standard error begins with ``complaint``.
    static let failure = 126
    static let complaint = Array("sluice: not started: ".utf8)

    /// Whether these are the arguments of a runner, the program's own name first.
    public static func isMeant(by arguments: [String]) -> Bool { arguments.dropFirst().first == word }

    /// One for each limit; what is behind ``end`` is the program's.
    private enum Mark {
        static let memory = "memory=", seconds = "seconds=", file = "file=", folder = "folder="
        static let variable = "variable=", readable = "readable=", writable = "writable=", isolated = "isolated"
        static let end = "--"
    }

    /// What the runner is told, up to the program's own words. A second more of processor time than of any: who only
    /// takes too long is ended by the clock, and told so.
    static func words(_ options: ProgramOptions, in folder: String, environment: [String]) -> [String] {
        var words = [
            Mark.memory + String(options.memory.octets), Mark.file + String(options.fileSize.octets),
            Mark.seconds + String(Int(max(1, min(86_400, options.timeout.seconds)).rounded(.up)) + 1),
            Mark.folder + folder,
        ]
        if options.isIsolated { words.append(Mark.isolated) }
        words += environment.map { Mark.variable + $0 }
        words += (ProgramOptions.systemFolders + options.readable).map { Mark.readable + $0 }
        words += ([folder] + options.writable).map { Mark.writable + $0 }
        return words + [Mark.end]
    }

    /// Does not return where the program could be started.
    public static func run(_ arguments: [String]) -> CInt {
        let all = arguments.dropFirst(2)
        guard let end = all.firstIndex(of: Mark.end), all.index(after: end) < all.endIndex else {
            SandboxWorker.complain("programs are started by `sluice serve`")
            return 2
        }
        do {
            try become(Array(all[all.index(after: end)...]), told: Array(all[..<end]))
        } catch {
            let text = complaint + Array("\(error)".utf8)
            _ = write(2, text, text.count)
            return CInt(failure)
        }
    }

    private static func become(_ program: [String], told words: [String]) throws(Confinement.Failure) -> Never {
        guard getuid() != 0, geteuid() != 0 else {
            throw Confinement.Failure(reason: "root runs no programs; let the server have a user (`[run] user`)")
        }
        func values(_ mark: String) -> [String] {
            words.filter { $0.hasPrefix(mark) }.map { String($0.dropFirst(mark.count)) }
        }
        guard let memory = values(Mark.memory).first.flatMap(UInt64.init),
            let seconds = values(Mark.seconds).first.flatMap(UInt64.init),
            let file = values(Mark.file).first.flatMap(UInt64.init), let folder = values(Mark.folder).first
        else { throw Confinement.Failure(reason: "a limit is missing") }
        guard chdir(folder) == 0 else { throw Confinement.Failure(reason: "chdir \(folder): \(errno)") }
        try Confinement.dieWithParent()
        var arguments = program.map { strdup($0) } + [nil]
        var variables = values(Mark.variable).map { strdup($0) } + [nil]
        if words.contains(Mark.isolated) {
            try Confinement.keepProgram(
                readable: values(Mark.readable), writable: values(Mark.writable), away: getppid())
        } else {
            try Confinement.forbidRights()
        }
        try Confinement.limit(RLIMIT_CORE, 0)
        try Confinement.limit(RLIMIT_FSIZE, file)
        try Confinement.limit(RLIMIT_NOFILE, descriptors)
        try Confinement.limit(RLIMIT_CPU, seconds)
        umask(0o077)
        guard let first = program.first, let path = strdup(first) else {
            throw Confinement.Failure(reason: "no program is named")
        }
        guard access(path, X_OK) == 0 else {
            throw Confinement.Failure(reason: "\(first): \(String(cString: strerror(errno)))")
        }
        let refusal = complaint + Array("\(first) cannot be executed".utf8)
        // From here on nothing may be allocated: this program is larger than the next may be.
        try Confinement.limit(RLIMIT_AS, memory)
        execve(path, &arguments, &variables)
        _ = write(2, refusal, refusal.count)
        _exit(CInt(failure))
    }

    private static let descriptors: UInt64 = 256
}

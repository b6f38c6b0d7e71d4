import CSeccomp
import Glibc
import MailTypes

@testable import Sandbox

/// A worker of the tests that does what none should: `SandboxProbe DEED worker MEMORY SECONDS`, started in a worker's
/// place. It closes the sandbox as a worker does, says that it is ready, and does its deed at the first request.
@main enum SandboxProbe {
    static func main() {
        let words = CommandLine.arguments
        if words.dropFirst() == ["serverWithoutMemoryFiles"] { exit(startWithoutMemoryFiles()) }
        if words.count > 2, words[2] == ScannerTemplate.word, let deed = Deed(rawValue: words[1]) {
            exit(ScannerTemplate.run(Array(words.dropFirst())) { _, options in ScannerDeed(deed, options) })
        }
        if words.count > 2, words[2] == ProgramRunner.word { exit(runProgram(as: words[1], words)) }
        guard words.count == 5, let deed = Deed(rawValue: words[1]), let memory = Int(words[3]) else { exit(2) }
        if deed == .withoutSeccomp { becomeWorkerWithoutSeccomp(Array(words[2...])) }
        let channel = PacketChannel(descriptor: SandboxWorker.descriptor)
        do {
            if deed != .deaf { try Confinement.enter(memory: memory, seconds: 60) }
            try channel.send(WorkerReply.ready(version: WorkerReply.version).packet)
            if deed == .deaf { answerUnread(on: channel) }
            while let packet = try channel.receive(takesDescriptor: true) {
                let job = try PacketReader.request(packet.octets).job
                deed.happen(packet.descriptor)
                let reply = WorkerReply.done(job: job, .signatures([])).packet
                switch deed {
                case .twice:
                    try channel.send(reply)
                    try channel.send(reply)
                case .descriptors: sendDescriptors(with: reply, on: channel)
                default: try channel.send(reply)
                }
                if let descriptor = packet.descriptor { close(descriptor) }
            }
            exit(0)
        } catch { exit(3) }
    }

    /// Runs a program as a server would whose user has no rights, or as whoever we are.
    private static func runProgram(as user: String, _ words: [String]) -> CInt {
        if user == "nobody", getuid() == 0 {
            guard let nobody = getpwnam("nobody")?.pointee, setgroups(0, nil) == 0, setgid(nobody.pw_gid) == 0,
                setuid(nobody.pw_uid) == 0
            else { return 4 }
        }
        return ProgramRunner.run(Array(words.dropFirst()))
    }

    /// Replies to each request and reads none, until there is no room for further ones.
    private static func answerUnread(on channel: PacketChannel) -> Never {
        var (job, known) = (UInt32(0), CInt(0))
        while true {
            var waiting: CInt = 0
            guard ioctl(channel.descriptor, UInt(FIONREAD), &waiting) == 0 else { exit(4) }
            guard waiting > known else {
                usleep(100)
                continue
            }
            (job, known) = (job + 1, waiting)
            guard (try? channel.send(WorkerReply.done(job: job, .signatures([])).packet)) != nil else { exit(0) }
        }
    }

    /// Two descriptors, where the server's reader might count on one at most.
    private static func sendDescriptors(with octets: [UInt8], on channel: PacketChannel) {
        // cmsghdr, and what it is about. cmsg(3).
        var control: [UInt64] = [24, UInt64(SCM_RIGHTS) << 32 | UInt64(SOL_SOCKET), 2 << 32 | 1]
        octets.withUnsafeBytes { raw in
            var piece = iovec(iov_base: UnsafeMutableRawPointer(mutating: raw.baseAddress), iov_len: raw.count)
            withUnsafeMutablePointer(to: &piece) { piece in
                control.withUnsafeMutableBytes { control in
                    var header = msghdr()
                    (header.msg_iov, header.msg_iovlen) = (piece, 1)
                    (header.msg_control, header.msg_controllen) = (control.baseAddress, control.count)
                    if sendmsg(channel.descriptor, &header, 0) < 0 { exit(5) }
                }
            }
        }
    }

    /// As in a container that allows no filters: the real worker, for which the call fails.
    private static func becomeWorkerWithoutSeccomp(_ words: [String]) -> Never {
        forbid("seccomp")
        var arguments = ([server] + words).map { strdup($0) } + [nil]
        execv(server, &arguments)
        exit(8)
    }

    /// As in a container that allows no files in memory: a server that is to start a worker, and prints why it can't.
    private static func startWithoutMemoryFiles() -> CInt {
        forbid("memfd_create")
        var options = SandboxOptions()
        options.program = [server]
        do throws(WorkerStartFailure) {
            try WorkerProcess(options).end(.recycled)
            print("there is one")
        } catch { print(error.reason) }
        return 0
    }

    /// Has the kernel refuse a call to this process from now on.
    private static func forbid(_ name: String) {
        guard let filter = seccomp_init(UInt32(SCMP_ACT_ALLOW)) else { exit(6) }
        let failure = UInt32(0x0005_0000) | UInt32(EPERM)
        let call = seccomp_syscall_resolve_name(name)
        _ = sluice_forbid_rights()
        guard seccomp_rule_add_array(filter, failure, call, 0, nil) == 0, seccomp_load(filter) == 0 else { exit(7) }
    }

    /// The program, which lies beside this one.
    private static var server: String {
        var path = [CChar](repeating: 0, count: 4096)
        _ = readlink("/proc/self/exe", &path, path.count - 1)
        let own = path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: own[...(own.lastIndex(of: UInt8(ascii: "/")) ?? 0)], as: UTF8.self) + "sluice"
    }
}

/// A scanner that does its deed at the first message, and finds nothing.
final class ScannerDeed: Bench {
    private let deed: Deed
    private let options: ScannerOptions

    init(_ deed: Deed, _ options: ScannerOptions) {
        self.deed = deed
        self.options = options
    }

    func begin(_ job: UInt32, _ order: JobOrder, _ material: JobMaterial?) -> WorkerReply {
        .done(job: job, .scan([deed.happen(outside: options.folder)].compactMap(\.self)))
    }

    func resume(_ job: UInt32, _ answers: [LookUpAnswer]) -> WorkerReply { drop(job) }
    func drop(_ job: UInt32) -> WorkerReply { .failed(job: job, reason: "dropped") }
}

/// What a worker might do once a message has taken it over.
enum Deed: String {
    case spawn, thread, open, socket, signal, program, code, limit, abort, memory, spin, output, message
    case twice, deaf, descriptors, withoutSeccomp
    /// In files: of others, of the folder beside its own, and what it should not be able to make.
    case read, write, neighbour, link, rename, mode, fill

    /// What came of it, where it comes to its end.
    func happen(outside folder: String) -> String? {
        func result(_ code: CInt) -> String { code >= 0 ? "done" : String(cString: strerror(errno)) }
        let own = "\(folder)/1"
        switch self {
        case .read: return result(Glibc.open("/etc/passwd", O_RDONLY))
        case .write: return result(Glibc.open("/tmp/scanner-was-here", O_WRONLY | O_CREAT, 0o600))
        case .neighbour: return result(Glibc.open("\(folder)/secret", O_RDONLY))
        case .link: return result(symlink("/etc/passwd", "\(own)/link"))
        case .rename: return result(Glibc.rename("\(folder)/secret", "\(own)/secret"))
        case .mode:
            // Seems to be done; the test looks at the file.
            return result(chmod("\(folder)/secret", 0o666))
        case .fill:
            let file = Glibc.open("\(own)/large", O_WRONLY | O_CREAT, 0o600)
            let block = [UInt8](repeating: 0, count: 1 << 20)
            while Glibc.write(file, block, block.count) > 0 {}
            return result(-1)
        default:
            happen(nil)
            return nil
        }
    }

    func happen(_ message: CInt?) {
        switch self {
        case .spawn:
            var process: pid_t = 0
            posix_spawn(&process, "/bin/true", nil, nil, [nil], [nil])
        case .thread:
            var thread = pthread_t()
            pthread_create(&thread, nil, { _ in nil }, nil)
        case .open: _ = Glibc.open("/etc/passwd", O_RDONLY)
        case .socket: _ = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        case .signal: kill(getppid(), SIGTERM)
        case .program: execv("/bin/true", [nil])
        case .code: _ = mmap(nil, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        case .limit:
            var limits = rlimit(rlim_cur: 1 << 20, rlim_max: 1 << 20)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
        case .abort: Glibc.abort()
        case .memory: takeAll()
        case .spin: while getpid() > 0 {}
        case .output:
            for descriptor: CInt in 1...2 { _ = Glibc.write(descriptor, "250 OK\r\n", 8) }
        case .message: if let message { _ = Glibc.write(message, "x", 1) }
        case .twice, .deaf, .descriptors, .withoutSeccomp: break
        case .read, .write, .neighbour, .link, .rename, .mode, .fill: break
        }
    }

    /// From the kernel itself: under a sanitizer malloc(3) ends otherwise.
    private func takeAll() {
        while let octets = mmap(nil, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            octets != MAP_FAILED
        { memset(octets, 1, 1 << 20) }
        Glibc.abort()
    }
}

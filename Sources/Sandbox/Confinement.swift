import CSeccomp
import Glibc

/// The sandbox that a process closes around itself: resource limits, then a filter of system calls, with no way back.
///
/// It is closed after libopendkim and libcrypto have done everything once, so that what they load lazily is loaded, and
/// before the first octet of a stranger comes.
enum Confinement {
    struct Failure: Error, CustomStringConvertible {
        let reason: String
        var description: String { reason }
    }

    /// What a worker may call; anything else ends it at once with SIGSYS.
    ///
    /// No file is opened, no socket made, no process or thread started. Memory is got and given back (never
    /// executable), the one socket is read and written, time is asked, random octets are drawn.
    static let calls = [
        "read", "write", "recvmsg", "sendmsg", "close", "munmap", "mremap", "brk", "madvise", "futex", "clock_gettime",
        "gettimeofday", "time", "getrandom", "getpid", "gettid", "sched_yield", "rt_sigreturn", "rt_sigprocmask",
        "sigaltstack", "restart_syscall", "exit", "exit_group",
    ]

    /// Descriptors: the standard ones, the channel, a message, and some to spare.
    static let descriptors: UInt64 = 16

    /// What a scanner may call besides, in a folder of its own: the kernel opens, makes and removes nothing elsewhere.
    static let fileCalls = [
        "open", "openat", "stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "lseek",
        "pread64", "pwrite64", "readv", "writev", "ftruncate", "fcntl", "getdents64", "mkdir", "mkdirat", "unlink",
        "unlinkat", "rmdir", "getcwd",
    ]

    /// What answers without being done: the files that a scanner makes have the rights that they should have, and by
    /// its name one could change those of any.
    static let idleCalls = ["chmod", "fchmod", "fchmodat"]

    /// What a template may call besides: it starts scanners, and these close sandboxes of their own.
    static let templateCalls = [
        "dup2", "dup3", "fork", "wait4", "getppid", "set_robust_list", "rseq", "prctl", "prlimit64", "setrlimit",
        "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self",
    ]

    /// `memory`: octets beyond what the program has mapped already; `seconds`: of processor time in all.
    static func enter(memory: Int, seconds: Int) throws(Failure) {
        try limit(octets: try mappedMemory(), memory, seconds: seconds, file: 0, descriptors: descriptors)
        try check(sluice_forbid_rights(), "prctl")
        try filter(calls)
    }

    /// Descriptors of a scanner: some for each file in a file in a file.
    static let scannerDescriptors: UInt64 = 256

    /// What a scanner is limited by: octets of memory beyond the `mapped` ones, processor time, octets of a file.
    struct Limits {
        var mapped: Int
        var memory: Int
        var seconds: Int
        var file: Int
    }

    /// The sandbox of a scanner, which may also make files in that folder.
    static func enter(_ limits: Limits, folder: String) throws(Failure) {
        try limit(
            octets: limits.mapped, limits.memory, seconds: limits.seconds, file: UInt64(clamping: limits.file),
            descriptors: scannerDescriptors)
        try keep(to: folder)
        try filter(calls + fileCalls, idle: idleCalls)
    }

    /// The sandbox of a template: no other files than those in the folder, no programs, no network.
    static func enterTemplate(folder: String) throws(Failure) {
        try limit(RLIMIT_CORE, 0)
        try keep(to: folder)
        try filter(calls + fileCalls + templateCalls, idle: idleCalls, forks: true)
    }

    private static func limit(
        octets mapped: Int, _ memory: Int, seconds: Int, file: UInt64, descriptors: UInt64
    ) throws(Failure) {
        try limit(RLIMIT_CORE, 0)
        try limit(RLIMIT_FSIZE, file)
        try limit(RLIMIT_NOFILE, descriptors)
        try limit(RLIMIT_AS, UInt64(clamping: mapped.addingReportingOverflow(memory).partialValue))
        try limit(RLIMIT_CPU, UInt64(clamping: max(1, seconds)))
    }

    private static func keep(to folder: String) throws(Failure) {
        try check(sluice_forbid_rights(), "prctl")
        try check(sluice_keep_to_folder(folder), "the kernel or a container allows no Landlock rules for \(folder)")
    }

    // MARK: Programs of an admin's

    /// No new rights from now on, for whatever this process becomes.
    static func forbidRights() throws(Failure) { try check(sluice_forbid_rights(), "prctl") }

    /// Which calls fail for a program: who leaves its process group would not be killed with it, and there is nothing
    /// to look for in other processes.
    static let programCalls = [
        "setsid", "setpgid", "ptrace", "process_vm_readv", "process_vm_writev", "unshare", "setns", "mount",
        "pidfd_open", "pidfd_getfd", "kcmp", "bpf", "perf_event_open", "userfaultfd",
    ]

    /// The sandbox of a program: files of these folders alone, and no signal to `server`, its group or everybody.
    static func keepProgram(readable: [String], writable: [String], away server: pid_t) throws(Failure) {
        try forbidRights()
        let rules = sluice_make_rules()
        guard rules >= 0 else { throw Failure(reason: "the kernel or a container allows no Landlock rules") }
        // As `sluice_add_rule` counts them.
        for (kind, folders) in [readable, writable, [ProgramOptions.devices]].enumerated() {
            for folder in folders { try check(sluice_add_rule(rules, folder, CInt(kind)), folder) }
        }
        try check(sluice_keep_rules(rules), "Landlock rules")
        guard let filter = seccomp_init(UInt32(SCMP_ACT_ALLOW)) else {
            throw Failure(reason: "the kernel or a container allows no seccomp filter")
        }
        defer { seccomp_release(filter) }
        for name in programCalls {
            let call = seccomp_syscall_resolve_name(name)
            guard call >= 0 else { continue }
            try check(seccomp_rule_add_array(filter, errnoAction | UInt32(EPERM), call, 0, nil), name)
        }
        for name in ["kill", "tgkill", "tkill"] {
            let call = seccomp_syscall_resolve_name(name)
            guard call >= 0 else { continue }
            for process in [server, -server, -1] {
                let value = UInt(UInt32(bitPattern: process))
                try check(sluice_deny_masked(filter, call, 0, UInt(UInt32.max), value), name)
            }
        }
        try check(seccomp_load(filter), "the kernel or a container allows no seccomp filter")
    }

    /// The copy of this process that goes on beside it; 0 in the copy.
    static func fork() -> pid_t { sluice_fork() }

    // MARK: What else a sandbox takes of the system

    /// A file in memory, without a name; -1 with `errno`.
    static func memoryFile() -> CInt { sluice_memory_file() }

    /// The same, but it can be sealed.
    static func sealableFile() -> CInt { sluice_sealable_file() }

    /// From now on nobody can change the file, or its size; 0 or `errno`.
    static func seal(_ file: CInt) -> CInt { sluice_seal(file) }

    static func isSealed(_ file: CInt) -> Bool { sluice_is_sealed(file) != 0 }

    /// Has a process that is to be started begin without any descriptor from this on.
    static func closeAll(from first: CInt, in actions: inout posix_spawn_file_actions_t) {
        _ = sluice_close_from(&actions, first)
    }

    /// The kernel ends this process when the thread that started it ends.
    static func dieWithParent() throws(Failure) { try check(sluice_die_with_parent(SIGKILL), "prctl") }

    /// What ps(1) and the kernel's log call this process, which was started from a file called `exe`.
    static func name(_ name: StaticString) throws(Failure) {
        let code = name.withUTF8Buffer { octets in
            octets.withMemoryRebound(to: CChar.self) { sluice_name_process($0.baseAddress) }
        }
        try check(code, "prctl")
    }

    private static func check(_ code: CInt, _ what: String) throws(Failure) {
        guard code != 0 else { return }
        throw Failure(reason: "\(what): \(String(cString: strerror(abs(code))))")
    }

    static func limit(_ resource: __rlimit_resource, _ value: UInt64) throws(Failure) {
        var limits = rlimit(rlim_cur: rlim_t(value), rlim_max: rlim_t(value))
        guard setrlimit(__rlimit_resource_t(resource.rawValue), &limits) == 0 else {
            throw Failure(reason: "setrlimit: \(errno)")
        }
    }

    /// The size of this process, in octets. proc(5), /proc/pid/statm.
    static func mappedMemory() throws(Failure) -> Int {
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw Failure(reason: "/proc/self/statm cannot be read") }
        defer { close(file) }
        var octets = [UInt8](repeating: 0, count: 128)
        let count = read(file, &octets, octets.count)
        let digits = octets.prefix(max(0, count)).prefix { $0 &- 0x30 < 10 }
        guard let pages = Int(String(decoding: digits, as: UTF8.self)) else {
            throw Failure(reason: "/proc/self/statm says nothing")
        }
        return pages * sysconf(CInt(_SC_PAGESIZE))
    }

    /// `SCMP_ACT_ERRNO(0)`: a macro with an argument.
    private static let errnoAction: UInt32 = 0x0005_0000
    /// Of clone(2): `CLONE_VM`, `CLONE_PTRACE`, `CLONE_THREAD`, and all namespaces.
    private static let newKinds: UInt32 = 0x0000_0100 | 0x0000_2000 | 0x0001_0000 | 0x7E02_0000 | 0x0000_0080

    private static func filter(_ calls: [String], idle: [String] = [], forks: Bool = false) throws(Failure) {
        // It asks the kernel what there is, and fails where the call is forbidden.
        guard let filter = seccomp_init(UInt32(SCMP_ACT_KILL_PROCESS)) else {
            throw Failure(reason: "the kernel or a container allows no seccomp filter")
        }
        defer { seccomp_release(filter) }
        for name in calls {
            let call = seccomp_syscall_resolve_name(name)
            // Some do not exist on every processor.
            guard call >= 0 else { continue }
            try check(seccomp_rule_add_array(filter, UInt32(SCMP_ACT_ALLOW), call, 0, nil), name)
        }
        for name in idle {
            let call = seccomp_syscall_resolve_name(name)
            guard call >= 0 else { continue }
            // "Failed" with no error: done.
            try check(seccomp_rule_add_array(filter, errnoAction, call, 0, nil), name)
        }
        if forks {
            let call = seccomp_syscall_resolve_name("clone")
            try check(sluice_allow_masked(filter, call, 0, UInt(newKinds), 0), "clone")
        }
        for name in ["mmap", "mprotect"] {
            let call = seccomp_syscall_resolve_name(name)
            try check(sluice_allow_masked(filter, call, 2, UInt(PROT_EXEC), 0), name)
        }
        // For abort(3): a signal to itself.
        let signal = seccomp_syscall_resolve_name("tgkill")
        if forks {
            try check(seccomp_rule_add_array(filter, UInt32(SCMP_ACT_ALLOW), signal, 0, nil), "tgkill")
        } else {
            try check(sluice_allow_masked(filter, signal, 0, UInt(UInt32.max), UInt(getpid())), "tgkill")
        }
        // What the kernel says is told as it is. Where it allows no filters there is no worker.
        try check(seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1), "seccomp_attr_set")
        try check(seccomp_load(filter), "the kernel or a container allows no seccomp filter")
    }
}

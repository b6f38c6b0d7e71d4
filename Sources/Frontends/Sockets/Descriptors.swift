#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How many files this process may have open. getrlimit(2).
public enum Descriptors {
    static var limit: Int { Int(clamping: limits.rlim_cur) }

    /// Raises the soft limit to the hard one. Processes are begun with a low soft limit for the sake of old programs
    /// that use select(2), which nothing here does.
    public static func raiseLimit() {
        var raised = limits
        guard raised.rlim_cur < raised.rlim_max else { return }
        raised.rlim_cur = raised.rlim_max
        // Where even that is refused, the limit stays as it is, and connections are bounded by it.
        setrlimit(resource, &raised)
    }

    private static var limits: rlimit {
        var limits = rlimit()
        guard getrlimit(resource, &limits) == 0 else { return rlimit(rlim_cur: 1024, rlim_max: 1024) }
        return limits
    }

    #if canImport(Glibc)
        private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
        private static let resource = RLIMIT_NOFILE
    #endif
}

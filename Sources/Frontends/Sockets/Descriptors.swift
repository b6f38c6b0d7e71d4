#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How many files this process may have open. getrlimit(2).
enum Descriptors {
    static var limit: Int {
        var limit = rlimit()
        #if canImport(Glibc)
            guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        #else
            guard getrlimit(RLIMIT_NOFILE, &limit) == 0 else { return 1024 }
        #endif
        return Int(clamping: limit.rlim_cur)
    }
}

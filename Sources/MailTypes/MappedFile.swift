#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A file's content as memory, read-only, until the last reader lets go.
///
/// The file may be renamed or unlinked meanwhile, but never truncated: reading past its new end
/// would be a bus error. Sluice maps only files that it wrote itself and never shortens.
public final class MappedFile: Sendable {
    private nonisolated(unsafe) let base: UnsafeRawPointer?
    public let count: Int

    /// Maps the first `count` octets of an open file; the descriptor may be closed afterwards.
    public init(descriptor: CInt, count: Int) throws(SystemError) {
        self.count = count
        guard count > 0 else {
            base = nil
            return
        }
        let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard address != MAP_FAILED, let address else { throw SystemError(call: "mmap", code: errno) }
        base = UnsafeRawPointer(address)
    }

    deinit {
        if let base { munmap(UnsafeMutableRawPointer(mutating: base), count) }
    }

    func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }
}

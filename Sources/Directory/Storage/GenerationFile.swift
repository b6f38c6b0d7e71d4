import Foundation
import MailTypes
import Synchronization

/// A number in a file that all processes have mapped: whoever changes the directory counts it up after
/// the commit, and whoever has cached answers sees at the next question that they are old.
///
/// Reading it is one load from memory. The file is never shortened, so the mapping stays good.
final class GenerationFile: Sendable {
    private nonisolated(unsafe) let base: UnsafeMutableRawPointer
    private static let size = 4_096
    /// Added to the shared number: what this process alone has noticed.
    private let local = Atomic<UInt64>(0)

    init(path: String) throws(SystemError) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError(call: "open", path: path, code: errno) }
        defer { Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemError(call: "fstat", path: path, code: errno) }
        if status.st_size < Self.size, ftruncate(descriptor, off_t(Self.size)) != 0 {
            throw SystemError(call: "ftruncate", path: path, code: errno)
        }
        let address = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard address != MAP_FAILED, let address else { throw SystemError(call: "mmap", path: path, code: errno) }
        base = address
    }

    deinit { munmap(base, Self.size) }

    private var shared: UnsafeMutablePointer<Atomic<UInt64>> {
        base.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// Never the same after a change.
    var current: UInt64 {
        shared.pointee.load(ordering: .acquiring) &+ local.load(ordering: .acquiring)
    }

    /// Tells every process that the directory has changed.
    func advance() { shared.pointee.wrappingAdd(1, ordering: .acquiringAndReleasing) }

    /// This process noticed a change that nobody told.
    func advanceLocally() { local.wrappingAdd(1, ordering: .acquiringAndReleasing) }
}

import Glibc
import MailTypes

/// A message, or what else a job is about, as a file without a name, to be passed to a worker.
enum SharedMessage {
    /// The descriptor is the caller's to close.
    static func descriptor(of pieces: [Bytes]) throws(SystemError) -> CInt {
        let file = Confinement.memoryFile()
        guard file >= 0 else { throw SystemError(call: "memfd_create", code: errno) }
        do throws(SystemError) {
            for piece in pieces {
                try piece.withUnsafeBytes { (octets) throws(SystemError) in try write(octets, to: file) }
            }
        } catch {
            close(file)
            throw error
        }
        return file
    }

    /// Whether there can be such files.
    static func probe() throws(SystemError) {
        let file = Confinement.memoryFile()
        guard file >= 0 else { throw SystemError(call: "memfd_create", code: errno) }
        close(file)
    }

    /// Writes all of it.
    static func write(_ octets: UnsafeRawBufferPointer, to file: CInt) throws(SystemError) {
        var place = 0
        while place < octets.count, let base = octets.baseAddress {
            let count = Glibc.write(file, base + place, octets.count - place)
            if count > 0 {
                place += count
            } else if count == 0 || errno != EINTR {
                throw SystemError(call: "write", code: count == 0 ? ENOSPC : errno)
            }
        }
    }
}

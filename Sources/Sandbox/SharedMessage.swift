import Glibc
import MailTypes

/// A message, or what else a job is about, as a file without a name, to be passed to a worker.
enum SharedMessage {
    /// The descriptor is the caller's to close.
    static func descriptor(of pieces: [Bytes]) throws(SystemError) -> CInt {
        let file = Confinement.memoryFile()
        guard file >= 0 else { throw SystemError(call: "memfd_create", code: errno) }
        do throws(SystemError) {
            for piece in pieces { try write(piece, to: file) }
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

    private static func write(_ piece: Bytes, to file: CInt) throws(SystemError) {
        let code = piece.withUnsafeBytes { octets -> CInt in
            var place = 0
            while place < octets.count, let base = octets.baseAddress {
                let count = Glibc.write(file, base + place, octets.count - place)
                if count > 0 {
                    place += count
                } else if count == 0 || errno != EINTR {
                    return count == 0 ? ENOSPC : errno
                }
            }
            return 0
        }
        guard code == 0 else { throw SystemError(call: "write", code: code) }
    }
}

import Glibc
import MailTypes

/// Compiled patterns in memory that the server and all workers share, and that nobody can change any more.
///
/// It is a file without a name, sealed (fcntl(2), F_ADD_SEALS) before a worker gets it: one that has been taken over
/// can neither change what the others read nor shorten it under them.
final class SharedImage: Sendable {
    let octets: Bytes
    /// The file; `nil` in a worker, which has mapped it and needs it no more.
    let descriptor: CInt?

    init(_ image: UnsafeRawBufferPointer) throws(SystemError) {
        let file = Confinement.sealableFile()
        guard file >= 0 else { throw SystemError(call: "memfd_create", code: errno) }
        do throws(SystemError) { octets = try Self.filled(file, with: image) } catch {
            close(file)
            throw error
        }
        descriptor = file
    }

    private static func filled(_ file: CInt, with image: UnsafeRawBufferPointer) throws(SystemError) -> Bytes {
        try SharedMessage.write(image, to: file)
        let code = Confinement.seal(file)
        guard code == 0 else { throw SystemError(call: "fcntl F_ADD_SEALS", code: code) }
        return Bytes(try MappedFile(descriptor: file, count: image.count))
    }

    /// Of a file that the server has sealed; the descriptor stays the caller's.
    init(descriptor: CInt, count: Int) throws(SystemError) {
        octets = Bytes(try MappedFile(descriptor: descriptor, count: count))
        self.descriptor = nil
    }

    deinit {
        if let descriptor { close(descriptor) }
    }
}

#if canImport(Glibc)
    import Glibc
#endif
import MailTypes

/// One end of a socket pair that keeps packets apart, each with at most one descriptor.
struct PacketChannel: Sendable {
    let descriptor: CInt

    /// What came: a packet, perhaps with a descriptor, which is now the receiver's to close.
    struct Packet {
        var octets: [UInt8]
        var descriptor: CInt?
    }

    /// Both ends, closed on exec.
    static func pair() throws(SystemError) -> (CInt, CInt) {
        var ends: [CInt] = [-1, -1]
        let type = CInt(SOCK_SEQPACKET.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw SystemError(call: "socketpair", code: errno) }
        return (ends[0], ends[1])
    }

    /// `cmsghdr` with one descriptor behind it, as `CMSG_LEN` and `CMSG_SPACE` lay it out. cmsg(3).
    private struct Rights {
        var length = MemoryLayout<Int>.size + 3 * MemoryLayout<CInt>.size
        var level = CInt(SOL_SOCKET)
        var type = CInt(SCM_RIGHTS)
        var descriptor: CInt = -1
        var padding: CInt = 0
    }

    /// Who does not read is not waited for where `waits` is off: a full buffer is EAGAIN then.
    func send(_ octets: [UInt8], descriptor passed: CInt? = nil, waits: Bool = true) throws(SystemError) {
        var rights = Rights(descriptor: passed ?? -1)
        let flags = CInt(MSG_NOSIGNAL) | (waits ? 0 : CInt(MSG_DONTWAIT))
        let result = octets.withUnsafeBytes { raw in
            var piece = iovec(iov_base: UnsafeMutableRawPointer(mutating: raw.baseAddress), iov_len: raw.count)
            return withUnsafeMutablePointer(to: &piece) { piece in
                withUnsafeMutableBytes(of: &rights) { control in
                    var header = msghdr()
                    header.msg_iov = piece
                    header.msg_iovlen = 1
                    if passed != nil {
                        header.msg_control = control.baseAddress
                        header.msg_controllen = control.count
                    }
                    return retried { sendmsg(descriptor, &header, flags) }
                }
            }
        }
        guard result >= 0 else { throw SystemError(call: "sendmsg", code: errno) }
    }

    /// The next packet; `nil`: the other end is closed.
    ///
    /// Who takes no descriptors gets none: there is no place for them, so the kernel closes what the other end has
    /// sent, however many they are, and the packet is an error.
    func receive(takesDescriptor: Bool) throws(SystemError) -> Packet? {
        var rights = Rights()
        var flags: CInt = 0
        var hasRights = false
        var result = 0
        let octets = [UInt8](unsafeUninitializedCapacity: PacketLimits.packet) { buffer, count in
            var piece = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
            result = withUnsafeMutablePointer(to: &piece) { piece in
                withUnsafeMutableBytes(of: &rights) { control in
                    var header = msghdr()
                    header.msg_iov = piece
                    header.msg_iovlen = 1
                    if takesDescriptor {
                        header.msg_control = control.baseAddress
                        header.msg_controllen = control.count
                    }
                    let result = retried { recvmsg(descriptor, &header, CInt(MSG_CMSG_CLOEXEC)) }
                    flags = header.msg_flags
                    hasRights = result > 0 && header.msg_controllen > 0
                    return result
                }
            }
            count = max(0, result)
        }
        guard result >= 0 else { throw SystemError(call: "recvmsg", code: errno) }
        guard result > 0 else { return nil }
        let passed = hasRights && rights.type == CInt(SCM_RIGHTS) && rights.descriptor >= 0 ? rights.descriptor : nil
        guard flags & CInt(MSG_TRUNC) == 0, takesDescriptor || flags & CInt(MSG_CTRUNC) == 0 else {
            if let passed { close(passed) }
            throw SystemError(call: "recvmsg", code: EMSGSIZE)
        }
        return Packet(octets: octets, descriptor: passed)
    }

    /// Whether something can be received, or the other end is closed, within that time.
    func isReadable(within limit: Duration) -> Bool {
        let end = ContinuousClock.now + limit
        while true {
            let left = max(.zero, end - .now)
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
            var source = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let count = poll(&source, 1, CInt(clamping: left > .zero ? milliseconds + 1 : 0))
            if count > 0 { return true }
            if count < 0, errno != EINTR { return true }
            if end <= .now { return false }
        }
    }
}

/// The call's result, once no signal interrupts it.
private func retried(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}

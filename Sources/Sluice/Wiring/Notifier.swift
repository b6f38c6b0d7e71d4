import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// Tells systemd how the service is, where there is a systemd that asked. sd_notify(3).
enum Notifier {
    static func tell(_ state: String) {
        guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"] else { return }
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var text = state
        if state.hasPrefix("RELOADING") {
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            text += "\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)"
        }
        // An abstract socket begins with @ here and with a zero octet there.
        let name = path.hasPrefix("@") ? "\0" + path.dropFirst() : path
        guard let address = try? UnixAddress(name) else { return }
        let octets = Array(text.utf8)
        _ = address.with { sendto(descriptor, octets, octets.count, CInt(MSG_NOSIGNAL), $0, $1) }
    }
}

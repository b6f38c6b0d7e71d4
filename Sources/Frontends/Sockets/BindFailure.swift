import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An address at which the server cannot wait for anybody.
public struct BindFailure: Error, Hashable {
    public var address: BindAddress
    /// Whose it was to be, such as `listener smtp`.
    public var owner: String
    /// The system's words, as part of a sentence.
    public var reason: String
    /// What to do about it, as a sentence of its own; `nil` where the reason says all.
    public var advice: String?

    init(_ address: BindAddress, of owner: String, _ error: any Error) {
        self.address = address
        self.owner = owner
        switch error {
        case let error as IOError:
            reason = error.words
            advice = Self.advice(error.errnoCode, address)
        case is UnixDomainSocketPathWrongType: reason = "there is a file that is no socket"
        default: reason = "\(error)"
        }
    }

    private static func advice(_ code: CInt, _ address: BindAddress) -> String? {
        switch (address, code) {
        case (.ip, EADDRINUSE): "Another server has the port; `ss -ltnp` names it."
        case (.ip, EADDRNOTAVAIL): "This machine has no such address; `ip address` lists those that it has."
        case (.ip, EACCES): "Ports below 1024 need root or CAP_NET_BIND_SERVICE."
        case (.unix, EADDRINUSE): "Another server listens there."
        case (.unix, EACCES), (.unix, EPERM), (.unix, ENOENT):
            "The socket's folder must be there, and must be the server's user's."
        default: nil
        }
    }
}

extension IOError {
    /// What the system calls it, as part of a sentence.
    var words: String {
        let words = String(cString: strerror(errnoCode))
        return words.prefix(1).lowercased() + words.dropFirst()
    }
}

extension BindFailure: CustomStringConvertible {
    public var description: String { "\(address) (\(owner)) cannot be bound: \(reason)" }
}

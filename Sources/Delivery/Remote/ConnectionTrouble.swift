import MailTypes
import NIOCore
import NIOSSL

/// What went wrong with a connection, in words for the sender and the log: no function names, no descriptors.
enum ConnectionTrouble {
    /// Longer texts are cut.
    private static let maxText = 200

    static func text(_ error: any Error) -> String {
        switch error {
        case let error as IOError: SystemError(call: "", code: error.errnoCode).reason
        case is ChannelError: "The connection is closed"
        case let error as NIOSSLError: text(error)
        case let error as BoringSSLError: text(error)
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            "the certificate is for another name"
        default: String(String(describing: error).prefix(maxText))
        }
    }

    private static func text(_ error: NIOSSLError) -> String {
        switch error {
        case .handshakeFailed(let cause), .shutdownFailed(let cause): text(cause)
        case .noCertificateToValidate: "the server shows no certificate"
        case .unableToValidateCertificate: "the certificate cannot be verified"
        case .uncleanShutdown: "the server closed the connection"
        default: String(describing: error)
        }
    }

    private static func text(_ error: BoringSSLError) -> String {
        switch error {
        case .sslError(let stack), .unknownError(let stack), .invalidSNIName(let stack), .failedToSetALPN(let stack):
            let reasons = stack.map { reason(in: $0.description) }.filter { !$0.isEmpty }
            return reasons.isEmpty ? "the handshake failed" : String(reasons.joined(separator: ", ").prefix(maxText))
        case .zeroReturn, .syscallError: return "the server closed the connection"
        default: return "the handshake failed"
        }
    }

    /// The reason in `Error: 268435703 error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER at file:line`,
    /// and in `Error:  EOF during handshake`.
    static func reason(in description: String) -> String {
        let words = description.hasPrefix("Error: ") ? description.dropFirst("Error: ".count) : description[...]
        let fields = words.split(separator: ":", omittingEmptySubsequences: false)
        guard fields.count >= 5 else { return words.trimmed }
        let reason = fields[4].split(separator: " ").first ?? ""
        return reason.lowercased().replacing("_", with: " ")
    }
}

extension Substring {
    fileprivate var trimmed: String { String(drop { $0 == " " }) }
}

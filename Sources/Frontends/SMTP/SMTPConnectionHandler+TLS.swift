import MailTypes
import Logging
import MailTypes
import NIOCore
import NIOSSL
import Pipeline
import Protocols

// STARTTLS, and TLS from the first octet. RFC 3207, RFC 8314.
extension SMTPConnectionHandler {
    func startTLS(_ reply: Reply) {
        put(reply)
        let octets = machine.octetsBehindStartTLS
        if octets > 0 { log(.notice, "octets after STARTTLS thrown away", ["octets": "\(octets)"]) }
        dropInput()
        flush()
        shakeHands()
    }

    func shakeHands() {
        guard let tls = listener.tls, let channel = context?.channel, takeHandshakeSlot() else {
            listener.metrics.count(.closed, "handshake")
            return closeNow()
        }
        if state != .starting { state = .handshaking }
        clock.expect(within: options.handshakeTimeout)
        do { try tls.begin(before: self, on: channel) } catch { closeNow() }
    }

    func secured() {
        releaseHandshakeSlot()
        machine.tlsEstablished()
        let version = (try? context?.channel.pipeline.syncOperations.nioSSL_tlsVersion()) ?? nil
        session.tls = Session.TLS(
            version: version.map(Self.name) ?? "TLS", cipher: tlsCipher ?? "", serverName: tlsName)
        session.hello = nil
        session.helloVerb = nil
        session.user = nil
        dropInput()
        if state == .starting { return begin() }
        guard state == .handshaking else { return }
        state = .ready
        clock.progressed(within: options.commandTimeout)
        proceed()
    }

    /// As the Received field and the log write it.
    static func name(_ version: TLSVersion) -> String {
        switch version {
        case .tlsv1: "TLSv1.0"
        case .tlsv11: "TLSv1.1"
        case .tlsv12: "TLSv1.2"
        case .tlsv13: "TLSv1.3"
        }
    }
}

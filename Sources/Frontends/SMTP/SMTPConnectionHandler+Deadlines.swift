import Logging
import MailTypes
import NIOCore
import Pipeline
import Protocols
import Synchronization

// Deadlines, the stop of the server, and what is said about a connection.
extension SMTPConnectionHandler {
    func tick(_ now: NIODeadline) {
        if clock.isUnread(at: now, options) { return abort("unread") }
        switch state {
        case .ready:
            if transaction?.spool?.isBehind ?? false { return clock.held(until: now) }
            guard let word = clock.lateness(at: now, options) else { return }
            let what = word == "slow" ? "The message comes too slowly" : "Nothing came for too long"
            dismiss(Reply(421, .badConnection, "\(what); closing the connection"), word)
        case .starting, .handshaking:
            if clock.lateness(at: now, options) != nil { abort("handshake") }
        case .closing:
            if clock.lateness(at: now, options) != nil { closeNow() }
        case .asking, .closed: break
        }
    }

    /// Asks the client to go when its transaction, if there is one, is over.
    func stop() {
        clock.isStopping = true
        switch state {
        case .ready: if transaction == nil { proceed() }
        case .starting, .handshaking: abort("stopping")
        case .asking, .closing, .closed: break
        }
    }

    /// Ends the connection at once, whatever is under way.
    func stopNow() {
        if state == .ready || state == .asking { sayStopping() }
        closeNow()
    }

    func sayStopping() {
        dismiss(Reply(421, .notAccepting, "\(options.machine.hostname) is stopping; try again later"), "stopping")
    }

    /// Ends the connection with a reply that the client did not ask for. RFC 5321 §3.8.
    func dismiss(_ reply: Reply, _ reason: String) {
        listener.metrics.count(.closed, reason)
        log(.info, "connection ended", ["reason": "\(reason)"])
        let reply = signed(reply)
        transaction?.ending = reply
        put(reply)
        leave()
    }

    /// Ends the connection without a word: the client would not hear it.
    func abort(_ reason: String) {
        listener.metrics.count(.closed, reason)
        log(.info, "connection ended", ["reason": "\(reason)"])
        closeNow()
    }

    func takeHandshakeSlot() -> Bool {
        guard !hasHandshakeSlot else { return true }
        let shared = listener.shared
        let (before, _) = shared.handshakes.add(1, ordering: .relaxed)
        guard before < limits.maxHandshakes else {
            shared.handshakes.subtract(1, ordering: .relaxed)
            return false
        }
        hasHandshakeSlot = true
        return true
    }

    func releaseHandshakeSlot() {
        guard hasHandshakeSlot else { return }
        hasHandshakeSlot = false
        listener.shared.handshakes.subtract(1, ordering: .relaxed)
    }

    func log(_ level: Logger.Level, _ message: Logger.Message, _ more: @autoclosure () -> Logger.Metadata) {
        let logger = environment.logger
        guard level >= logger.logLevel else { return }
        // With room for all, or it would be made anew as it grows.
        var metadata = Logger.Metadata(minimumCapacity: 12)
        metadata["client"] = .string(session.client.description)
        metadata["listener"] = .string(options.name)
        metadata["id"] = .string((transaction?.id ?? connectionID).text)
        for (key, value) in more() { metadata[key] = value }
        logger.log(level: level, message, metadata: metadata)
    }
}

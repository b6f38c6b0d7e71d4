import MailTypes
import NIOCore
import Pipeline
import Protocols

/// What all workers share.
struct RemoteSurroundings: Sendable {
    let hostname: String
    let options: DeliveryOptions
    let hooks: DeliveryHooks
    let finder: HostFinder
    let tls: TLSContexts
    let limits: SMTPTimeLimits
    let group: any EventLoopGroup
}

extension RemoteSurroundings {
    /// A session with a host, in TLS and logged in as far as its route says.
    func connect(to target: Target) async throws(SMTPClientFailure) -> SMTPConnection {
        var configuration = SMTPClientMachine.Configuration(hostname: hostname)
        configuration.language = target.language == .lmtp ? .lmtp : .smtp
        configuration.encryption = target.encryption
        configuration.verifiesTLS = target.verifiesTLS
        configuration.loginWithoutTLS = target.security == .none
        configuration.login = try await login(target)
        let notes = SessionNotes()
        do {
            let connection = try await open(target, configuration, notes)
            report(target, notes, connection.host.tls ? nil : TLSFailure(.noStartTLS))
            return connection
        } catch {
            // Who was not reached, or spoke no SMTP, has shown nothing of its TLS.
            if error.isAboutTLS { report(target, notes, error.tlsFailure(notes)) }
            // Opportunistic TLS that does not come about is no reason not to deliver. RFC 7435 §3.
            guard target.encryption == .opportunistic, error.isAboutTLS, error.reason != .injectedPlaintext else {
                throw error
            }
            configuration.encryption = .never
            return try await open(target, configuration, SessionNotes())
        }
    }

    private func open(
        _ target: Target, _ configuration: SMTPClientMachine.Configuration, _ notes: SessionNotes
    ) async throws(SMTPClientFailure) -> SMTPConnection {
        try await SMTPConnection.open(target, configuration, tls: tls, limits: limits, group: group, notes: notes)
    }

    // MARK: Reports on TLS. RFC 8460 §4.3.

    /// Tells of a session: an exchanger's alone, whose domain published what was wanted of it.
    private func report(_ target: Target, _ notes: SessionNotes, _ failure: TLSFailure?) {
        guard let decision = target.decision, let domain = decision.reportsTo else { return }
        var failures = decision.faults
        if let failure {
            failures.append(failure)
        } else if case .refuted(let fault, let words)? = notes.certificates.verdict {
            // It was only noted, since the policy is being tested.
            failures.append(TLSFailure(.init(fault), reason: words))
        }
        for place in failures.indices {
            failures[place].source = notes.source
            failures[place].host = target.name
            failures[place].hello = notes.hello
            if case .address(let address, _) = target.endpoint { failures[place].address = address }
        }
        hooks.tlsSession(TLSSession(domain: domain, policy: decision.published, failures: failures))
    }

    /// Tells of a host that was not spoken with because of what its domain publishes.
    func report(unspoken target: Target) {
        guard let decision = target.decision, let domain = decision.reportsTo, !decision.faults.isEmpty else { return }
        var failures = decision.faults
        for place in failures.indices { failures[place].host = target.name }
        hooks.tlsSession(TLSSession(domain: domain, policy: decision.published, failures: failures))
    }

    private func login(_ target: Target) async throws(SMTPClientFailure) -> SMTPClientMachine.Login? {
        guard let credential = target.credential else { return nil }
        let place = "\(target.name.contains(":") ? "[\(target.name)]" : target.name):\(target.port)"
        let login: SMTPClientMachine.Login?
        do throws(StageFailure) {
            login = try await hooks.login(credential, target.name, target.port)
        } catch {
            // What exactly is wrong is in the log: a report to the sender shows this reply.
            throw SMTPClientFailure(.auth, .lostLogin("The login for \(place) cannot be read here"))
        }
        if let login { return login }
        // The entry was replaced or removed while the message waited.
        throw SMTPClientFailure(.auth, .lostLogin("The login for \(place) is no longer here"))
    }
}

extension SMTPClientFailure {
    /// TLS did not come about.
    fileprivate var isAboutTLS: Bool {
        switch reason {
        case .handshake, .noTLS: true
        default: phase == .handshake || phase == .startTLS
        }
    }

    /// Why it did not, in the words of reports.
    fileprivate func tlsFailure(_ notes: SessionNotes) -> TLSFailure {
        if case .refuted(let fault, let words)? = notes.certificates.verdict {
            return TLSFailure(.init(fault), reason: words)
        }
        switch reason {
        case .noTLS: return TLSFailure(.noStartTLS)
        // It offers STARTTLS and does not begin it.
        case .refused(let reply): return TLSFailure(.noStartTLS, reason: "\(reply)")
        case .handshake(let words), .network(let words), .malformed(let words):
            return TLSFailure(.other, reason: words)
        case .injectedPlaintext: return TLSFailure(.other, reason: "plaintext follows the reply to STARTTLS")
        case .closed: return TLSFailure(.other, reason: "the server closed the connection")
        case .timedOut: return TLSFailure(.other, reason: "no answer in time")
        case .noLogin, .lostLogin: return TLSFailure(.other)
        }
    }
}

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
        do {
            return try await open(target, configuration)
        } catch {
            // Opportunistic TLS that does not come about is no reason not to deliver. RFC 7435 §3.
            guard target.encryption == .opportunistic, error.isAboutTLS else { throw error }
            configuration.encryption = .never
            return try await open(target, configuration)
        }
    }

    private func open(
        _ target: Target, _ configuration: SMTPClientMachine.Configuration
    ) async throws(SMTPClientFailure) -> SMTPConnection {
        try await SMTPConnection.open(target, configuration, tls: tls, limits: limits, group: group)
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
    /// TLS did not come about. Where somebody has put words into the server's mouth plaintext is the last thing to
    /// go on with. RFC 3207 §6.
    fileprivate var isAboutTLS: Bool {
        switch reason {
        case .injectedPlaintext: false
        case .handshake: true
        default: phase == .handshake || phase == .startTLS
        }
    }
}

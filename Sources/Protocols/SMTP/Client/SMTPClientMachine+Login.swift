import MailTypes

extension SMTPClientMachine {
    /// Where the exchange of a login stands. RFC 4954 §4.
    enum LoginStep {
        /// PLAIN with its initial response is sent. RFC 4616.
        case plain
        /// LOGIN: the server asks for the name, then for the password, then says what it thinks.
        case name
        case password
        case verdict
    }

    /// Logs in if that is wanted, else the session is ready.
    mutating func login() -> Action {
        guard let login = configuration.login else { return becomeReady() }
        let mechanisms = extensions.parameters(of: "AUTH")
        state = .auth(.plain)
        guard isEncrypted || configuration.loginWithoutTLS else { return fail(.noLogin) }
        if mechanisms.contains("PLAIN") {
            let response = [0] + Array(login.name.utf8) + [0] + Array(login.password.utf8)
            return command("AUTH PLAIN \(Base64.encode(response))")
        }
        if mechanisms.contains("LOGIN") {
            state = .auth(.name)
            return command("AUTH LOGIN")
        }
        return fail(.noLogin)
    }

    mutating func receivedAuth(_ reply: Reply, _ step: LoginStep) -> Action {
        guard let login = configuration.login else { return fail(.noLogin) }
        switch step {
        case .plain, .verdict:
            return reply.code == 235 ? becomeReady() : fail(.refused(reply))
        case .name:
            guard reply.code == 334 else { return fail(.refused(reply)) }
            state = .auth(.password)
            return command(Base64.encode(Array(login.name.utf8)))
        case .password:
            guard reply.code == 334 else { return fail(.refused(reply)) }
            state = .auth(.verdict)
            return command(Base64.encode(Array(login.password.utf8)))
        }
    }
}

import Logging
import MailTypes
import NIOCore
import Pipeline
import Protocols

// Logins: slowed after failures, limited per address and per account. RFC 4954.
extension SMTPConnectionHandler {
    func login(_ login: SMTPServerMachine.Login) {
        let number = openQuestion()
        switch listener.shared.throttle.admits(login.name, from: session.client, at: Self.seconds) {
        case .now: check(login)
        case .later:
            loopContext.loop.assumeIsolated().scheduleTask(in: Self.turn) { [weak self] in
                guard let self, isOpen(number) else { return }
                self.login(login)
            }
        case .never:
            listener.metrics.count(.logins, "throttled")
            log(.warning, "login not tried after too many failures", ["user": "\(login.name)"])
            let reply = Reply(421, .securityOther, "Too many failed logins; try again later")
            resume(machine.loggedIn(.banned(reply)))
        }
    }

    /// How often a login that waits for others looks whether they have ended.
    private static let turn = TimeAmount.milliseconds(50)

    private func check(_ login: SMTPServerMachine.Login) {
        let (authenticator, throttle) = (environment.authenticator, listener.shared.throttle)
        let client = session.client
        wait {
            // Noted here, so that who hangs up before the answer is counted as well.
            switch await authenticator.authenticate(login: login.name, password: login.password) {
            // Acting for somebody else is nobody's right here. RFC 4616 §2.
            case .success(let mailbox) where !login.speaksForAnother(than: mailbox):
                throttle.succeeded(login.name, from: client)
                return CheckedLogin.success(mailbox)
            case .success, .refused:
                return .refused(delay: throttle.failed(login.name, from: client, at: Self.seconds))
            case .temporary(let reason):
                throttle.undecided(login.name, from: client)
                return .temporary(reason)
            }
        } then: { [self] answer in
            switch answer {
            case .success(let mailbox):
                listener.metrics.count(.logins, "success")
                session.user = Session.User(mailbox: mailbox, mechanism: login.mechanism)
                log(.info, "logged in", ["user": "\(mailbox)", "mechanism": "\(login.mechanism)"])
                resume(machine.loggedIn(.success))
            case .refused(let delay): refuse(login, after: delay)
            case .temporary(let reason):
                listener.metrics.count(.logins, "temporary")
                log(.error, "login cannot be checked", ["reason": "\(reason)"])
                resume(machine.loggedIn(.temporary))
            }
        }
    }

    /// What came of a login, and of what is remembered of its address.
    private enum CheckedLogin {
        case success(EmailAddress)
        case refused(delay: Double)
        case temporary(String)
    }

    /// Holds the bad news back, longer with each failure.
    private func refuse(_ login: SMTPServerMachine.Login, after delay: Double) {
        listener.metrics.count(.logins, "refused")
        log(.notice, "login failed", ["user": "\(login.name)", "mechanism": "\(login.mechanism)"])
        let amount = Interval(seconds: delay).timeAmount
        let still = openQuestion()
        loopContext.loop.assumeIsolated().scheduleTask(in: amount) { [weak self] in
            guard let self, isOpen(still) else { return }
            resume(machine.loggedIn(.refused))
        }
    }

    /// A steady clock for the throttle.
    private static var seconds: Double { Double(NIODeadline.now().uptimeNanoseconds) / 1e9 }
}

extension SMTPServerMachine.Login {
    fileprivate func speaksForAnother(than mailbox: EmailAddress) -> Bool {
        guard !authorizationID.isEmpty, authorizationID != name else { return false }
        guard let wanted = try? AddressParser.mailbox(authorizationID) else { return true }
        return wanted.key != mailbox.key
    }
}

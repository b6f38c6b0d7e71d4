import Logging
import MailTypes
import NIOCore
import Pipeline
import Protocols

// Logins: slowed after failures, limited per address and per account. RFC 4954.
extension SMTPConnectionHandler {
    func login(_ login: SMTPServerMachine.Login) {
        let number = openQuestion()
        let throttle = listener.shared.throttle
        guard throttle.allows(login.name, from: session.client, at: Self.seconds) else {
            listener.metrics.count(.logins, "throttled")
            log(.warning, "login not tried after too many failures", ["user": "\(login.name)"])
            let reply = Reply(421, .securityOther, "Too many failed logins; try again later")
            return resume(machine.loggedIn(.banned(reply)))
        }
        let authenticator = environment.authenticator
        wait {
            await authenticator.authenticate(login: login.name, password: login.password)
        } then: { [self] answer in
            switch answer {
            case .success(let mailbox):
                // Acting for somebody else is nobody's right here. RFC 4616 §2.
                if login.speaksForAnother(than: mailbox) { return refuse(login, number) }
                throttle.succeeded(login.name, from: session.client)
                listener.metrics.count(.logins, "success")
                session.user = Session.User(mailbox: mailbox, mechanism: login.mechanism)
                log(.info, "logged in", ["user": "\(mailbox)", "mechanism": "\(login.mechanism)"])
                resume(machine.loggedIn(.success))
            case .refused: refuse(login, number)
            case .temporary(let reason):
                listener.metrics.count(.logins, "temporary")
                log(.error, "login cannot be checked", ["reason": "\(reason)"])
                resume(machine.loggedIn(.temporary))
            }
        }
    }

    /// Holds the bad news back, longer with each failure.
    private func refuse(_ login: SMTPServerMachine.Login, _ number: Int) {
        listener.metrics.count(.logins, "refused")
        log(.notice, "login failed", ["user": "\(login.name)", "mechanism": "\(login.mechanism)"])
        let delay = listener.shared.throttle.failed(login.name, from: session.client, at: Self.seconds)
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

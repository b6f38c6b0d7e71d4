import Directory
import Frontends

/// The directory's passwords for the front-ends.
struct DirectoryAuthenticator: Authenticator {
    let directory: MailDirectory

    func authenticate(login: String, password: [UInt8]) async -> LoginAnswer {
        switch await directory.authenticate(login: login, password: password) {
        case .success(let mailbox): .success(mailbox)
        case .refused: .refused
        case .temporary(let reason): .temporary(reason)
        }
    }
}

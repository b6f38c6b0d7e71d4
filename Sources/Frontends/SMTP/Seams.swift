public import MailTypes
public import Queue

/// Where accepted mail goes. ``MailQueue`` is one; tests have others.
public protocol MailAcceptor: Sendable {
    /// Why a message of this size would not be taken just now; asked at MAIL. RFC 1870 §6.1.
    func refusal(forSize octets: Int) -> QueueFailure?
    /// Takes all submissions or none; `completion` comes from any thread once they are on stable storage.
    func commit(
        _ submissions: [Submission], completion: @escaping @Sendable (Result<[QueueID], QueueFailure>) -> Void)
}

extension MailQueue: MailAcceptor {}

/// Who knows the passwords.
public protocol Authenticator: Sendable {
    func authenticate(login: String, password: [UInt8]) async -> LoginAnswer
}

/// What became of a login.
public enum LoginAnswer: Sendable, Hashable {
    /// The mailbox that has logged in.
    case success(EmailAddress)
    case refused
    /// The directory does not answer; the reason is for the log.
    case temporary(String)
}

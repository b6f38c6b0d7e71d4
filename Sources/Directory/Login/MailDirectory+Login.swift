import GRDB
public import MailTypes
import Pipeline

extension MailDirectory {
    public enum LoginOutcome: Sendable, Hashable {
        /// The mailbox, as it is stored.
        case success(EmailAddress)
        /// Unknown, switched off, or a wrong password: nobody is told which, nor can tell from the time it took.
        case refused
        /// The database failed, or too many wait; to be tried again later. The reason is for the log.
        case temporary(String)
    }

    /// Octets of a login name that are looked at.
    static let longestLogin = 512

    /// Compares a password with the mailbox's, on a thread of its own. `login` is the mailbox's whole address.
    public func authenticate(login: String, password: [UInt8]) async -> LoginOutcome {
        guard let password = Password.prepared(password), (1...Self.longestLogin).contains(login.utf8.count) else {
            return .refused
        }
        let generation = generation.current
        let digest = logins.digest(login: login, password: password)
        let known = digest.flatMap(logins.remembered)
        if let known, known.generation == generation { return .success(known.mailbox) }
        let result: Comparison
        do {
            result = try await passwords.run { [self] in compare(login, password, knownHash: known?.hash) }
        } catch {
            return .temporary("too many logins wait for their password to be compared")
        }
        if let digest, case .success(let mailbox) = result.outcome, let hash = result.hash {
            let until = hash == known?.hash ? known?.until : nil
            logins.insert(mailbox, hash: hash, until: until, generation: generation, for: digest)
        } else if let digest, known != nil, result.outcome == .refused {
            logins.forget(digest)
        }
        return result.outcome
    }

    /// A hash for ``DirectoryChanges/addMailbox(_:passwordHash:fullName:quota:)`` and
    /// ``DirectoryChanges/setPassword(_:hash:)``. It takes its time, so it is made before the change.
    public func passwordHash(_ password: [UInt8]) throws(DirectoryError) -> String {
        guard let password = Password.prepared(password) else {
            throw .malformed(
                text: "", reason: "cannot be a password: 1 to \(DirectoryLimits.password) octets without NUL, please")
        }
        do { return try hasher.hash(password) } catch { throw DirectoryError(error) }
    }

    /// A random password of `length` letters, in groups that can be read out on the telephone.
    public func randomPassword(length: Int = 16) throws(DirectoryError) -> String {
        guard (Password.shortest...Password.longest).contains(length) else {
            let range = "\(Password.shortest) to \(Password.longest)"
            throw .malformed(text: String(length), reason: "cannot be a password's length: \(range), please")
        }
        do { return try Password.random(length: length, from: hasher) } catch { throw DirectoryError(error) }
    }

    // MARK: On the password threads

    private struct Account {
        let id: Int64
        let mailbox: EmailAddress
        let hash: String
    }

    private struct Comparison: Sendable {
        let outcome: LoginOutcome
        /// What is stored for the mailbox, where the password was right.
        var hash: String?
    }

    /// `knownHash`: what is known to fit this password.
    private func compare(_ login: String, _ password: [UInt8], knownHash: String?) -> Comparison {
        let account: Account?
        do { account = try pool.read { db in try find(login, in: db) } } catch {
            return Comparison(outcome: .temporary("\(DirectoryError(error))"))
        }
        if let account, account.hash == knownHash {
            return Comparison(outcome: .success(account.mailbox), hash: knownHash)
        }
        // Somebody who does not exist takes as long as somebody who does.
        let isRight = hasher.verify(password, against: account?.hash ?? hasher.decoy)
        guard let account, isRight else { return Comparison(outcome: .refused) }
        let hash = hasher.needsRehash(account.hash) ? rehash(account, password) : account.hash
        return Comparison(outcome: .success(account.mailbox), hash: hash)
    }

    /// The mailbox that may log in as `login`: spelled in whatever case, but without a detail.
    private func find(_ login: String, in db: Database) throws -> Account? {
        guard let address = try? Names(domainToASCII: options.domainToASCII).address(login) else { return nil }
        let lookup = AddressLookup(db: db, options: options)
        guard let row = try lookup.exact(address), row.kind == .mailbox, row.isEnabled,
            try lookup.hostedDomain(address.domain)?.isEnabled == true,
            let hash = try String.fetchOne(
                db, sql: "SELECT passwordHash FROM mailbox WHERE addressID = ?", arguments: [row.id])
        else { return nil }
        return Account(id: row.id, mailbox: row.address, hash: hash)
    }

    /// The parameters have been raised since; only now is the password at hand. If it cannot be written, the next
    /// login tries again. Returns what is stored now.
    private func rehash(_ account: Account, _ password: [UInt8]) -> String {
        guard let hash = try? hasher.hash(password) else { return account.hash }
        let isReplaced = try? change(by: "server") { changes in
            try changes.replacePassword(of: account.mailbox, id: account.id, old: account.hash, new: hash)
        }
        return isReplaced == true ? hash : account.hash
    }
}

extension DirectoryChanges {
    /// Does nothing, and says so, if the password has been changed meanwhile.
    func replacePassword(of mailbox: EmailAddress, id: Int64, old: String, new: String) throws -> Bool {
        try db.execute(
            sql: "UPDATE mailbox SET passwordHash = ? WHERE addressID = ? AND passwordHash = ?",
            arguments: [new, id, old])
        guard db.changesCount > 0 else { return false }
        try audit("mailbox.rehash", mailbox.description, before: nothing, after: nothing)
        return true
    }
}

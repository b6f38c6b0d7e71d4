import Foundation
import MailTypes
import Pipeline

/// Right passwords of the last minutes, so that a client that asks for mail each minute does not cost a whole
/// hash each time.
///
/// Nothing is kept but a digest of login and password together, under a key that exists in this process only, and the
/// mailbox's hash that they were compared with. After any change of the directory that hash is read again: if it is
/// another, or the mailbox is switched off or gone, nothing is remembered. So no old password outlives its change, and
/// a new mailbox does not make all others compute their hashes at once.
final class LoginMemory: Sendable {
    struct Remembered: Sendable {
        let mailbox: EmailAddress
        /// As it is stored.
        let hash: String
        let until: Date
        /// The directory's, when `hash` was read.
        let generation: UInt64
    }

    private let entries: GenerationCache<[UInt8], Remembered>
    private let hasher: any PasswordHashing
    private let key: [UInt8]
    private let lifetime: Interval
    private let now: @Sendable () -> Date

    init(hasher: any PasswordHashing, options: MailDirectory.Options) throws {
        self.hasher = hasher
        key = try hasher.randomBytes(32)
        lifetime = options.loginMemory
        now = options.now
        entries = GenerationCache(limit: options.rememberedLogins)
    }

    /// What stands for these two; `nil` if nothing is remembered at all.
    func digest(login: String, password: [UInt8]) -> [UInt8]? {
        guard lifetime.seconds > 0 else { return nil }
        // The length divides them: "a" with "bc" is not "ab" with "c".
        let length = withUnsafeBytes(of: UInt64(login.utf8.count).bigEndian, Array.init)
        return try? hasher.keyedDigest(of: length + login.utf8 + password, key: key)
    }

    func remembered(_ digest: [UInt8]) -> Remembered? {
        // Each entry has its own generation; the cache as a whole has none.
        guard let entry = entries.value(for: digest, generation: 0) else { return nil }
        guard now() < entry.until else {
            entries.remove(digest)
            return nil
        }
        return entry
    }

    /// `until`: when what was remembered already ends; being remembered does not prolong it.
    func insert(_ mailbox: EmailAddress, hash: String, until: Date?, generation: UInt64, for digest: [UInt8]) {
        let until = until ?? now().addingTimeInterval(lifetime.seconds)
        let entry = Remembered(mailbox: mailbox, hash: hash, until: until, generation: generation)
        entries.insert(entry, for: digest, generation: 0)
    }

    func forget(_ digest: [UInt8]) { entries.remove(digest) }
}

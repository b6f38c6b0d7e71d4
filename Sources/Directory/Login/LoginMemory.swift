import Foundation
import MailTypes
import Pipeline

/// Right passwords of the last minutes, so that a client that asks for mail each minute does not cost a whole
/// hash each time.
///
/// Nothing is kept but a digest of login and password together, under a key that exists in this process only.
/// Every change of the directory empties it: a password that was changed, and a mailbox that was switched off or
/// removed, are forgotten at once.
final class LoginMemory: Sendable {
    private struct Remembered: Sendable {
        let mailbox: EmailAddress
        let until: Date
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

    func mailbox(for digest: [UInt8], generation: UInt64) -> EmailAddress? {
        guard let entry = entries.value(for: digest, generation: generation) else { return nil }
        guard now() < entry.until else {
            entries.remove(digest)
            return nil
        }
        return entry.mailbox
    }

    func insert(_ mailbox: EmailAddress, for digest: [UInt8], generation: UInt64) {
        let until = now().addingTimeInterval(lifetime.seconds)
        entries.insert(Remembered(mailbox: mailbox, until: until), for: digest, generation: generation)
    }
}

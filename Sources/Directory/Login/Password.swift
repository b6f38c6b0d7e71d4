import Foundation
import Pipeline

/// What may be a password, and what two ways of typing it have in common.
enum Password {
    /// `password` as it is hashed: text is composed (NFC), as RFC 8265 §4.2 asks, because keyboards differ in how they
    /// write `é`; other octets stay. `nil` if it is empty or longer than ``DirectoryLimits/password``, or has a NUL in
    /// it: HMAC, below scrypt, fills short keys with NULs, so one at the end would not count. RFC 2104 §2.
    static func prepared(_ password: [UInt8]) -> [UInt8]? {
        guard (1...DirectoryLimits.password).contains(password.count), !password.contains(0) else { return nil }
        guard password.contains(where: { $0 >= 0x80 }), let text = String(validating: password, as: UTF8.self) else {
            return password
        }
        return Array(text.precomposedStringWithCanonicalMapping.utf8)
    }

    /// Letters and digits that nobody takes for one another.
    private static let alphabet = Array("abcdefghjkmnpqrstuvwxyz23456789".utf8)
    /// Between groups of four, to be read out.
    private static let groupSize = 4
    /// Below this, guessing becomes a sport: twelve letters are 59 bits.
    static let shortest = 12
    static let longest = 128

    /// A random password of `length` letters, with a hyphen after each fourth that do not count.
    static func random(length: Int, from hasher: any PasswordHashing) throws -> String {
        var letters: [UInt8] = []
        // What lies above the last whole multiple is thrown away: every letter is equally likely.
        let fair = 256 - 256 % alphabet.count
        while letters.count < length {
            for byte in try hasher.randomBytes(length) where Int(byte) < fair && letters.count < length {
                letters.append(alphabet[Int(byte) % alphabet.count])
            }
        }
        let groups = stride(from: 0, to: length, by: groupSize).map { start in
            String(decoding: letters[start..<min(start + groupSize, length)], as: UTF8.self)
        }
        return groups.joined(separator: "-")
    }
}

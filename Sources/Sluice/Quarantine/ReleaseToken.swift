import Foundation
import MailTypes
import Pipeline
import Queue

/// What a link in a digest lets its holder do: release one message to one mailbox, until it expires.
///
///     PAYLOAD.MAC
///
/// Both are base64url without padding (RFC 4648 §5). The payload is the message's id, the mailbox and the end in
/// seconds since 1970, each on a line; the MAC is HMAC-SHA-256 (RFC 2104) of a line that says what it is for, and the
/// payload.
struct ReleaseToken: Sendable, Hashable {
    let message: QueueID
    let mailbox: EmailAddress
    /// Whole seconds since 1970. From then on it is worth nothing.
    let ends: Int

    enum Fault: String, Error, CustomStringConvertible {
        case malformed = "is not a link of a digest"
        case forged = "was not made by this server"
        case expired = "has expired"

        var description: String { rawValue }
    }

    init(message: QueueID, mailbox: EmailAddress, ends: Date) {
        self.message = message
        self.mailbox = mailbox
        self.ends = Int(ends.timeIntervalSince1970.rounded(.down))
    }

    // MARK: Making

    func text(_ key: [UInt8], _ hashing: any PasswordHashing) throws -> String {
        let payload = payload
        return "\(Self.encode(payload)).\(Self.encode(try Self.digest(of: payload, key, hashing)))"
    }

    private var payload: [UInt8] { Array("\(message)\n\(mailbox)\n\(ends)".utf8) }

    private static let purpose = Array("sluice release 1\n".utf8)

    private static func digest(of payload: [UInt8], _ key: [UInt8], _ hashing: any PasswordHashing) throws -> [UInt8] {
        try hashing.keyedDigest(of: purpose + payload, key: key)
    }

    // MARK: Checking

    /// Longer than any that is made: an address has 320 octets at most.
    private static let longest = 1_000

    /// Reads a token that anybody may have written. Nothing of it is believed before its digest is right.
    init(_ text: String, _ key: [UInt8], _ hashing: any PasswordHashing, at now: Date) throws {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard text.utf8.count <= Self.longest, parts.count == 2, let payload = Self.decode(parts[0]),
            let digest = Self.decode(parts[1])
        else { throw Fault.malformed }
        guard Self.isSame(digest, try Self.digest(of: payload, key, hashing)) else { throw Fault.forged }
        let lines = String(decoding: payload, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 3, let message = QueueID(String(lines[0])), let ends = Int(lines[2]),
            let mailbox = try? AddressParser.mailbox(String(lines[1]))
        else { throw Fault.malformed }
        guard now.timeIntervalSince1970 < Double(ends) else { throw Fault.expired }
        (self.message, self.mailbox, self.ends) = (message, mailbox, ends)
    }

    /// In a time that does not tell where they differ.
    private static func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func encode(_ octets: [UInt8]) -> String {
        Data(octets).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// The one spelling that ``encode(_:)`` has, and no other.
    private static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
        let text = String(decoding: Array(text), as: UTF8.self)
        let usual = text.replacing("-", with: "+").replacing("_", with: "/")
        let padding = String(repeating: "=", count: (4 - usual.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: usual + padding), encode(Array(data)) == text else { return nil }
        return Array(data)
    }
}

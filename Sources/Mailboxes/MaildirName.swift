public import struct Foundation.Date

/// The name of a message in a maildir, derived from what the queue knows and never from chance, so
/// that delivering a message twice gives one file.
///
///     1795230000.Q3k9xq0d4m2v7h1ws-0Rcbf29ce484222325.sluice,S=2317:2,S
///     |          |                  |                 |      |      flags, once a client has seen it
///     |          queue id           recipient         |      size in octets
///     when the message came in                        the part up to here is `unique`
public struct MaildirName: Sendable, Hashable {
    /// The part that names the message, whatever its size and flags.
    public let unique: String

    /// - Parameters:
    ///   - received: when the message came in; not the time of this attempt.
    ///   - queueID: the copy's id in the queue.
    ///   - recipient: whom the queue delivers it for; two recipients of one copy get two files.
    public init(received: Date, queueID: String, recipient: String) {
        let seconds = received.timeIntervalSince1970
        let whole = seconds.isFinite && abs(seconds) < 1e15 ? Int64(seconds) : 0
        let safe = MailboxPath.encode(queueID.utf8)
        unique = "\(whole).Q\(safe)R\(Self.digest(recipient)).sluice"
    }

    /// The whole name of a message of `size` octets that nobody has seen yet.
    func fileName(size: Int) -> String { "\(unique),S=\(size)" }

    /// The ``unique`` part of a file's name, whatever its size and flags; `nil` for a file of somebody else's making.
    static func unique(of fileName: String) -> String? {
        let end = fileName.utf8.firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ":") } ?? fileName.endIndex
        let unique = fileName[..<end]
        return unique.hasSuffix(".sluice") ? String(unique) : nil
    }

    /// The size that a file's name tells, whoever made it: `,S=2317`.
    static func size(of fileName: String) -> Int? {
        let base = fileName.utf8.prefix { $0 != UInt8(ascii: ":") }
        for field in base.split(separator: UInt8(ascii: ",")).dropFirst() where field.starts(with: Array("S=".utf8)) {
            return Int(Substring(field.dropFirst(2))).flatMap { $0 >= 0 ? $0 : nil }
        }
        return nil
    }

    /// FNV-1a, 64 bits, in hexadecimal. It only has to tell the recipients of one copy apart that share a
    /// mailbox, where a collision costs that mailbox the second of two equal messages.
    private static func digest(_ text: String) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for octet in text.utf8 { hash = (hash ^ UInt64(octet)) &* 0x0000_0100_0000_01B3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

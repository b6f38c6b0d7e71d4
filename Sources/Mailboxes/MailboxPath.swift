public import MailTypes

/// Where a mailbox lies below the mailbox folder: `acme.test/anna/Maildir`.
///
/// Each part of the address is one folder name. Letters, digits and `.` `_` `-` `+` `=` stand for
/// themselves, every other octet is written `%XX`, and so is a dot at the beginning; an empty part is
/// `%`. So no address leads out of the folder or hides in it, and the name can be read back.
public struct MailboxPath: Sendable, Hashable {
    public let domain: String
    public let localPart: String

    /// The spelling that the address shares with its equals decides: lower case, composed.
    public init(_ address: EmailAddress) {
        let key = address.key
        let at = key.utf8.lastIndex(of: UInt8(ascii: "@")) ?? key.endIndex
        localPart = Self.encode(key[..<at].utf8)
        domain = Self.encode(key[at...].utf8.dropFirst())
    }

    /// Relative to the folder of all mailboxes.
    public var description: String { "\(domain)/\(localPart)/\(Self.maildir)" }

    static let maildir = "Maildir"

    /// One part of an address as the name of a folder.
    public static func encode(_ part: some Collection<UInt8>) -> String {
        var name: [UInt8] = []
        name.reserveCapacity(part.count)
        for octet in part {
            if isPlain(octet), !(name.isEmpty && octet == UInt8(ascii: ".")) {
                name.append(octet)
            } else {
                name += [UInt8(ascii: "%"), hex[Int(octet >> 4)], hex[Int(octet & 15)]]
            }
        }
        return name.isEmpty ? "%" : String(decoding: name, as: UTF8.self)
    }

    /// The part of an address that ``encode(_:)`` made this name of; `nil` for any other name.
    public static func decode(_ name: String) -> [UInt8]? {
        if name == "%" { return [] }
        var part: [UInt8] = []
        var rest = name.utf8[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "%") else {
                part.append(octet)
                continue
            }
            guard
                let high = rest.popFirst().flatMap(hex.firstIndex(of:)),
                let low = rest.popFirst().flatMap(hex.firstIndex(of:))
            else { return nil }
            part.append(UInt8(high << 4 | low))
        }
        return encode(part) == name ? part : nil
    }

    private static let hex = Array("0123456789ABCDEF".utf8)

    private static func isPlain(_ octet: UInt8) -> Bool {
        if octet.isLetter || octet.isDigit { return true }
        switch octet {
        case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "="): return true
        default: return false
        }
    }
}

extension MailboxPath: CustomStringConvertible {}

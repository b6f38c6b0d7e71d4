import MailTypes

/// What delivery must know of a message's header, taken from its octets in one pass.
struct HeaderGlance: Sendable {
    /// Hops so far. RFC 5321 §6.3.
    var received = 0
    /// Addresses that the message has been delivered to already, as their fields say.
    var deliveredTo: [String] = []
    var messageID: String?
    var subject: String?
    /// Octets of the header, the empty line included.
    var count = 0
    /// Values of its TLS-Required fields. RFC 8689 §5.
    private var tlsRequired: [String] = []
    /// There are octets above 127 in it. RFC 6532.
    var hasUTF8 = false

    /// Its sender would rather have it delivered than protected: there is one such field, and it says so.
    var wantsNoTLS: Bool { tlsRequired.count == 1 && tlsRequired[0].asciiLowercased == "no" }

    /// No field of interest is longer; what lies behind is not looked at.
    private static let longestValue = 998

    init() {}

    init(_ content: Bytes) {
        content.withUnsafeBytes { octets in
            var place = 0
            while place < octets.count {
                let rest = octets[place...]
                let end = rest.firstIndex(of: .lf).map { $0 + 1 } ?? octets.count
                let line = octets[place..<end]
                place = end
                count = end
                if line.count <= 2, line.allSatisfy({ $0 == .cr || $0 == .lf }) { return }
                read(line)
            }
        }
    }

    private mutating func read(_ line: Slice<UnsafeRawBufferPointer>) {
        if !hasUTF8 { hasUTF8 = line.contains { $0 >= 0x80 } }
        guard let first = line.first?.asciiLowercased else { return }
        switch first {
        case UInt8(ascii: "r"):
            if Self.value(of: "received:", in: line) != nil { received += 1 }
        case UInt8(ascii: "d"):
            if let value = Self.value(of: "delivered-to:", in: line) { deliveredTo.append(value) }
        case UInt8(ascii: "m"):
            if messageID == nil { messageID = Self.value(of: "message-id:", in: line) }
        case UInt8(ascii: "s"):
            if subject == nil { subject = Self.value(of: "subject:", in: line) }
        case UInt8(ascii: "t"):
            guard let value = Self.value(of: "tls-required:", in: line), tlsRequired.count < 2 else { return }
            tlsRequired.append(value)
        default:
            break
        }
    }

    private static func value(of name: StaticString, in line: Slice<UnsafeRawBufferPointer>) -> String? {
        guard line.prefix(name.utf8CodeUnitCount).equalsIgnoringCase(name) else { return nil }
        let value = line.dropFirst(name.utf8CodeUnitCount).prefix(longestValue).drop(while: \.isBlank)
        let end = value.lastIndex { $0 > 0x20 }.map { $0 + 1 } ?? value.startIndex
        return String(decoding: value[value.startIndex..<end], as: UTF8.self)
    }
}

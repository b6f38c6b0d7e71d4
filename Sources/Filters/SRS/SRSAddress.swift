import MailTypes

/// The local part of a reverse-path that a forwarder has put in another's place.
///
///     SRS0=HHHHHH=TT=out.example=alice     the first forwarder's: digest, day, and the sender
///     SRS1=HHHHHH=first.example==hhhh=TT=out.example=alice     a later one's: digest, the first, its words
///
/// Behind the tag may stand `=`, `+` or `-`; everywhere else it is `=`. What stands behind the first forwarder's name
/// in SRS1 is its address without the tag, separator and all, and nobody's but its own to read. As libsrs2 and
/// PostSRSd have it; there is no RFC.
enum SRSAddress: Sendable, Hashable {
    case first(digest: String, day: String, host: String, user: String)
    case later(digest: String, host: String, rest: String)

    private static let firstTag = "SRS0"
    private static let laterTag = "SRS1"
    static let separators: Set<UInt8> = [UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-")]

    /// Which of the two tags a local part begins with, in any case of letters, and what stands behind it, separator
    /// included.
    static func tagged(_ localPart: String) -> (isFirst: Bool, rest: Substring)? {
        let octets = localPart.utf8
        guard let place = octets.index(octets.startIndex, offsetBy: firstTag.utf8.count, limitedBy: octets.endIndex),
            place < octets.endIndex, separators.contains(octets[place])
        else { return nil }
        let tag = localPart[..<place].utf8
        if tag.equalsIgnoringCase(firstTag.utf8) { return (true, localPart[place...]) }
        return tag.equalsIgnoringCase(laterTag.utf8) ? (false, localPart[place...]) : nil
    }

    /// Reads a local part that anybody may have written; `nil` if it has not the form of either.
    init?(_ localPart: String) {
        guard let (isFirst, rest) = Self.tagged(localPart) else { return nil }
        let parts = rest.utf8.dropFirst().split(
            separator: UInt8(ascii: "="), maxSplits: isFirst ? 3 : 2, omittingEmptySubsequences: false
        ).map { String(decoding: $0, as: UTF8.self) }
        guard parts.count == (isFirst ? 4 : 3), parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        if isFirst {
            self = .first(digest: parts[0], day: parts[1], host: parts[2], user: parts[3])
        } else {
            guard let start = parts[2].utf8.first, Self.separators.contains(start) else { return nil }
            self = .later(digest: parts[0], host: parts[1], rest: parts[2])
        }
    }

    var localPart: String {
        switch self {
        case .first(let digest, let day, let host, let user):
            "\(Self.firstTag)=\(digest)=\(day)=\(host)=\(user)"
        case .later(let digest, let host, let rest): "\(Self.laterTag)=\(digest)=\(host)=\(rest)"
        }
    }

    var digest: String {
        switch self {
        case .first(let digest, _, _, _), .later(let digest, _, _): digest
        }
    }

    /// What the digest is made of: all that must not be changed, one part right behind the other, as in libsrs2. So a
    /// path is also good with the border between host and user moved, which leads a report to a neighbour's name.
    var signed: [UInt8] {
        switch self {
        case .first(_, let day, let host, let user): Array((day + host + user).asciiLowercased.utf8)
        case .later(_, let host, let rest): Array((host + rest).asciiLowercased.utf8)
        }
    }

    /// The address that it stands for.
    var original: EmailAddress {
        switch self {
        case .first(_, _, let host, let user): EmailAddress(localPart: user, domain: host)
        case .later(_, let host, let rest): EmailAddress(localPart: Self.firstTag + rest, domain: host)
        }
    }
}

/// A day as two letters: its number modulo 1024, in base 32.
enum SRSDay {
    static let cycle = 1024
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
    private static let secondsPerDay = 86_400.0

    /// The number of the day since 1970, in UTC.
    static func number(at seconds: Double) -> Int { Int((seconds / secondsPerDay).rounded(.down)) }

    static func text(_ day: Int) -> String {
        let place = day & (cycle - 1)
        return String(decoding: [alphabet[place >> 5], alphabet[place & 31]], as: UTF8.self)
    }

    /// How many days ago that was, in either case of letters; `nil` for what is no day. What is yet to come was nearly
    /// a cycle ago.
    static func age(of text: String, on day: Int) -> Int? {
        let octets = Array(text.asciiUppercased.utf8)
        guard octets.count == 2, let high = alphabet.firstIndex(of: octets[0]),
            let low = alphabet.firstIndex(of: octets[1])
        else { return nil }
        return (day - (high << 5 | low)) & (cycle - 1)
    }
}

extension String {
    fileprivate var asciiUppercased: String {
        String(decoding: utf8.map { $0 >= 0x61 && $0 <= 0x7A ? $0 - 0x20 : $0 }, as: UTF8.self)
    }
}

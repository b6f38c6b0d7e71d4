import MailTypes
import Pipeline

/// Marks on messages that were handed to a partner, by which they are known when they come back.
///
///     Sluice-Hop: t=1764201600; h=Jk3…, 0aB…
///
/// `t` is the second since 1970 at which it ends, each `h` a keyed digest of that and one address: nobody else can make
/// one, and none tells an address to those who do not know it. A mark holds for its address alone, so that mail which a
/// partner's user forwards to somebody else here is no loop. Pure: what it says depends on its values alone.
struct HopMarks {
    static let field: StaticString = "Sluice-Hop"
    /// Addresses of one message that have marks of their own; beyond that one mark stands for all.
    static let most = 100
    /// Fields of one message that are looked at. A message that has passed more servers is refused for that.
    static let mostFields = 100
    /// Characters of a digest, of six bits each.
    private static let length = 20
    private static let everybody = "*"

    /// The first one signs; all of them are believed.
    let secrets: [[UInt8]]
    /// In seconds.
    let lifetime: Int
    let cryptography: any SignatureCryptography

    /// The field's value for a message that goes to a partner for these addresses.
    func value(for addresses: [EmailAddress], at now: Int) throws(CryptographyFailure) -> String {
        guard let secret = secrets.first else { throw CryptographyFailure("there is no secret") }
        let end = now + lifetime
        var digests: [String] = []
        for key in addresses.count > Self.most ? [Self.everybody] : addresses.map(\.key) {
            digests.append(try digest(of: key, end, secret))
        }
        return "t=\(end); h=" + digests.joined(separator: ", ")
    }

    /// One of the addresses for which the message was handed over before; `nil`: there is none.
    func returned(
        _ addresses: [EmailAddress], in header: Header, at now: Int
    ) throws(CryptographyFailure) -> EmailAddress? {
        for field in header.fields(named: Self.field).prefix(Self.mostFields) {
            guard let (end, digests) = Self.read(field.value), end >= now, end <= now + lifetime else { continue }
            for secret in secrets {
                if let first = addresses.first, digests.contains(try digest(of: Self.everybody, end, secret)) {
                    return first
                }
                for address in addresses where digests.contains(try digest(of: address.key, end, secret)) {
                    return address
                }
            }
        }
        return nil
    }

    /// What anybody may have written there; `nil` for what is no mark.
    static func read(_ value: String) -> (end: Int, digests: Set<String>)? {
        let parts = value.split(separator: ";", maxSplits: 1)
        guard parts.count == 2, parts[0].hasPrefix("t="), let end = Int(parts[0].dropFirst(2)) else { return nil }
        let rest = parts[1].drop { $0 == " " || $0 == "\t" }
        guard rest.hasPrefix("h=") else { return nil }
        let digests = rest.dropFirst(2).split(maxSplits: most, whereSeparator: { ", \t".contains($0) })
            .prefix(most).map(String.init)
        return digests.isEmpty ? nil : (end, Set(digests))
    }

    /// The words before it keep it apart from all else that these secrets sign.
    private func digest(of key: String, _ end: Int, _ secret: [UInt8]) throws(CryptographyFailure) -> String {
        let octets = Array("sluice hop 1\n\(end)\n\(key)".utf8)
        let digest = SelectorRecord.base64(try cryptography.hmacSHA1(octets, key: secret))
        return String(digest.prefix(Self.length))
    }
}

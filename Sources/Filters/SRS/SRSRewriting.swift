import MailTypes
import Pipeline

/// Puts reverse-paths of this server in the place of others', and reads what comes back.
///
/// Pure: what it says depends on its values, the address and the day alone.
struct SRSRewriting: Sendable {
    /// The first one signs; all of them are believed.
    let secrets: [[UInt8]]
    /// Characters of a digest.
    let digestLength: Int
    /// Days that an address is good for.
    let days: Int
    let cryptography: any SignatureCryptography

    /// Why an address is not one of this server's.
    enum Fault: Error, Hashable {
        case malformed
        /// No secret of this server has made it.
        case forged
        case expired(age: Int)
        case unavailable(String)
    }

    // MARK: Making

    /// The reverse-path at `domain` that stands for `sender`, whom another forwarder may have put in somebody's place
    /// already. `nil` if it would be longer than a path may be.
    func path(for sender: EmailAddress, at domain: String, day: Int) throws(Fault) -> EmailAddress? {
        guard let secret = secrets.first else { throw .unavailable("there is no secret") }
        var new = Self.unsigned(sender, SRSDay.text(day))
        let digest = String(try digest(of: new, secret).prefix(digestLength))
        switch new {
        case .first(_, let day, let host, let user): new = .first(digest: digest, day: day, host: host, user: user)
        case .later(_, let host, let rest): new = .later(digest: digest, host: host, rest: rest)
        }
        let path = EmailAddress(localPart: new.localPart, domain: domain)
        return path.description.utf8.count + 2 <= AddressParser.maxPath ? path : nil
    }

    private static func unsigned(_ sender: EmailAddress, _ day: String) -> SRSAddress {
        // A third forwarder does not lengthen the chain: reports go back to the first one, past the second.
        if case .later(_, let host, let rest)? = SRSAddress(sender.localPart) {
            return .later(digest: "", host: host, rest: rest)
        }
        if let (isFirst, rest) = SRSAddress.tagged(sender.localPart), isFirst {
            return .later(digest: "", host: sender.domain, rest: String(rest))
        }
        return .first(digest: "", day: day, host: sender.domain, user: sender.localPart)
    }

    // MARK: Reading

    /// The address that a local part of ours stands for. Nothing of it is believed before its digest is right.
    func original(of localPart: String, day: Int) throws(Fault) -> EmailAddress {
        guard let address = SRSAddress(localPart) else { throw .malformed }
        guard try isOurs(address) else { throw .forged }
        if case .first(_, let made, _, _) = address {
            guard let age = SRSDay.age(of: made, on: day) else { throw .malformed }
            guard age <= days else { throw .expired(age: age) }
        }
        // What was taken from a client once must still be an address.
        guard let original = try? AddressParser.mailbox(address.original.description) else { throw .malformed }
        return original
    }

    /// Servers on the way back may have changed the case of letters, so it does not count.
    private func isOurs(_ address: SRSAddress) throws(Fault) -> Bool {
        let given = Array(address.digest.asciiLowercased.utf8)
        guard given.count >= digestLength else { return false }
        var isOurs = false
        for secret in secrets {
            let right = Array(try digest(of: address, secret).asciiLowercased.utf8.prefix(given.count))
            // In a time that does not tell where they differ.
            let differences = zip(given, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
            if right.count == given.count, differences == 0 { isOurs = true }
        }
        return isOurs
    }

    private func digest(of address: SRSAddress, _ secret: [UInt8]) throws(Fault) -> String {
        do throws(CryptographyFailure) {
            return SelectorRecord.base64(try cryptography.hmacSHA1(address.signed, key: secret))
        } catch { throw .unavailable(error.reason) }
    }
}

import MailTypes
import Pipeline

/// A public key as a domain publishes it: `v=DKIM1; k=rsa; p=…`. RFC 6376 §3.6.1, RFC 8463 §4.
struct KeyRecord: Sendable, Hashable {
    enum Fault: Error, Hashable, CustomStringConvertible {
        case malformed(String)
        /// `p=` is empty: the key is withdrawn.
        case revoked
        /// It is for another kind of signature, hash or service.
        case unfit(String)

        var description: String {
            switch self {
            case .malformed(let reason): "the key record is broken: \(reason)"
            case .revoked: "the key is withdrawn"
            case .unfit(let reason): "the key is for something else: \(reason)"
            }
        }
    }

    let key: VerificationKey
    /// `t=y`: the domain is testing.
    let isTesting: Bool
    /// `t=s`: the identity must be of the very domain, not of one below it.
    let isStrict: Bool

    /// Octets of a record that are read; an RSA key of 8192 bits takes 1500.
    static let longest = 8192

    init(_ octets: [UInt8]) throws(Fault) {
        guard octets.count <= Self.longest else { throw .malformed("it is longer than \(Self.longest) octets") }
        let tags: TagList
        do throws(TagList.Fault) { tags = try TagList(octets[...]) } catch { throw .malformed("\(error)") }
        if let version = tags.text("v") {
            guard version == "DKIM1", tags.tags.first?.name == "v" else {
                throw .malformed("v= is not DKIM1, and first")
            }
        }
        if let hashes = tags["h"]?.colonSeparated, !hashes.contains("sha256") { throw .unfit("h= has no sha256") }
        if let services = tags["s"]?.colonSeparated, !services.contains("*"), !services.contains("email") {
            throw .unfit("s= has no email")
        }
        guard let data = tags["p"] else { throw .malformed("there is no p=") }
        if data.isEmpty { throw .revoked }
        guard let octets = data.foldedBase64 else { throw .malformed("p= is not base64") }
        key = try Self.key(octets, kind: tags.text("k") ?? "rsa")
        let flags = tags["t"]?.colonSeparated ?? []
        isTesting = flags.contains("y")
        isStrict = flags.contains("s")
    }

    private static func key(_ octets: [UInt8], kind: String) throws(Fault) -> VerificationKey {
        switch kind {
        case "rsa":
            guard let key = RSAPublicKey.read(octets) else { throw .malformed("p= is no RSA key") }
            return key
        case "ed25519":
            guard octets.count == 32 else { throw .malformed("p= is no Ed25519 key") }
            return .ed25519(octets)
        default:
            throw .unfit("k=\(kind.prefix(20))")
        }
    }

    /// The first record that is a key, of those that a name has; else why the first of all is none. A name should
    /// have one only. RFC 6376 §3.6.2.2.
    static func choose(_ records: [DNSRecord]) -> Result<KeyRecord, Fault> {
        var fault: Fault?
        for case .text(let octets) in records.prefix(most) {
            do throws(Fault) { return .success(try KeyRecord(octets)) } catch { fault = fault ?? error }
        }
        return .failure(fault ?? .malformed("there is no text"))
    }

    /// Records of one name that are looked at.
    private static let most = 5
}

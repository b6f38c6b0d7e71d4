import Adapters
import Foundation
import MailTypes
import Pipeline

#if canImport(Glibc)
    import Glibc
#endif

/// A private key from another program's files.
struct ForeignKey {
    var selector: String
    /// Where it stood, for people.
    var place: String
    let pem: [UInt8]

    /// Larger than any key, and than any table of ten thousand domains.
    private static let mostOctets = 4 << 20

    /// A domain as other programs' files have it, in A-labels and lower case.
    static func domain(_ name: String) -> String {
        (InternationalDomain.toASCII(name) ?? name).asciiLowercased
    }

    /// What a file holds.
    static func contents(of file: String) throws -> [UInt8] {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw CommandFailure.wrong("\(file) cannot be read: \(String(cString: strerror(errno))).")
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw CommandFailure.wrong("\(file) is not a file.")
        }
        guard status.st_size <= mostOctets else { throw CommandFailure.wrong("\(file) is too large.") }
        do { return Array(try handle.read(upToCount: mostOctets) ?? Data()) } catch {
            throw CommandFailure.wrong("\(file) cannot be read: \(error.localizedDescription)")
        }
    }

    init(selector: String, file: String) throws {
        try self.init(selector: selector, octets: Self.contents(of: file), place: file)
    }

    /// `octets` is PEM; or base64 without its frame, or DER, as OpenDKIM's tables may have it and rspamd's files.
    init(selector: String, octets: [UInt8], place: String) throws {
        self.selector = selector
        self.place = place
        let forms = Self.forms(octets)
        var reason = "it is neither PEM nor base64 of a key"
        for form in forms {
            do throws(CryptographyFailure) {
                let key = try LibcryptoSignatures().signingKey(pem: form.pem)
                if let expected = form.publicKey, expected != key.publicKey {
                    throw CryptographyFailure("its two halves do not belong together")
                }
                pem = form.pem
                return
            } catch { reason = error.reason }
        }
        throw CommandFailure.wrong("The key in \(place) cannot be used: \(reason).")
    }

    /// What the octets may be, in PEM, with the public half where they have it.
    private static func forms(_ octets: [UInt8]) -> [(pem: [UInt8], publicKey: [UInt8]?)] {
        if octets.contains(subsequence: "-----BEGIN ") { return [(octets, nil)] }
        let der = octets.first == 0x30 ? octets : base64(octets)
        guard let der, !der.isEmpty else { return [] }
        switch der.count {
        // RFC 8410 §7: the seed within PKCS #8. libsodium's secret key is the seed, then the public key.
        case 32: return [(framed(ed25519 + der, "PRIVATE KEY"), nil)]
        case 64: return [(framed(ed25519 + der.prefix(32), "PRIVATE KEY"), Array(der.suffix(32)))]
        default: return [(framed(der, "PRIVATE KEY"), nil), (framed(der, "RSA PRIVATE KEY"), nil)]
        }
    }

    private static let ed25519: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    private static func base64(_ octets: [UInt8]) -> [UInt8]? {
        Data(base64Encoded: Data(octets.filter { $0 > 0x20 })).map(Array.init)
    }

    private static func framed(_ der: [UInt8], _ kind: String) -> [UInt8] {
        Array("-----BEGIN \(kind)-----\n".utf8) + Base64.encode(der, lineLength: 64).filter { $0 != .cr }
            + Array("\n-----END \(kind)-----\n".utf8)
    }
}

extension [UInt8] {
    fileprivate func contains(subsequence text: String) -> Bool {
        Data(self).range(of: Data(text.utf8)) != nil
    }
}

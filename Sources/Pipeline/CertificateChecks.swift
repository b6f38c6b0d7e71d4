public import struct Foundation.Date

/// Says whether a server is the one it should be, by the certificates it shows.
public protocol CertificateChecks: Sendable {
    /// What a chain proves at that time. It is in DER, the server's own certificate first, and comes from a stranger.
    /// Blocks for as long as some signatures take.
    func verdict(on chain: [[UInt8]], by proof: CertificateProof, at now: Date) -> CertificateVerdict
}

/// What a certificate is measured by.
public enum CertificateProof: Sendable, Hashable {
    /// One of these records must fit; the names are those that a certificate under an authority in DNS may be for.
    /// RFC 7672 §3.
    case tlsa([TLSARecord], names: [String])
    /// An authority that is trusted here must have issued it for one of these names. RFC 6125.
    case authority(names: [String])
}

/// What DNS says of a server's certificate. RFC 6698 §2.1.
public struct TLSARecord: Sendable, Hashable {
    public enum Usage: UInt8, Sendable, Hashable {
        /// An authority that need not be trusted otherwise.
        case authority = 2
        /// The server's own certificate, whatever else it says.
        case server = 3
    }

    public enum Selector: UInt8, Sendable, Hashable {
        case certificate = 0
        case publicKey = 1
    }

    public enum Matching: UInt8, Sendable, Hashable {
        case whole = 0
        case sha256 = 1
        case sha512 = 2
    }

    public let usage: Usage
    public let selector: Selector
    public let matching: Matching
    public let data: [UInt8]

    /// `nil` for what mail cannot use: usages 0 and 1, unknown numbers, a digest of the wrong length.
    /// RFC 7672 §3.1.3, RFC 7671 §4.
    public init?(usage: UInt8, selector: UInt8, matching: UInt8, data: [UInt8]) {
        guard let usage = Usage(rawValue: usage), let selector = Selector(rawValue: selector),
            let matching = Matching(rawValue: matching), !data.isEmpty
        else { return nil }
        switch matching {
        case .whole: break
        case .sha256: if data.count != 32 { return nil }
        case .sha512: if data.count != 64 { return nil }
        }
        self.usage = usage
        self.selector = selector
        self.matching = matching
        self.data = data
    }

    /// Its three numbers.
    public var numbers: String { "\(usage.rawValue) \(selector.rawValue) \(matching.rawValue)" }
}

public enum CertificateVerdict: Sendable, Hashable {
    /// The server is the right one; by what.
    case proven(String)
    case refuted(Fault, String)

    /// The words of reports. RFC 8460 §4.3.
    public enum Fault: String, Sendable, Hashable, Codable, CaseIterable {
        case otherName = "certificate-host-mismatch"
        case expired = "certificate-expired"
        case untrusted = "certificate-not-trusted"
        case other = "validation-failure"
    }
}

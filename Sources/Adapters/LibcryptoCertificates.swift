public import struct Foundation.Date
public import Pipeline

/// Certificates of other servers, checked with libcrypto. RFC 7671, RFC 7672 §3, RFC 5280 §6.
public struct LibcryptoCertificates: CertificateChecks {
    /// Authorities in PEM; `nil`: those of the system.
    private let trustRoots: String?

    public init(trustRoots: String? = nil) { self.trustRoots = trustRoots }

    public func verdict(
        on chain: [[UInt8]], by proof: CertificateProof, at now: Date
    ) -> CertificateVerdict {
        guard let server = chain.first else { return .refuted(.other, "the server shows no certificate") }
        let seconds = Int(now.timeIntervalSince1970)
        switch proof {
        case .authority(let names):
            do throws(CertificateChain.Fault) {
                try CertificateChain.verify(
                    chain, to: .file(trustRoots), names: names, usesSubject: false, at: seconds)
            } catch {
                return error.verdict(names)
            }
            return .proven("a trusted authority issued it for \(names.joined(separator: " or "))")
        case .tlsa(let records, let names):
            // Neither name nor dates matter: DNS speaks of this very certificate or key. RFC 7672 §3.1.1.
            if let fit = records.first(where: { $0.usage == .server && Self.fits($0, server) }) {
                return .proven("TLSA \(fit.numbers) fits it")
            }
            return authority(records, chain, names, seconds)
        }
    }

    /// Whether an authority that DNS names has issued the certificate for one of these names. RFC 7672 §3.1.2.
    private func authority(
        _ records: [TLSARecord], _ chain: [[UInt8]], _ names: [String], _ seconds: Int
    ) -> CertificateVerdict {
        let authorities = records.filter { $0.usage == .authority }
        let issuers = chain.dropFirst().prefix(CertificateChain.longest)
        var anchors = issuers.filter { one in authorities.contains { Self.fits($0, one) } }
        // A whole certificate in DNS need not be sent by the server.
        anchors += authorities.filter { $0.selector == .certificate && $0.matching == .whole }.map(\.data)
        guard !anchors.isEmpty else { return .refuted(.untrusted, "no TLSA record fits its certificates") }
        do throws(CertificateChain.Fault) {
            try CertificateChain.verify(
                chain, to: .certificates(anchors), names: names, usesSubject: true, at: seconds)
        } catch {
            return error.verdict(names)
        }
        let fit = authorities.first { record in anchors.contains { Self.fits(record, $0) } }
        return .proven("the authority of TLSA \(fit?.numbers ?? "2") issued it for \(names.joined(separator: " or "))")
    }

    private static func fits(_ record: TLSARecord, _ certificate: [UInt8]) -> Bool {
        guard
            let selected = record.selector == .certificate
                ? certificate : CertificateChain.publicKey(of: certificate)
        else { return false }
        switch record.matching {
        case .whole: return record.data == selected
        case .sha256: return record.data == CertificateChain.digest(selected, is512: false)
        case .sha512: return record.data == CertificateChain.digest(selected, is512: true)
        }
    }
}

extension CertificateChain.Fault {
    fileprivate func verdict(_ names: [String]) -> CertificateVerdict {
        switch self {
        case .malformed: .refuted(.other, "its certificates cannot be read")
        case .otherName: .refuted(.otherName, "the certificate is not for \(names.joined(separator: " or "))")
        case .expired: .refuted(.expired, "the certificate has expired, or is not valid yet")
        case .untrusted(let reason): .refuted(.untrusted, "the certificate is not trusted: \(reason)")
        case .library(let call): .refuted(.other, "libcrypto: \(call) failed")
        }
    }
}

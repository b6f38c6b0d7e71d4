public import MailTypes

/// Where a domain's owner wants to be told of TLS with its exchangers: the TXT record at `_smtp._tls.DOMAIN`.
/// RFC 8460 §3.
///
/// ```
/// v=TLSRPTv1; rua=mailto:tls@example.org,https://report.example.org/tls
/// ```
public struct TLSReportRecord: Sendable, Hashable {
    /// One place.
    public enum Place: Sendable, Hashable {
        case mail(EmailAddress)
        /// The path begins with `/`, and has what stands behind a question mark.
        case web(host: String, port: Int, path: String)
    }

    /// In the record's order, each once.
    public private(set) var places: [Place] = []
    /// What else it names, and why nothing can be sent there.
    public private(set) var unusable: [Unusable] = []

    public struct Unusable: Sendable, Hashable {
        /// As it stands in the record.
        public var uri: String
        public var reason: String
    }

    /// Octets of a record that are read; real ones have less than a hundred. A longer one is none.
    public static let longest = 4096
    /// Places of a record that are looked at.
    public static let mostPlaces = 20

    private static let version = Array("v=TLSRPTv1".utf8)

    /// Reads the TXT records of a name. `nil`: there is not just one of this kind, or it cannot be read; then the
    /// domain wants no reports.
    public init?(_ texts: [[UInt8]]) {
        let records = texts.filter { text in
            text.starts(with: Self.version)
                && (text.dropFirst(Self.version.count).first { !$0.isBlank } ?? 0) == UInt8(ascii: ";")
        }
        guard records.count == 1, let record = records.first, record.count <= Self.longest else { return nil }
        for field in record.dropFirst(Self.version.count).split(separator: UInt8(ascii: ";")) {
            let field = field.withoutBlanks
            // Unknown fields are for others; of two of a kind the first counts.
            guard field.starts(with: "rua=".utf8) else { continue }
            read(field.dropFirst(4))
            return
        }
        return nil
    }

    private mutating func read(_ list: ArraySlice<UInt8>) {
        for uri in list.split(separator: UInt8(ascii: ",")).prefix(Self.mostPlaces) {
            let uri = uri.withoutBlanks
            do throws(MailtoURI.Unusable) {
                let place = try Self.place(uri)
                if !places.contains(place) { places.append(place) }
            } catch { unusable.append(Unusable(uri: String(decoding: uri, as: UTF8.self), reason: error.reason)) }
        }
    }

    private static func place(_ uri: ArraySlice<UInt8>) throws(MailtoURI.Unusable) -> Place {
        guard uri.prefix(8).equalsIgnoringCase("https://") else { return .mail(try MailtoURI.address(in: uri)) }
        let rest = uri.dropFirst(8)
        let authority = rest.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        let path = rest.dropFirst(authority.count).prefix { $0 != UInt8(ascii: "#") }
        guard path.allSatisfy(\.isVisible) else { throw MailtoURI.Unusable(reason: "its path is not of ASCII") }
        let parts = authority.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        let host = parts.first.map { String(decoding: $0, as: UTF8.self).asciiLowercased } ?? ""
        // Names alone have certificates; nobody is let in by a name and a password here.
        guard DomainName.isName(host), host.contains("."), IPAddress(host) == nil else {
            throw MailtoURI.Unusable(reason: "it has no host name")
        }
        guard let port = parts.count == 2 ? Self.number(parts[1]) : HTTPSClient.port else {
            throw MailtoURI.Unusable(reason: "its port is none")
        }
        let text = String(decoding: path, as: UTF8.self)
        return .web(host: host, port: port, path: text.hasPrefix("/") ? text : "/\(text)")
    }

    private static func number(_ text: ArraySlice<UInt8>) -> Int? {
        guard (1...5).contains(text.count), text.allSatisfy(\.isDigit) else { return nil }
        return Int(String(decoding: text, as: UTF8.self)).flatMap { (1...65_535).contains($0) ? $0 : nil }
    }
}

extension TLSReportRecord.Place: CustomStringConvertible {
    public var description: String {
        switch self {
        case .mail(let address): "mailto:\(address)"
        case .web(let host, let port, let path): "https://\(host)\(port == HTTPSClient.port ? "" : ":\(port)")\(path)"
        }
    }
}

extension ArraySlice<UInt8> {
    fileprivate var withoutBlanks: ArraySlice<UInt8> {
        let start = drop(while: \.isBlank)
        return start.prefix(upTo: start.lastIndex { !$0.isBlank }.map { $0 + 1 } ?? start.startIndex)
    }
}

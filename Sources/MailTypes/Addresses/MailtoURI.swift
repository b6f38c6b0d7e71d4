/// One address in the form `mailto:reports@example.org`. RFC 6068 §2.
public enum MailtoURI {
    /// Why nothing can be sent there.
    public struct Unusable: Error, Sendable, Hashable {
        public var reason: String
        public init(reason: String) { self.reason = reason }
    }

    /// The address of a URI; it is of ASCII, and its domain can be asked about.
    public static func address(in uri: some Collection<UInt8>) throws(Unusable) -> EmailAddress {
        let target = Array(uri)
        let scheme = target.prefix { $0 != UInt8(ascii: ":") }
        guard scheme.equalsIgnoringCase("mailto".utf8), scheme.endIndex < target.endIndex else {
            throw Unusable(reason: "it is no mailto address")
        }
        // Header fields behind a question mark are for mail programs.
        let path = target[(scheme.endIndex + 1)...].prefix { $0 != UInt8(ascii: "?") }
        guard let octets = decoded(path), octets.allSatisfy({ $0 < 0x80 }) else {
            throw Unusable(reason: "its address is not of ASCII")
        }
        let address: EmailAddress
        do throws(AddressParser.Malformed) {
            address = try AddressParser.mailbox(String(decoding: octets, as: UTF8.self))
        } catch { throw Unusable(reason: "it holds no address") }
        guard DomainName.isName(address.domain) else { throw Unusable(reason: "its address has no domain") }
        return address
    }

    /// Without percent signs. RFC 3986 §2.1.
    private static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var octets: [UInt8] = []
        var rest = text
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "%") else {
                octets.append(octet)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                return nil
            }
            octets.append(high << 4 | low)
        }
        return octets
    }

    private static func digit(_ octet: UInt8) -> UInt8? {
        if octet.isDigit { return octet & 0x0F }
        let letter = octet.asciiLowercased &- UInt8(ascii: "a")
        return letter < 6 ? letter + 10 : nil
    }
}

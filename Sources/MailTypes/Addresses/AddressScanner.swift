/// Walks over the octets of an address once, left to right.
///
/// Total: every call either goes forward or throws, and nothing is looked at twice.
struct AddressScanner {
    private let octets: ArraySlice<UInt8>
    private let options: AddressParser.Options
    private(set) var position: Int

    init(_ octets: ArraySlice<UInt8>, options: AddressParser.Options) {
        self.octets = octets
        self.options = options
        position = octets.startIndex
    }

    var isAtEnd: Bool { position >= octets.endIndex }
    var next: UInt8? { isAtEnd ? nil : octets[position] }
    var rest: ArraySlice<UInt8> { octets[position...] }

    /// Goes past `octet` if it is the next one.
    mutating func skip(_ octet: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: octet) else { return false }
        position += 1
        return true
    }

    /// What is wrong with the next octet, which fits nowhere.
    func refusal() -> AddressParser.Malformed {
        guard let next else { return .init(reason: .syntax) }
        if next < 0x20 || next == 0x7F { return .init(reason: .controlCharacter) }
        return .init(reason: next >= 0x80 ? .nonASCIINotAllowed : .syntax)
    }

    // Mailbox = Local-part "@" ( Domain / address-literal )
    mutating func mailbox() throws(AddressParser.Malformed) -> EmailAddress {
        let local = try localPart()
        guard skip("@") else { throw refusal() }
        return EmailAddress(localPart: local, domain: try domainOrLiteral())
    }

    // MARK: - Local part

    // Local-part = Dot-string / Quoted-string
    mutating func localPart() throws(AddressParser.Malformed) -> String {
        let local = next == UInt8(ascii: "\"") ? try quotedString() : try dotString()
        guard !local.isEmpty else { throw refusal() }
        let most = Self.isRewritten(local) ? max(options.maxLocalPart, AddressParser.maxPath) : options.maxLocalPart
        guard local.count <= most else { throw .init(reason: .tooLong) }
        return try text(local[...])
    }

    /// Whether it is a reverse-path that a forwarder has put in another's place (`SRS0=…`): it has a whole address in
    /// it, and reports must find the way back. RFC 5321 §4.5.3.1 wishes for no limits.
    private static func isRewritten(_ local: [UInt8]) -> Bool {
        guard local.count > 4, "=+-".utf8.contains(local[4]) else { return false }
        return local.prefix(4).equalsIgnoringCase("SRS0".utf8) || local.prefix(4).equalsIgnoringCase("SRS1".utf8)
    }

    // Dot-string = Atom *("."  Atom)
    private mutating func dotString() throws(AddressParser.Malformed) -> [UInt8] {
        let start = position
        while let octet = next {
            if octet == UInt8(ascii: ".") {
                // An atom stands on either side of each dot.
                guard position > start, octets[position - 1] != octet else { throw .init(reason: .syntax) }
            } else if !isAllowed(octet) || !octet.isAtext {
                break
            }
            position += 1
        }
        if position > start, octets[position - 1] == UInt8(ascii: ".") { throw .init(reason: .syntax) }
        return Array(octets[start..<position])
    }

    // Quoted-string = DQUOTE *QcontentSMTP DQUOTE
    // QcontentSMTP  = qtextSMTP / quoted-pairSMTP
    private mutating func quotedString() throws(AddressParser.Malformed) -> [UInt8] {
        var content: [UInt8] = []
        position += 1
        while let octet = next {
            if octet == UInt8(ascii: "\"") {
                position += 1
                return content
            }
            if octet == UInt8(ascii: "\\") { position += 1 }
            guard let literal = next, literal >= 0x20, literal != 0x7F, isAllowed(literal) else { throw refusal() }
            content.append(literal)
            position += 1
        }
        throw .init(reason: .syntax)
    }

    // MARK: - Domain

    mutating func domainOrLiteral() throws(AddressParser.Malformed) -> String {
        next == UInt8(ascii: "[") ? try addressLiteral() : try domain()
    }

    // Domain     = sub-domain *("." sub-domain)
    // sub-domain = Let-dig [Ldh-str] / U-label
    mutating func domain() throws(AddressParser.Malformed) -> String {
        let start = position
        repeat { try label() } while skip(".")
        let domain = octets[start..<position]
        guard domain.count <= AddressParser.maxDomain else { throw .init(reason: .tooLong) }
        let text = try text(domain)
        // IDNA maps these to a dot, so a domain could fall into other labels after it was judged.
        guard !text.unicodeScalars.contains(where: { "\u{3002}\u{FF0E}\u{FF61}".unicodeScalars.contains($0) })
        else { throw .init(reason: .syntax) }
        return text.asciiLowercased
    }

    private mutating func label() throws(AddressParser.Malformed) {
        let start = position
        let hyphen = UInt8(ascii: "-")
        var isASCII = true
        while let octet = next, isAllowed(octet) {
            guard octet.isLetter || octet.isDigit || octet == hyphen || octet == UInt8(ascii: "_") || octet >= 0x80
            else { break }
            isASCII = isASCII && octet < 0x80
            position += 1
        }
        guard position > start else { throw refusal() }
        guard octets[start] != hyphen, octets[position - 1] != hyphen else { throw .init(reason: .syntax) }
        // A U-label's own limit is that of its A-label, which is the front-end's to find out.
        if isASCII, position - start > AddressParser.maxLabel { throw .init(reason: .tooLong) }
    }

    // address-literal = "[" ( IPv4-address-literal / IPv6-address-literal / General-address-literal ) "]"
    private mutating func addressLiteral() throws(AddressParser.Malformed) -> String {
        position += 1
        let start = position
        // No IP address is spelled with more than 45 characters, and the tag has 5.
        while let octet = next, octet.isVisible, octet != UInt8(ascii: "]"), position - start <= 50 { position += 1 }
        let content = octets[start..<position]
        guard skip("]") else { throw next.map { $0 < 0x20 } == true ? refusal() : .init(reason: .badLiteral) }
        let isTagged = content.prefix(5).equalsIgnoringCase("IPv6:")
        let spelling = String(decoding: isTagged ? content.dropFirst(5) : content, as: UTF8.self)
        guard let address = IPAddress(spelling), spelling.utf8.contains(UInt8(ascii: ":")) == isTagged else {
            throw .init(reason: .badLiteral)
        }
        return address.literal
    }

    // MARK: - Octets

    private func isAllowed(_ octet: UInt8) -> Bool { octet < 0x80 || options.allowsUTF8 }

    /// The octets as text, if they are UTF-8 without the control characters of its upper half.
    private func text(_ octets: ArraySlice<UInt8>) throws(AddressParser.Malformed) -> String {
        guard let text = String(validating: octets, as: UTF8.self) else {
            throw .init(reason: .nonASCIINotAllowed)
        }
        guard !text.unicodeScalars.contains(where: { (0x80...0x9F).contains($0.value) }) else {
            throw .init(reason: .controlCharacter)
        }
        return text
    }
}

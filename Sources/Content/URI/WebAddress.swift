import MailTypes

/// How somebody made a URI hard to read.
public enum URITrick: String, Sendable, Hashable, CaseIterable {
    /// `hxxp://`, `example[.]com`.
    case defanged
    /// `https://bank.example@evil.example/`.
    case userInfo = "user-info"
    /// `http://0x7f.1/`, `http://2130706433/`.
    case numericHost = "numeric-host"
    /// `http://%65vil.example/`.
    case encodedHost = "encoded-host"
    /// `https:\\evil.example`.
    case backslash
    /// `https:/evil.example`, `https:////evil.example`.
    case oddSlashes = "odd-slashes"
    /// Tabs and line ends inside, which browsers pass over.
    case controls
    case invisibleCharacters = "invisible-characters"
    /// Full-width, circled or mathematical letters, ideographic full stops.
    case oddCharacters = "odd-characters"
    /// The host has letters beyond ASCII.
    case international
    /// A label with letters of scripts that are not written together.
    case mixedScripts = "mixed-scripts"
    /// All letters beyond ASCII look like Latin ones.
    case lookalike
    case port
    /// Another URI inside.
    case redirect
    /// The host is none that a browser would go to.
    case invalidHost = "invalid-host"
    /// Longer than ``ContentLimits/maxURIOctets``.
    case overlong
}

/// A URI, read as browsers do, whatever RFC 3986 says. WHATWG URL.
public struct WebAddress: Sendable, Hashable {
    /// In lower case, without the colon; `hxxp` is `http`.
    public internal(set) var scheme: String
    public internal(set) var userInfo: String?
    /// In lower case and A-labels; an IPv4 address in decimal numbers, an IPv6 address in brackets. Of a
    /// `mailto:` the domain of the first address.
    public internal(set) var host: String?
    /// The host with its letters beyond ASCII, if it has some.
    public internal(set) var unicodeHost: String?
    public internal(set) var isAddressLiteral = false
    public internal(set) var port: Int?
    /// All behind the host: path, query and fragment; what follows the colon where there is no host.
    public internal(set) var rest: String = ""
    public internal(set) var tricks: Set<URITrick> = []

    init(scheme: String) { self.scheme = scheme }

    /// Schemes with a host behind slashes.
    static let special: [String: Int] = ["http": 80, "https": 443, "ftp": 21, "ws": 80, "wss": 443]
    private static let defanged = ["hxxp": "http", "hxxps": "https", "hxtp": "http", "h**p": "http", "fxp": "ftp"]

    /// Reads a URI.
    ///
    /// - Parameters:
    ///   - octets: UTF-8, as it stands in an attribute or a text.
    ///   - base: what a URI without a host is relative to.
    /// - Returns: `nil` if it leads nowhere: relative to nothing, or a fragment of the same page.
    public init?(_ octets: [UInt8], base: WebAddress? = nil, limits: ContentLimits = ContentLimits()) {
        var tricks: Set<URITrick> = []
        if octets.count > limits.maxURIOctets { tricks.insert(.overlong) }
        let text = Self.cleaned(octets.prefix(limits.maxURIOctets), &tricks)
        guard let first = text.first, first != UInt8(ascii: "#") else { return nil }
        if let (scheme, start) = Self.scheme(of: text) {
            let known = Self.defanged[scheme]
            if known != nil { tricks.insert(.defanged) }
            self.init(scheme: known ?? scheme)
            self.tricks = tricks
            read(text[start...])
        } else if text.starts(with: "//".utf8) || text.starts(with: "\\\\".utf8) {
            self.init(scheme: base?.scheme ?? "https")
            self.tricks = tricks
            read(text[...])
        } else {
            guard var base, base.host != nil else { return nil }
            base.rest = String(decoding: text, as: UTF8.self)
            base.tricks.formUnion(tricks)
            self = base
        }
    }

    private mutating func read(_ text: ArraySlice<UInt8>) {
        if let usualPort = Self.special[scheme] {
            readHierarchical(text, usualPort: usualPort)
        } else if scheme == "mailto" {
            readMailbox(text)
        } else {
            rest = String(decoding: text, as: UTF8.self)
        }
    }

    /// Without blanks around and line ends inside.
    private static func cleaned(_ octets: ArraySlice<UInt8>, _ tricks: inout Set<URITrick>) -> [UInt8] {
        var text = octets.drop { $0 <= 0x20 }
        while let last = text.last, last <= 0x20 { text.removeLast() }
        guard text.contains(where: { $0 == .tab || $0 == .cr || $0 == .lf }) else { return Array(text) }
        tricks.insert(.controls)
        return text.filter { $0 != .tab && $0 != .cr && $0 != .lf }
    }

    private static func scheme(of text: [UInt8]) -> (String, Int)? {
        guard let colon = text.prefix(32).firstIndex(of: UInt8(ascii: ":")), colon > 0, text[0].isLetter else {
            return nil
        }
        let name = text[..<colon]
        guard name.allSatisfy({ $0.isLetter || $0.isDigit || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E || $0 == 0x2A })
        else { return nil }
        return (String(decoding: name.map(\.asciiLowercased), as: UTF8.self), colon + 1)
    }

    // MARK: - Schemes with hosts

    private mutating func readHierarchical(_ text: ArraySlice<UInt8>, usualPort: Int) {
        let slashes = text.prefix { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
        if slashes.count != 2 { tricks.insert(.oddSlashes) }
        if slashes.contains(UInt8(ascii: "\\")) { tricks.insert(.backslash) }
        let behind = text.dropFirst(slashes.count)
        let end =
            behind.firstIndex {
                $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: "?")
                    || $0 == UInt8(ascii: "#")
            } ?? behind.endIndex
        if end < behind.endIndex, behind[end] == UInt8(ascii: "\\") { tricks.insert(.backslash) }
        rest = String(decoding: behind[end...], as: UTF8.self)
        var authority = behind[..<end]
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) {
            userInfo = String(decoding: authority[..<at], as: UTF8.self)
            tricks.insert(.userInfo)
            authority = authority[(at + 1)...]
        }
        readHost(authority, usualPort: usualPort)
    }

    private mutating func readHost(_ authority: ArraySlice<UInt8>, usualPort: Int) {
        var name = authority
        let isLiteral = authority.first == UInt8(ascii: "[")
        let colon =
            isLiteral
            ? authority.firstIndex(of: UInt8(ascii: "]")).flatMap { close -> Int? in
                close + 1 < authority.endIndex && authority[close + 1] == UInt8(ascii: ":") ? close + 1 : nil
            } : authority.firstIndex(of: UInt8(ascii: ":"))
        if let colon {
            name = authority[..<colon]
            let digits = authority[(colon + 1)...]
            if !digits.isEmpty {
                guard digits.count <= 8, digits.allSatisfy(\.isDigit),
                    let number = Int(String(decoding: digits, as: UTF8.self)), number < 65536
                else {
                    tricks.insert(.invalidHost)
                    return
                }
                port = number
                if number != usualPort { tricks.insert(.port) }
            }
        }
        guard let found = WebHost(name) else {
            tricks.insert(.invalidHost)
            return
        }
        host = found.text
        unicodeHost = found.unicode
        isAddressLiteral = found.isAddress
        tricks.formUnion(found.tricks)
    }

    private mutating func readMailbox(_ text: ArraySlice<UInt8>) {
        rest = String(decoding: text, as: UTF8.self)
        let mailbox = text.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: ",") }
        guard let at = mailbox.lastIndex(of: UInt8(ascii: "@")) else { return }
        let name = mailbox[(at + 1)...].prefix { $0 != UInt8(ascii: ">") }
        if let found = WebHost(name) {
            host = found.text
            unicodeHost = found.unicode
            tricks.formUnion(found.tricks)
        }
    }

    // MARK: - Redirects

    /// The URI that stands inside of this one: `https://search.example/?url=https%3A%2F%2Fevil.example`.
    func inner(limits: ContentLimits) -> WebAddress? {
        guard Self.special[scheme] != nil, rest.utf8.count > 8 else { return nil }
        var octets = Array(rest.utf8)
        // Without slashes, plain or encoded, there is none.
        guard octets.contains(UInt8(ascii: "%")) || octets[1...].firstRange(ofASCII: "//") != nil else { return nil }
        // What is encoded twice is decoded twice.
        for _ in 0..<2 {
            if let start = Self.start(in: octets) {
                let end = octets[start...].firstIndex(of: UInt8(ascii: "&")) ?? octets.endIndex
                return WebAddress(Array(octets[start..<end]), limits: limits)
            }
            let plain = Self.unescaped(octets)
            guard plain.count < octets.count else { return nil }
            octets = plain
        }
        return Self.start(in: octets).flatMap { WebAddress(Array(octets[$0...]), limits: limits) }
    }

    private static func start(in octets: [UInt8]) -> Int? {
        var place = 1
        while place + 7 < octets.count {
            let octet = octets[place] | 0x20
            if octet == UInt8(ascii: "h"), octets[place..<(place + 4)].equalsIgnoringCase("http") {
                let behind = octets[(place + 4)...].prefix(4)
                if behind.starts(with: "://".utf8) || behind.equalsIgnoringCase("s://") { return place }
            }
            if octets[place - 1] == UInt8(ascii: "="), octets[place] == UInt8(ascii: "/"),
                octets[place + 1] == UInt8(ascii: "/")
            {
                return place
            }
            place += 1
        }
        return nil
    }

    private static func unescaped(_ octets: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var rest = octets[...]
        while let octet = rest.popFirst() {
            if octet == UInt8(ascii: "%"), let high = rest.first?.contentHexValue,
                let low = rest.dropFirst().first?.contentHexValue
            {
                result.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                result.append(octet)
            }
        }
        return result
    }
}

extension WebAddress: CustomStringConvertible {
    /// The URI put together again, without user name.
    public var description: String {
        guard let host, scheme != "mailto" else { return "\(scheme):\(rest)" }
        return "\(scheme)://\(host)\(port.map { ":\($0)" } ?? "")\(rest)"
    }
}

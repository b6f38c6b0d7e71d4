import MailTypes

/// A domain's policy, parsed: `v=spf1 mx -all`. RFC 7208 §4.5, §4.6, §12.
struct SPFRecord: Sendable, Hashable {
    enum Mechanism: Sendable, Hashable {
        case all
        case include(MacroString)
        case a(MacroString?, Prefixes)
        case mx(MacroString?, Prefixes)
        case ptr(MacroString?)
        case network(IPAddress, bits: Int)
        /// An IPv4 address in IPv6 spelling: such clients count as IPv4, so it matches nobody. RFC 7208 §5.
        case nobody
        case exists(MacroString)

        /// The name it is about, where it has one of its own.
        var target: MacroString? {
            switch self {
            case .include(let target), .exists(let target): target
            case .a(let target, _), .mx(let target, _), .ptr(let target): target
            case .all, .network, .nobody: nil
            }
        }
    }

    /// How much of an address must agree. RFC 7208 §5.6.
    struct Prefixes: Sendable, Hashable {
        var ipv4 = 32
        var ipv6 = 128
    }

    struct Directive: Sendable, Hashable {
        /// What a match means: `pass`, `fail`, `softfail` or `neutral`.
        var result: AuthenticationResults.Result
        var mechanism: Mechanism
        /// As the record has it, for the trace.
        var text: String
    }

    struct SyntaxError: Error, Hashable {
        /// The term that is wrong.
        var term: String
    }

    var directives: [Directive] = []
    var redirect: MacroString?
    var explanation: MacroString?

    /// Whether a TXT record is an SPF record: the version, and a space or nothing behind it. RFC 7208 §4.5.
    static func isRecord(_ text: [UInt8]) -> Bool {
        text.prefix(6).equalsIgnoringCase("v=spf1") && (text.count == 6 || text[6] == .space)
    }

    /// Reads a record of which ``isRecord(_:)`` holds. An error anywhere spoils it all. RFC 7208 §4.6.
    init(_ text: [UInt8]) throws(SyntaxError) {
        for term in text.dropFirst(6).split(separator: .space) { try read(term) }
    }

    /// Octets of a term that are told.
    private static let longestQuote = 100

    private mutating func read(_ term: ArraySlice<UInt8>) throws(SyntaxError) {
        let wrong = SyntaxError(term: String(decoding: term.prefix(Self.longestQuote), as: UTF8.self))
        if let equals = term.firstIndex(of: UInt8(ascii: "=")), Self.isName(term[..<equals]) {
            guard readModifier(term[..<equals], term[(equals + 1)...]) else { throw wrong }
            return
        }
        var rest = term
        var result = AuthenticationResults.Result.pass
        switch rest.first {
        case UInt8(ascii: "+"): rest = rest.dropFirst()
        case UInt8(ascii: "-"): (result, rest) = (.fail, rest.dropFirst())
        case UInt8(ascii: "~"): (result, rest) = (.softfail, rest.dropFirst())
        case UInt8(ascii: "?"): (result, rest) = (.neutral, rest.dropFirst())
        default: break
        }
        guard let mechanism = Mechanism(rest) else { throw wrong }
        directives.append(Directive(result: result, mechanism: mechanism, text: wrong.term))
    }

    /// `name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )`. RFC 7208 §12.
    private static func isName(_ text: ArraySlice<UInt8>) -> Bool {
        guard text.first?.isLetter ?? false else { return false }
        return text.allSatisfy { $0.isLetter || $0.isDigit || "-_.".utf8.contains($0) }
    }

    /// `redirect` and `exp` may stand once each; others are passed over if they are well formed. RFC 7208 §6.
    private mutating func readModifier(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) -> Bool {
        if name.equalsIgnoringCase("redirect") {
            guard redirect == nil, let target = MacroString(name: value) else { return false }
            redirect = target
        } else if name.equalsIgnoringCase("exp") {
            guard explanation == nil, let target = MacroString(name: value) else { return false }
            explanation = target
        } else {
            return MacroString(value, for: .unknownModifier) != nil
        }
        return true
    }
}

extension SPFRecord.Mechanism {
    /// A mechanism without its qualifier. RFC 7208 §5.
    fileprivate init?(_ text: ArraySlice<UInt8>) {
        let name = text.prefix { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: "/") }
        let rest = text[name.endIndex...]
        let argument = rest.first == UInt8(ascii: ":") ? rest.dropFirst() : nil
        switch String(decoding: name.map(\.asciiLowercased), as: UTF8.self) {
        case "all" where rest.isEmpty: self = .all
        case "include": self.init(named: argument, Self.include)
        case "exists": self.init(named: argument, Self.exists)
        case "ptr" where rest.isEmpty: self = .ptr(nil)
        case "ptr": self.init(named: argument, Self.ptr)
        case "a":
            guard let (name, prefixes) = Self.nameAndPrefixes(rest) else { return nil }
            self = .a(name, prefixes)
        case "mx":
            guard let (name, prefixes) = Self.nameAndPrefixes(rest) else { return nil }
            self = .mx(name, prefixes)
        case "ip4":
            guard let argument else { return nil }
            self.init(network: argument, octets: 4)
        case "ip6":
            guard let argument else { return nil }
            self.init(network: argument, octets: 16)
        default: return nil
        }
    }

    private init?(named argument: ArraySlice<UInt8>?, _ make: (MacroString) -> Self) {
        guard let name = argument.flatMap({ MacroString(name: $0) }) else { return nil }
        self = make(name)
    }

    /// `[:name][/n][//n]`. RFC 7208 §5.3.
    private static func nameAndPrefixes(_ text: ArraySlice<UInt8>) -> (MacroString?, SPFRecord.Prefixes)? {
        var text = text
        var prefixes = SPFRecord.Prefixes()
        // From the end, since a name may have slashes of its own.
        if let (rest, bits) = takePrefix(text, mark: "//") {
            guard let bits, bits <= 128 else { return nil }
            (text, prefixes.ipv6) = (rest, bits)
        }
        if let (rest, bits) = takePrefix(text, mark: "/") {
            guard let bits, bits <= 32 else { return nil }
            (text, prefixes.ipv4) = (rest, bits)
        }
        if text.isEmpty { return (nil, prefixes) }
        guard text.first == UInt8(ascii: ":"), let name = MacroString(name: text.dropFirst()) else { return nil }
        return (name, prefixes)
    }

    /// Takes `/24` from the end. The number is `nil` where it is none as the grammar wants it.
    private static func takePrefix(_ text: ArraySlice<UInt8>, mark: String) -> (ArraySlice<UInt8>, Int?)? {
        let digits = text.reversed().prefix(while: \.isDigit).count
        let rest = text.dropLast(digits)
        guard digits > 0, rest.count >= mark.utf8.count, rest.suffix(mark.utf8.count).elementsEqual(mark.utf8) else {
            return nil
        }
        return (rest.dropLast(mark.utf8.count), number(text.suffix(digits)))
    }

    /// At most three digits, no leading zero.
    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard (1...3).contains(digits.count), digits.first != UInt8(ascii: "0") || digits.count == 1 else { return nil }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// `192.0.2.0/24`, `2001:db8::/32`. RFC 7208 §5.6.
    private init?(network text: ArraySlice<UInt8>, octets: Int) {
        var address = text
        var bits = octets * 8
        if let slash = text.firstIndex(of: UInt8(ascii: "/")) {
            let digits = text[(slash + 1)...]
            guard digits.allSatisfy(\.isDigit), let number = Self.number(digits), number <= bits else { return nil }
            (address, bits) = (text[..<slash], number)
        }
        let spelling = String(decoding: address, as: UTF8.self)
        guard spelling.utf8.contains(UInt8(ascii: ":")) == (octets == 16), let ip = IPAddress(spelling) else {
            return nil
        }
        self = ip.octets.count == octets ? .network(ip, bits: bits) : .nobody
    }
}

extension SPFRecord.Mechanism {
    /// Whether it says nothing about who is permitted.
    var isForAnybody: Bool {
        switch self {
        case .all: true
        case .network(let base, let bits): bits < (base.isIPv6 ? Self.fewestBits.ipv6 : Self.fewestBits.ipv4)
        case .a(_, let prefixes), .mx(_, let prefixes):
            prefixes.ipv4 < Self.fewestBits.ipv4 || prefixes.ipv6 < Self.fewestBits.ipv6
        case .nobody, .include, .ptr, .exists: false
        }
    }

    /// Nobody has a network as large as that: the largest that were ever given away have this many bits.
    private static let fewestBits = (ipv4: 8, ipv6: 16)
}

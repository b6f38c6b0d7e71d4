import MailTypes

/// The host of a URL, as a browser understands it. WHATWG URL §3.
struct WebHost {
    /// In lower case and A-labels; an IPv4 address in four decimal numbers, an IPv6 address in brackets.
    var text: String
    /// With its letters beyond ASCII, if it has some.
    var unicode: String?
    var isAddress = false
    var tricks: Set<URITrick> = []

    /// More are no host.
    private static let longest = 1024
    private static let maxLabels = 128

    /// `nil` if no browser would go there.
    init?(_ octets: ArraySlice<UInt8>) {
        guard octets.count <= Self.longest else { return nil }
        if octets.first == UInt8(ascii: "["), octets.last == UInt8(ascii: "]") {
            let inner = octets.dropFirst().dropLast()
            guard inner.allSatisfy({ $0.contentHexValue != nil || $0 == UInt8(ascii: ":") || $0 == 0x2E }),
                let address = IPAddress(String(decoding: inner, as: UTF8.self)), inner.contains(UInt8(ascii: ":"))
            else { return nil }
            self.init(address: address)
            return
        }
        if let plain = Self.plainName(octets) {
            self.init(text: plain, unicode: nil, tricks: [])
            return
        }
        var tricks: Set<URITrick> = []
        var scalars = Self.scalars(Self.unescaped(octets, &tricks), &tricks)
        while scalars.last == 0x2E { scalars.removeLast() }
        let labels = scalars.split(separator: 0x2E, maxSplits: Self.maxLabels, omittingEmptySubsequences: true)
        guard !labels.isEmpty, !scalars.contains(where: Self.isForbidden) else { return nil }
        if let number = Self.address(labels) {
            guard let octets = number else { return nil }
            guard let address = IPAddress(octets: octets) else { return nil }
            self.init(address: address)
            self.tricks = tricks
            let plain = address.description
            if !plain.utf8.map(UInt32.init).elementsEqual(scalars) { self.tricks.insert(.numericHost) }
            return
        }
        var ascii: [String] = []
        var shown: [String] = []
        for label in labels {
            guard let (coded, readable) = Self.label(Array(label), &tricks) else { return nil }
            ascii.append(coded)
            shown.append(readable)
        }
        self.init(
            text: ascii.joined(separator: "."), unicode: ascii == shown ? nil : shown.joined(separator: "."),
            tricks: tricks)
    }

    private init(address: IPAddress) {
        self.init(text: address.isIPv6 ? "[\(address)]" : address.description, unicode: nil, tricks: [])
        isAddress = true
    }

    private init(text: String, unicode: String?, tricks: Set<URITrick>) {
        self.text = text
        self.unicode = unicode
        self.tricks = tricks
    }

    /// The host, if it is a name of ASCII letters without any trick, as nearly all are.
    private static func plainName(_ octets: ArraySlice<UInt8>) -> String? {
        var last: UInt8 = 0x2E
        var labelStart: UInt8 = 0
        for octet in octets {
            if octet == 0x2E {
                guard last != 0x2E else { return nil }
            } else {
                guard octet.isLetter || octet.isDigit || octet == 0x2D || octet == 0x5F else { return nil }
                // `xn--`, or two dashes of whatever else.
                if octet == 0x2D, last == 0x2D { return nil }
                if last == 0x2E { labelStart = octet }
            }
            last = octet
        }
        // A last label that begins with a digit may be a number.
        guard labelStart.isLetter, last != 0x2E, octets.count <= 253 else { return nil }
        return String(decoding: octets, as: UTF8.self).asciiLowercased
    }

    // MARK: - Characters

    private static func unescaped(_ octets: ArraySlice<UInt8>, _ tricks: inout Set<URITrick>) -> [UInt8] {
        guard octets.contains(UInt8(ascii: "%")) else { return Array(octets) }
        var result: [UInt8] = []
        var rest = octets
        while let octet = rest.popFirst() {
            if octet == UInt8(ascii: "%"), let high = rest.first?.contentHexValue,
                let low = rest.dropFirst().first?.contentHexValue
            {
                result.append(high << 4 | low)
                rest = rest.dropFirst(2)
                tricks.insert(.encodedHost)
            } else {
                result.append(octet)
            }
        }
        return result
    }

    /// In lower case, with plain letters for those that only look different, without what is not seen.
    private static func scalars(_ octets: [UInt8], _ tricks: inout Set<URITrick>) -> [UInt32] {
        if octets.allSatisfy({ $0 < 0x80 }) { return octets.map { UInt32($0.asciiLowercased) } }
        var result: [UInt32] = []
        for scalar in String(decoding: octets, as: UTF8.self).unicodeScalars {
            let value = scalar.value
            if value < 0x80 {
                result.append(UInt32(UInt8(truncatingIfNeeded: value).asciiLowercased))
            } else if Homoglyphs.isInvisible(value) {
                tricks.insert(.invisibleCharacters)
            } else if value == 0x3002 || value == 0xFF61 {
                tricks.insert(.oddCharacters)
                result.append(0x2E)
            } else if let plain = Homoglyphs.plain(value) {
                tricks.insert(.oddCharacters)
                result.append(UInt32(plain.asciiLowercased))
            } else {
                for lower in scalar.properties.lowercaseMapping.unicodeScalars { result.append(lower.value) }
            }
        }
        return result
    }

    private static func isForbidden(_ scalar: UInt32) -> Bool {
        guard scalar > 0x20, scalar != 0x7F else { return true }
        guard scalar < 0x80 else { return scalar == 0xFFFD }
        switch UInt8(truncatingIfNeeded: scalar) {
        case UInt8(ascii: "#"), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "<"), UInt8(ascii: ">"),
            UInt8(ascii: "?"), UInt8(ascii: "@"), UInt8(ascii: "["), UInt8(ascii: "\\"), UInt8(ascii: "]"),
            UInt8(ascii: "^"), UInt8(ascii: "|"), UInt8(ascii: "%"):
            return true
        default:
            return false
        }
    }

    // MARK: - Labels

    /// A label in ASCII and as it is read.
    private static func label(_ scalars: [UInt32], _ tricks: inout Set<URITrick>) -> (String, String)? {
        let isASCII = scalars.allSatisfy { $0 < 0x80 }
        let octets = scalars.map { UInt8(truncatingIfNeeded: $0) }
        guard !isASCII || octets.starts(with: "xn--".utf8) else {
            guard scalars.count <= 255 else { return nil }
            let text = String(decoding: octets, as: UTF8.self)
            return (text, text)
        }
        if isASCII {
            let text = String(decoding: octets, as: UTF8.self)
            tricks.insert(.international)
            // What cannot be decoded is still a name that can be asked for.
            guard let decoded = Punycode.decode(octets[4...]) else { return (text, text) }
            judge(decoded, &tricks)
            return (text, self.text(decoded))
        }
        tricks.insert(.international)
        guard let coded = Punycode.encode(scalars) else { return nil }
        judge(scalars, &tricks)
        return ("xn--" + String(decoding: coded, as: UTF8.self), text(scalars))
    }

    private static func text(_ scalars: [UInt32]) -> String {
        var octets: [UInt8] = []
        for scalar in scalars { octets.append(codePoint: scalar) }
        return String(decoding: octets, as: UTF8.self)
    }

    private static func judge(_ scalars: [UInt32], _ tricks: inout Set<URITrick>) {
        let scripts = scalars.reduce(into: Homoglyphs.Scripts()) { $0.insert(Homoglyphs.script(of: $1)) }
        if scripts.isOddMix { tricks.insert(.mixedScripts) }
        let foreign = scalars.filter { $0 >= 0x370 }
        if !foreign.isEmpty, foreign.allSatisfy({ Homoglyphs.latin($0) != nil }) { tricks.insert(.lookalike) }
    }

    // MARK: - Numbers

    /// The address, if the last label is a number: then the whole must be one, or it is no host (inner `nil`).
    private static func address(_ labels: [ArraySlice<UInt32>]) -> [UInt8]?? {
        guard let last = labels.last, number(last) != nil || last.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        guard labels.count <= 4 else { return .some(nil) }
        var value: UInt64 = 0
        for (place, label) in labels.enumerated() {
            guard let number = number(label) else { return .some(nil) }
            let isLast = place == labels.count - 1
            let room = isLast ? UInt64(1) << UInt64(8 * (5 - labels.count)) : 256
            guard number < room else { return .some(nil) }
            value |= isLast ? number : number << UInt64(8 * (3 - place))
        }
        return (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt64(24 - 8 * $0)) }
    }

    /// Decimal, octal with a leading zero, or hexadecimal with `0x`.
    private static func number(_ label: ArraySlice<UInt32>) -> UInt64? {
        var digits = label.prefix(32).map { UInt8(truncatingIfNeeded: $0) }[...]
        guard label.count <= 32, label.allSatisfy({ $0 < 0x80 }) else { return nil }
        var radix: UInt64 = 10
        if digits.starts(with: "0x".utf8) {
            (radix, digits) = (16, digits.dropFirst(2))
        } else if digits.count > 1, digits.first == UInt8(ascii: "0") {
            (radix, digits) = (8, digits.dropFirst())
        } else if digits.isEmpty {
            return nil
        }
        var value: UInt64 = 0
        for digit in digits {
            guard let number = digit.contentHexValue, UInt64(number) < radix else { return nil }
            value = Swift.min(1 << 40, value * radix + UInt64(number))
        }
        return value
    }
}

/// One field of a header, as it arrived or as a stage made it. RFC 5322 §2.2.
///
/// The octets are kept exactly, folding and odd spacing included, since signatures cover them.
public struct HeaderField: Sendable, Hashable {
    /// `Name: value CRLF`, continuation lines included.
    public let raw: ArraySlice<UInt8>
    /// How many octets of ``raw`` are the name.
    private let nameCount: Int

    init(raw: ArraySlice<UInt8>, nameCount: Int) {
        self.raw = raw
        self.nameCount = nameCount
    }

    /// Makes a field of our own. The value is cleaned: no line end or control character of a
    /// stranger's gets into the header, and lines longer than 78 octets are folded at blanks.
    /// In the name, what may not stand there becomes `-`.
    public init(name: StaticString, value: String) {
        self.init(name: "\(name)", value: value)
    }

    public init(name: String, value: String) {
        let encoded = HeaderFolding.field(name: name, value: value)
        self.init(raw: encoded[...], nameCount: HeaderFolding.legalName(name).count)
    }

    /// Makes a field of our own whose value is folded already, such as a signature that another program has made: what
    /// stands behind the colon, with CR LF or LF before each continuation line, comes into the field as it is. A value
    /// that breaks the rules of folding, RFC 5322 §2.2.3, is cleaned and folded anew.
    public init(name: String, foldedValue value: String) {
        guard let lines = HeaderFolding.lines(ofFolded: value, name: name) else {
            self.init(name: name, value: value)
            return
        }
        var raw = HeaderFolding.legalName(name)
        let nameCount = raw.count
        raw.append(UInt8(ascii: ":"))
        raw += lines
        raw += [.cr, .lf]
        self.init(raw: raw[...], nameCount: nameCount)
    }

    public var nameBytes: ArraySlice<UInt8> { raw.prefix(nameCount) }
    public var name: String { String(decoding: nameBytes, as: UTF8.self) }

    /// Whether this is the field called `name`, in any case.
    public func isNamed(_ name: StaticString) -> Bool { nameBytes.equalsIgnoringCase(name) }
    public func isNamed(_ name: String) -> Bool { nameBytes.equalsIgnoringCase(name.utf8) }

    /// All octets after the colon and before the last line end, folding included.
    public var rawValue: ArraySlice<UInt8> {
        var end = raw.endIndex
        if end > raw.startIndex, raw[end - 1] == .lf { end -= 1 }
        if end > raw.startIndex, raw[end - 1] == .cr { end -= 1 }
        let colon = raw[raw.startIndex..<end].dropFirst(nameCount).firstIndex(of: UInt8(ascii: ":"))
        return raw[(colon.map { $0 + 1 } ?? end)..<end]
    }

    /// The value on one line, without the blanks around it; octets that are no UTF-8 become U+FFFD.
    public var value: String {
        var octets: [UInt8] = []
        octets.reserveCapacity(rawValue.count)
        for octet in rawValue where octet != .cr && octet != .lf { octets.append(octet) }
        let trimmed = octets.drop(while: \.isBlank)
        let end = trimmed.lastIndex { !$0.isBlank }.map { $0 + 1 } ?? trimmed.startIndex
        return String(decoding: trimmed[trimmed.startIndex..<end], as: UTF8.self)
    }
}

extension HeaderField: CustomStringConvertible {
    public var description: String { "\(name): \(value)" }
}

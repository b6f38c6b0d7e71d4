/// The mailboxes of a From, Sender, Reply-To, To or Cc field. RFC 5322 §3.4, with §4.4's obsolete forms.
///
/// ### Example
/// ```
/// To: "Berg, Anna" <anna@example.org>, Friends: carl@example.net, d@example.net (Dora);
/// ```
/// Linear in time, capped in number. What is no address is kept as a mailbox without one and noted, so
/// that nobody takes a field that cannot be read for one with fewer authors.
public struct AddressList: Sendable, Hashable {
    public struct Mailbox: Sendable, Hashable {
        /// The display name, decoded; else what a comment behind the address says.
        public var name: String?
        /// `nil` if what stands there is no address.
        public var address: EmailAddress?
        /// The name of the group that the mailbox is listed in.
        public var group: String?
    }

    public enum Defect: String, Sendable, Hashable, Codable {
        /// Something that is no address, or two addresses without a comma.
        case malformed
        /// More mailboxes or groups than the limit; the rest is not read.
        case tooMany = "too-many"
    }

    /// How many mailboxes of one field are read.
    public static let defaultLimit = 10_000

    public private(set) var mailboxes: [Mailbox] = []
    /// Names of all groups, those without members (`undisclosed-recipients:;`) too.
    public private(set) var groups: [String] = []
    public private(set) var defects: Set<Defect> = []

    /// Reads the body of a field.
    public init(parsing value: ArraySlice<UInt8>, limit: Int = defaultLimit) {
        var reader = AddressListReader(value, limit: limit)
        reader.read()
        mailboxes = reader.mailboxes
        groups = reader.groups
        defects = reader.defects
    }

    public init(_ field: HeaderField, limit: Int = defaultLimit) {
        self.init(parsing: field.rawValue, limit: limit)
    }

    public var addresses: [EmailAddress] { mailboxes.compactMap(\.address) }
}

/// Collects words until a comma, bracket, colon or semicolon says what they were.
private struct AddressListReader {
    private enum Token {
        case word([UInt8])
        case quoted([UInt8])
        case dot, at
        case literal([UInt8])
        /// An octet that stands in no word; it spoils an address.
        case other
    }

    private(set) var mailboxes: [AddressList.Mailbox] = []
    private(set) var groups: [String] = []
    private(set) var defects: Set<AddressList.Defect> = []

    private var lexer: FieldLexer
    private let limit: Int
    private var tokens: [(token: Token, isSpaced: Bool)] = []
    private var comment: [UInt8]?
    private var group: String?
    /// Whether an address in brackets was read and no comma has come since.
    private var isAfterBrackets = false

    init(_ octets: ArraySlice<UInt8>, limit: Int) {
        lexer = FieldLexer(octets)
        self.limit = limit
    }

    mutating func read() {
        while defects.contains(.tooMany) == false {
            let start = lexer.position
            if let said = lexer.skipCFWS() { comment = said }
            guard let next = lexer.next else { break }
            let isSpaced = lexer.position > start
            switch next {
            case UInt8(ascii: ","):
                lexer.advance()
                endMailbox()
            case UInt8(ascii: ";"):
                lexer.advance()
                endMailbox()
                if group == nil { defects.insert(.malformed) }
                group = nil
            case UInt8(ascii: ":"):
                lexer.advance()
                beginGroup()
            case UInt8(ascii: "<"):
                lexer.advance()
                readBrackets()
            default:
                tokens.append((readToken(), isSpaced))
            }
        }
        endMailbox()
    }

    private mutating func readToken() -> Token {
        if let quoted = lexer.quotedString() { return .quoted(quoted) }
        if lexer.skip(".") { return .dot }
        if lexer.skip("@") { return .at }
        if lexer.skip("[") {
            let literal = lexer.run { $0.isVisible && $0 != UInt8(ascii: "]") }
            return lexer.skip("]") ? .literal([UInt8(ascii: "[")] + literal + [UInt8(ascii: "]")]) : .other
        }
        let atom = lexer.run(while: \.isAtext)
        if !atom.isEmpty { return .word(Array(atom)) }
        lexer.advance()
        return .other
    }

    // MARK: - What the words were

    private mutating func beginGroup() {
        if group != nil || tokens.isEmpty || isAfterBrackets { defects.insert(.malformed) }
        guard groups.count < limit else {
            defects.insert(.tooMany)
            return
        }
        let name = phrase() ?? ""
        groups.append(name)
        group = name
        reset()
    }

    // angle-addr = "<" [obs-route] addr-spec ">"
    private mutating func readBrackets() {
        if isAfterBrackets { defects.insert(.malformed) }
        let name = phrase()
        tokens = []
        lexer.skipCFWS()
        if lexer.next == UInt8(ascii: "@") {
            // A route; its hosts are of no interest to anybody.
            _ = lexer.run { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: ">") }
            _ = lexer.skip(":")
        }
        var isClosed = false
        while true {
            lexer.skipCFWS()
            guard let next = lexer.next, next != UInt8(ascii: "<") else { break }
            if lexer.skip(">") {
                isClosed = true
                break
            }
            tokens.append((readToken(), false))
        }
        add(name: name, address: isClosed ? address() : nil)
        tokens = []
        isAfterBrackets = true
    }

    private mutating func endMailbox() {
        defer { reset() }
        if isAfterBrackets {
            // Words behind the brackets belong to nothing.
            if !tokens.isEmpty { defects.insert(.malformed) }
            return
        }
        // Empty members of a list are obsolete, not wrong. RFC 5322 §4.4.
        guard !tokens.isEmpty else { return }
        let address = address()
        add(name: address == nil ? phrase() : comment.map(Self.display), address: address)
    }

    private mutating func add(name: String?, address: EmailAddress?) {
        guard mailboxes.count < limit else {
            defects.insert(.tooMany)
            return
        }
        if address == nil { defects.insert(.malformed) }
        mailboxes.append(.init(name: name, address: address, group: group))
    }

    private mutating func reset() {
        tokens = []
        comment = nil
        isAfterBrackets = false
    }

    // phrase = 1*word / obs-phrase, in which dots may stand
    private func phrase() -> String? {
        var text: [UInt8] = []
        for (token, isSpaced) in tokens {
            if isSpaced, !text.isEmpty { text.append(.space) }
            switch token {
            case .word(let word), .quoted(let word): text += word
            case .dot: text.append(UInt8(ascii: "."))
            case .at: text.append(UInt8(ascii: "@"))
            case .literal(let literal): text += literal
            case .other: continue
            }
        }
        return text.isEmpty ? nil : Self.display(text)
    }

    private static func display(_ octets: [UInt8]) -> String {
        EncodedWord.decode(Charset.text(octets, charset: "utf-8"))
    }

    // addr-spec = local-part "@" domain
    private func address() -> EmailAddress? {
        var local: [UInt8] = []
        var domain: [UInt8] = []
        var isInDomain = false
        for (token, _) in tokens {
            switch token {
            case .word(let word):
                if isInDomain { domain += word } else { local += word }
            case .quoted(let word):
                guard !isInDomain else { return nil }
                local += word
            case .dot:
                if isInDomain { domain.append(UInt8(ascii: ".")) } else { local.append(UInt8(ascii: ".")) }
            case .literal(let literal):
                guard isInDomain, domain.isEmpty else { return nil }
                domain = literal
            case .at:
                guard !isInDomain else { return nil }
                isInDomain = true
            case .other:
                return nil
            }
        }
        guard isInDomain, hasDotsBetweenWords, let name = String(validating: local, as: UTF8.self),
            let host = String(validating: domain, as: UTF8.self)
        else { return nil }
        // Written canonically and read by the one strict reader.
        return try? AddressParser.mailbox(EmailAddress(localPart: name, domain: host).description)
    }

    /// Two words side by side are no local part and no domain: `anna berg@example.org`.
    private var hasDotsBetweenWords: Bool {
        var wasWord = false
        for (token, _) in tokens {
            switch token {
            case .word, .quoted:
                if wasWord { return false }
                wasWord = true
            case .dot, .at, .literal, .other:
                wasWord = false
            }
        }
        return true
    }
}

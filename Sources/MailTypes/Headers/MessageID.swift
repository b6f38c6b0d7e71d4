/// The name of a message: `<1234@local.machine.example>`. RFC 5322 §3.6.4.
public struct MessageID: Sendable, Hashable, CustomStringConvertible {
    /// With its angle brackets.
    public let text: String
    public var description: String { text }

    /// Longer than any that is not an attack.
    public static let longest = 998

    /// Makes the id of a message that came without one.
    public init(_ id: TransactionID, host: String) { text = "<\(id)@\(host)>" }

    /// Reads a Message-ID field's body: exactly one id.
    public init?(parsing value: ArraySlice<UInt8>) {
        var lexer = FieldLexer(value)
        guard let id = Self.read(&lexer) else { return nil }
        lexer.skipCFWS()
        guard lexer.isAtEnd else { return nil }
        self = id
    }

    /// The ids of a References or In-Reply-To field, at most `limit`; what is none is passed over.
    public static func list(parsing value: ArraySlice<UInt8>, limit: Int = 1000) -> [MessageID] {
        var lexer = FieldLexer(value)
        var ids: [MessageID] = []
        while !lexer.isAtEnd, ids.count < limit {
            let start = lexer.position
            if let id = read(&lexer) {
                ids.append(id)
            } else if lexer.position == start {
                lexer.advance()
            }
        }
        return ids
    }

    // msg-id = [CFWS] "<" id-left "@" id-right ">" [CFWS]
    // Read as everybody does: visible characters, one "@" or more, nothing that closes a bracket.
    private static func read(_ lexer: inout FieldLexer) -> MessageID? {
        lexer.skipCFWS()
        var attempt = lexer
        guard attempt.skip("<") else { return nil }
        let content = attempt.run { ($0.isVisible || $0 >= 0x80) && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") }
        // Whatever was read here is not read again, id or not.
        lexer = attempt
        guard lexer.skip(">"), content.count + 2 <= longest, let text = String(validating: content, as: UTF8.self),
            let at = content.lastIndex(of: UInt8(ascii: "@")), at > content.startIndex, at < content.endIndex - 1
        else { return nil }
        return MessageID(unchecked: "<\(text)>")
    }

    private init(unchecked text: String) { self.text = text }
}

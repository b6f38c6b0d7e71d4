/// An Authentication-Results or ARC-Authentication-Results field that somebody wrote. RFC 8601 §2.2, RFC 8617 §4.1.1.
///
/// Real receivers write what the RFC does not allow: no authserv-id, bare words, results of their own. What can
/// be read is read; ``isDamaged`` says that there was more.
public struct ParsedAuthenticationResults: Sendable, Hashable {
    /// Who says so, in lower case and without a dot at its end; `nil` where the field does not say.
    public private(set) var authservID: String?
    /// The `i=` of an ARC set.
    public private(set) var instance: Int?
    public private(set) var results = AuthenticationResults()
    public private(set) var isDamaged = false
    /// Parts that are one word and nothing else.
    private var bareWords: [String] = []

    /// More results, or properties of one, than any receiver writes; the rest is not read.
    private static let longestList = 200

    /// Reads the body of a field.
    public init(parsing value: ArraySlice<UInt8>) {
        var lexer = FieldLexer(value)
        var isFirst = true
        while results.entries.count < Self.longestList {
            lexer.skipCFWS()
            readPart(&lexer, isFirst: isFirst)
            // An ARC set's number stands before the authserv-id.
            isFirst = isFirst && instance != nil && authservID == nil
            _ = lexer.run { $0 != UInt8(ascii: ";") }
            guard lexer.skip(";") else { break }
        }
    }

    public init(_ field: HeaderField) { self.init(parsing: field.rawValue) }

    /// Whether the field gives itself out for one of `host`'s, in any spelling: comments, folding, quotes,
    /// case, a dot at the end, or not in the first place. Such a field on mail that comes in is forged. RFC 8601 §5.
    public func claims(host: String) -> Bool {
        let wanted = Self.normalized(Array(host.utf8)[...])
        return authservID == wanted || bareWords.contains(wanted)
    }

    private static func normalized(_ octets: ArraySlice<UInt8>) -> String {
        var octets = octets
        while octets.last == UInt8(ascii: ".") { octets = octets.dropLast() }
        return String(decoding: octets.map(\.asciiLowercased), as: UTF8.self)
    }

    // MARK: - Parts between semicolons

    private mutating func readPart(_ lexer: inout FieldLexer, isFirst: Bool) {
        let word: [UInt8] = lexer.quotedString() ?? Array(lexer.run(while: Self.isWord))
        // methodspec = [CFWS] method [ "/" version ] [CFWS] "=" [CFWS] result
        lexer.skipCFWS()
        if lexer.skip("/") {
            lexer.skipCFWS()
            _ = lexer.run(while: \.isDigit)
            lexer.skipCFWS()
        }
        if lexer.skip("=") {
            readResult(of: word, &lexer, isFirst: isFirst)
        } else if !word.isEmpty {
            readBareWord(word, &lexer, isFirst: isFirst)
        }
    }

    private mutating func readBareWord(_ word: [UInt8], _ lexer: inout FieldLexer, isFirst: Bool) {
        let name = Self.normalized(word[...])
        guard isFirst else {
            if name != "none" { isDamaged = true }
            bareWords.append(name)
            return
        }
        authservID = name
        // authres-version = 1*DIGIT
        _ = lexer.run(while: \.isDigit)
        lexer.skipCFWS()
        if let next = lexer.next, next != UInt8(ascii: ";") { isDamaged = true }
    }

    private mutating func readResult(of method: [UInt8], _ lexer: inout FieldLexer, isFirst: Bool) {
        lexer.skipCFWS()
        let word = String(decoding: lexer.run(while: Self.isWord).map(\.asciiLowercased), as: UTF8.self)
        if isFirst, instance == nil, method.equalsIgnoringCase("i"), let number = Int(word) {
            instance = number
            return
        }
        if isFirst { isDamaged = true }
        let result = AuthenticationResults.Result(rawValue: word == "hardfail" ? "fail" : word)
        // method = Keyword; what else stands there is no method's name.
        guard let result, !method.isEmpty, method.allSatisfy({ $0.isMIMEToken && $0 < 0x80 }) else {
            isDamaged = true
            return
        }
        var entry = AuthenticationResults.Entry(
            method: String(decoding: method.map(\.asciiLowercased), as: UTF8.self), result: result)
        readProperties(of: &entry, &lexer)
        results.entries.append(entry)
    }

    // reasonspec = "reason" [CFWS] "=" [CFWS] value
    // propspec   = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue
    private mutating func readProperties(of entry: inout AuthenticationResults.Entry, _ lexer: inout FieldLexer) {
        while entry.properties.count < Self.longestList {
            lexer.skipCFWS()
            guard let next = lexer.next, next != UInt8(ascii: ";") else { return }
            var name: [UInt8] = []
            while true {
                name += lexer.run(while: Self.isWord)
                lexer.skipCFWS()
                // Blanks and comments may stand around the dot.
                let isJoined = name.last == UInt8(ascii: ".") || lexer.next == UInt8(ascii: ".")
                guard isJoined, let octet = lexer.next, Self.isWord(octet) else { break }
            }
            guard !name.isEmpty, lexer.skip("=") else {
                isDamaged = true
                if name.isEmpty, lexer.quotedString() == nil { lexer.advance() }
                continue
            }
            lexer.skipCFWS()
            let text = String(decoding: Self.value(&lexer), as: UTF8.self)
            if name.equalsIgnoringCase("reason"), entry.reason == nil {
                entry.reason = text
            } else {
                entry.properties.append(.init(String(decoding: name.map(\.asciiLowercased), as: UTF8.self), text))
            }
        }
    }

    /// A value: quoted, bare, or both in a row as in `"a b"@example.org`.
    private static func value(_ lexer: inout FieldLexer) -> [UInt8] {
        var value: [UInt8] = []
        while let next = lexer.next {
            if let quoted = lexer.quotedString() {
                value += quoted
                continue
            }
            guard next.isVisible || next >= 0x80, next != UInt8(ascii: ";"), next != UInt8(ascii: "(") else { break }
            value.append(next)
            lexer.advance()
        }
        return value
    }

    private static func isWord(_ octet: UInt8) -> Bool {
        octet.isMIMEToken || octet == UInt8(ascii: "@") || octet == UInt8(ascii: ":")
    }
}

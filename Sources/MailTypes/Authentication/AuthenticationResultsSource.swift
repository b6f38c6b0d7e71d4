extension ParsedAuthenticationResults {
    /// Whose results these are, in lower case, where all readers must read the same. RFC 8601 §2.2, §5.
    ///
    /// `nil`: there is no authserv-id; there is something in it or around it that a lenient reader may overlook and
    /// a strict one may not; or the version is one that nobody knows. A name has letters, digits, `-`, `.` and `_`: no
    /// host's has more, though the grammar would allow it.
    ///
    /// ### Example
    /// ```
    /// mx.example.org; spf=pass              mx.example.org
    /// (by us) "mx.example.org" 1; none      mx.example.org
    /// mx.example.org:25; spf=pass           nil
    /// spf=pass smtp.mailfrom=example.net    nil
    /// ```
    public static func source(of field: HeaderField) -> String? {
        var lexer = FieldLexer(field.rawValue)
        if field.isNamed("ARC-Authentication-Results"), !skipInstance(&lexer) { return nil }
        // authres-payload = [CFWS] authserv-id [CFWS authres-version] ...
        lexer.skipCFWS()
        let name: [UInt8] = lexer.quotedString() ?? Array(lexer.run(while: isName))
        guard !name.isEmpty, name.allSatisfy(isName) else { return nil }
        let end = lexer.position
        lexer.skipCFWS()
        // authres-version = 1*DIGIT [CFWS]
        let version = lexer.run(while: \.isDigit)
        guard version.isEmpty || (version.elementsEqual([UInt8(ascii: "1")]) && version.startIndex > end) else {
            return nil
        }
        lexer.skipCFWS()
        guard lexer.isAtEnd || lexer.next == UInt8(ascii: ";") else { return nil }
        return String(decoding: name.map(\.asciiLowercased), as: UTF8.self)
    }

    // instance = [CFWS] %s"i" [CFWS] "=" [CFWS] 1*2DIGIT [CFWS]
    private static func skipInstance(_ lexer: inout FieldLexer) -> Bool {
        lexer.skipCFWS()
        guard lexer.skip("i") else { return false }
        lexer.skipCFWS()
        guard lexer.skip("=") else { return false }
        lexer.skipCFWS()
        guard !lexer.run(while: \.isDigit).isEmpty else { return false }
        lexer.skipCFWS()
        return lexer.skip(";")
    }

    private static func isName(_ octet: UInt8) -> Bool {
        octet.isLetter || octet.isDigit || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_")].contains(octet)
    }
}

extension AuthenticationResults {
    /// The body of the Authentication-Results field that says so. RFC 8601 §2.2.
    ///
    /// ### Example
    /// ```
    /// mx.example.org; spf=pass smtp.mailfrom=a@example.net; dkim=none
    /// ```
    /// Strangers' words are quoted wherever they are more than a token, and lose what quotes cannot hold.
    public func value(authservID: String) -> String {
        let results = entries.isEmpty ? ["none"] : entries.map(\.text)
        return ([Self.pvalue(authservID)] + results).joined(separator: "; ")
    }

    /// A token, an address or a quoted string. RFC 8601 §2.2 (pvalue).
    fileprivate static func pvalue(_ text: String) -> String {
        let isToken = text.utf8.allSatisfy {
            $0 < 0x80
                && ($0.isMIMEToken || $0 == UInt8(ascii: "@") || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":"))
        }
        return isToken && !text.isEmpty ? text : quoted(text)
    }

    fileprivate static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars where scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value) {
            if scalar == "\"" || scalar == "\\" { result += "\\" }
            result.unicodeScalars.append(scalar)
        }
        return result + "\""
    }
}

extension AuthenticationResults.Entry {
    // resinfo = methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ]
    fileprivate var text: String {
        var words = ["\(Self.keyword(method))=\(result.rawValue)"]
        if let reason { words.append("reason=\(AuthenticationResults.quoted(reason))") }
        words += properties.map { "\(Self.keyword($0.name))=\(AuthenticationResults.pvalue($0.value))" }
        return words.joined(separator: " ")
    }

    /// The name with whatever may not stand in one turned to `-`.
    private static func keyword(_ text: String) -> String {
        let octets = text.utf8.map { $0.isMIMEToken && $0 < 0x80 ? $0 : UInt8(ascii: "-") }
        return octets.isEmpty ? "-" : String(decoding: octets, as: UTF8.self)
    }
}

/// Names as DNS has them. RFC 1035 §2.3.1, with the underscores that selectors may have.
public enum DomainName {
    /// The longest in its usual spelling. RFC 1035 §2.3.4.
    public static let longest = 253

    /// Whether a name can stand in the names of files and in DNS: labels of letters, digits, `-` and `_`.
    public static func isName(_ name: String) -> Bool {
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return name.utf8.count <= longest
            && labels.allSatisfy { label in
                (1...63).contains(label.count)
                    && label.allSatisfy {
                        $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
                    }
            }
    }
}

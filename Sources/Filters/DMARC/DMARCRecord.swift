import MailTypes

/// What a domain's owner wishes for mail that is not proven to be of the domain: `v=DMARC1; p=reject`. RFC 7489 §6.3.
///
/// ### Example
/// ```
/// _dmarc.example.org. TXT "v=DMARC1; p=reject; sp=quarantine; pct=50; adkim=s; rua=mailto:dmarc@example.org"
/// ```
/// A wrong `p` or `sp` spoils the record, unless somebody asks for reports in it; whatever else is wrong is as if it
/// were not there, and noted in ``defects``. RFC 7489 §6.6.3.
public struct DMARCRecord: Sendable, Hashable {
    /// The `p`, `sp` and `np` tags.
    public enum Policy: String, Sendable, Hashable {
        case none, quarantine, reject
    }

    /// The `adkim` and `aspf` tags. RFC 7489 §3.1.
    public enum Alignment: String, Sendable, Hashable {
        /// One organizational domain.
        case relaxed = "r"
        /// The same domain.
        case strict = "s"
    }

    public struct SyntaxError: Error, Hashable {
        /// The tag that is wrong, or missing.
        public var tag: String
        public var isMissing = false
    }

    /// `p`
    public private(set) var policy = Policy.none
    /// `sp`: for domains below the one with the record.
    public private(set) var subdomainPolicy: Policy?
    /// `np`: for domains below it that do not exist. RFC 9091 §4.
    public private(set) var missingPolicy: Policy?
    /// `adkim`
    public private(set) var dkimAlignment = Alignment.relaxed
    /// `aspf`
    public private(set) var spfAlignment = Alignment.relaxed
    /// `pct`: of a hundred messages that fail, how many the policy is for.
    public private(set) var percentage = 100
    /// `rua`: where aggregate reports are wanted.
    public private(set) var reportAddresses: [String] = []
    /// `ruf`: where reports of single failures are wanted.
    public private(set) var failureAddresses: [String] = []
    /// Tags with values that they may not have.
    public private(set) var defects: [String] = []

    /// Whether a TXT record is a DMARC record: the first tag is the version, spelled exactly. RFC 7489 §6.3, §6.6.3.
    public static func isRecord(_ text: [UInt8]) -> Bool {
        guard let first = text.split(separator: UInt8(ascii: ";"), maxSplits: 1, omittingEmptySubsequences: false).first
        else { return false }
        let tags = PolicyTags(first).tags
        return tags.count == 1 && tags[0].name == "v" && tags[0].value.elementsEqual("DMARC1".utf8)
    }

    /// Reads a record of which ``isRecord(_:)`` holds.
    public init(_ text: [UInt8]) throws(SyntaxError) {
        let list = PolicyTags(text)
        if let repeated = list.repeated { throw SyntaxError(tag: repeated) }
        defects = list.strays
        for tag in list.tags where !read(tag) { defects.append(tag.name) }
        let isPolicyWrong = list["p"].flatMap(Self.policy) == nil
        guard isPolicyWrong || defects.contains("sp") else { return }
        // Who asks for reports gets them, and no more. RFC 7489 §6.6.3.
        guard !reportAddresses.isEmpty else {
            throw SyntaxError(tag: isPolicyWrong ? "p" : "sp", isMissing: isPolicyWrong && list["p"] == nil)
        }
        if list["p"] == nil { defects.append("p") }
        (policy, subdomainPolicy, missingPolicy) = (.none, nil, nil)
    }

    /// Whether the value may be the tag's; what nobody knows may be anything.
    private mutating func read(_ tag: PolicyTags.Tag) -> Bool {
        let value = tag.value
        switch tag.name {
        case "p": return Self.set(&policy, Self.policy(value))
        case "sp": return Self.setOptional(&subdomainPolicy, Self.policy(value))
        case "np": return Self.setOptional(&missingPolicy, Self.policy(value))
        case "adkim": return Self.set(&dkimAlignment, Self.alignment(value))
        case "aspf": return Self.set(&spfAlignment, Self.alignment(value))
        case "pct": return Self.set(&percentage, Self.number(value, most: 100))
        case "ri": return Self.number(value, most: Int(UInt32.max)) != nil
        case "rf": return Self.words(value, separator: ":").contains("afrf")
        case "fo": return Self.words(value, separator: ":").allSatisfy(["0", "1", "d", "s"].contains)
        case "rua": return Self.read(value, into: &reportAddresses)
        case "ruf": return Self.read(value, into: &failureAddresses)
        default: return true
        }
    }

    private static func set<Value>(_ option: inout Value, _ value: Value?) -> Bool {
        guard let value else { return false }
        option = value
        return true
    }

    private static func setOptional<Value>(_ option: inout Value?, _ value: Value?) -> Bool {
        option = value
        return value != nil
    }

    private static func policy(_ value: ArraySlice<UInt8>) -> Policy? { Policy(rawValue: word(value)) }
    private static func alignment(_ value: ArraySlice<UInt8>) -> Alignment? { Alignment(rawValue: word(value)) }

    private static func number(_ value: ArraySlice<UInt8>, most: Int) -> Int? {
        guard !value.isEmpty, value.count <= 10, value.allSatisfy(\.isDigit),
            let number = Int(String(decoding: value, as: UTF8.self)), number <= most
        else { return nil }
        return number
    }

    private static func word(_ value: some Collection<UInt8>) -> String {
        String(decoding: value, as: UTF8.self).asciiLowercased
    }

    private static func words(_ value: ArraySlice<UInt8>, separator: Unicode.Scalar) -> [String] {
        value.split(separator: UInt8(ascii: separator), omittingEmptySubsequences: false).map { part in
            word(part.filter { !$0.isBlank })
        }
    }

    /// Addresses with commas between; those that are none are left out.
    private static func read(_ value: ArraySlice<UInt8>, into addresses: inout [String]) -> Bool {
        addresses = self.addresses(in: value)
        return addresses.count == value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).count
    }

    /// The addresses of a `rua` tag, as they stand there.
    static func addresses(in value: ArraySlice<UInt8>) -> [String] {
        let parts = value.split(separator: UInt8(ascii: ",")).map { part in part.filter { !$0.isBlank } }
        return parts.filter(isAddress).map { String(decoding: $0, as: UTF8.self) }
    }

    // dmarc-uri = URI [ "!" 1*DIGIT [ "k" / "m" / "g" / "t" ] ]
    private static func isAddress(_ text: [UInt8]) -> Bool {
        let parts = text.split(separator: UInt8(ascii: "!"), omittingEmptySubsequences: false)
        guard let uri = parts.first, parts.count <= 2, parts.count == 1 || isSize(parts[1]) else { return false }
        let scheme = uri.prefix { $0 != UInt8(ascii: ":") }
        return scheme.first?.isLetter ?? false
            && scheme.allSatisfy { $0.isLetter || $0.isDigit || "+-.".utf8.contains($0) }
            && uri.count > scheme.count + 1 && uri.allSatisfy(\.isVisible)
    }

    private static func isSize(_ text: ArraySlice<UInt8>) -> Bool {
        let digits = text.prefix(while: \.isDigit)
        let unit = text[digits.endIndex...]
        return !digits.isEmpty && (unit.isEmpty || unit.count == 1 && "kmgtKMGT".utf8.contains(unit[unit.startIndex]))
    }
}

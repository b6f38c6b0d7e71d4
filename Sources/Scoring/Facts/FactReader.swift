import Content
import MailTypes

/// Measures a message for the facts that rules ask for. What several facts need is measured once.
final class FactReader {
    let evidence: Evidence

    init(_ evidence: Evidence) { self.evidence = evidence }

    var header: Header { evidence.message.header }
    var content: MessageContent { evidence.content }
    var subject: String { evidence.content.subject }

    // MARK: Texts

    private(set) lazy var shown: [MessageContent.Text] = content.texts.filter(\.isShown)
    private(set) lazy var words = TextMeasure(shown.map(\.visible))
    private(set) lazy var subjectWords = TextMeasure([Array(subject.utf8)])
    private(set) lazy var html: [HTMLText] = content.texts.filter(\.isShown).compactMap(\.html)

    private lazy var characters: [TextObservations] = shown.map(\.characters)
    private lazy var tags: [HTMLObservations] = html.map(\.observations)

    func sum(_ number: (TextObservations) -> Int) -> Int { characters.reduce(0) { $0 + number($1) } }
    func sum(_ number: (HTMLObservations) -> Int) -> Int { tags.reduce(0) { $0 + number($1) } }
    func any(_ flag: (HTMLObservations) -> Bool) -> Bool { tags.contains(where: flag) }

    // MARK: People

    func person(_ field: String) -> MessageContent.Person? { content.people.first { $0.field == field } }

    private(set) lazy var authorDomain: String? = person("From")?.address.map { Self.owned($0.domain) }

    private(set) lazy var recipients: [EmailAddress] = evidence.envelope?.recipients.prefix(20).map(\.address) ?? []

    /// The part of a domain that somebody registers, as nearly as can be said without a list of public suffixes: the
    /// last two labels, or three below `co.uk` and its like.
    static func owned(_ domain: String) -> String {
        let labels = domain.asciiLowercased.split(separator: ".")
        guard labels.count > 2 else { return labels.joined(separator: ".") }
        let second = labels[labels.count - 2]
        let isCountry = labels[labels.count - 1].utf8.count == 2
        let count = isCountry && (second.utf8.count <= 3 && generic.contains(String(second))) ? 3 : 2
        return labels.suffix(count).joined(separator: ".")
    }

    private static let generic: Set<String> = [
        "co", "com", "org", "net", "gov", "gob", "gub", "gouv", "edu", "ac", "or", "ne", "go", "mil", "ltd", "plc",
        "in",
        "id", "web", "sch", "nom", "art", "biz", "nhs", "nic", "gen", "firm", "res", "asn", "ad", "gr", "lg", "ed",
    ]

    // MARK: URIs

    /// URIs of the web, each host once for each way in which it is written.
    private(set) lazy var links: [FoundURI] = content.uris.filter {
        $0.address.scheme == "http" || $0.address.scheme == "https"
    }
    /// Those of them that a reader can follow.
    private(set) lazy var clickable: [FoundURI] = links.filter {
        $0.source == .link || $0.source == .text || $0.source == .form || $0.source == .refresh
    }
    /// The domain of each of them.
    private(set) lazy var clickableDomains: [String?] = clickable.map { $0.address.host.map(Self.owned) }
    private(set) lazy var linkDomains: Set<String> = Set(clickableDomains.compactMap(\.self))

    func uris(_ trick: URITrick) -> Int { content.uris.count { $0.address.tricks.contains(trick) } }
}

/// How a text is written.
struct TextMeasure {
    private(set) var octets = 0
    private(set) var words = 0
    private(set) var lines = 0
    private(set) var capitals = 0
    private(set) var letters = 0
    private(set) var digits = 0
    private(set) var exclamations = 0
    private(set) var currency = 0
    private(set) var shoutedWords = 0
    /// Octets beyond ASCII.
    private(set) var foreign = 0
    private(set) var longestWord = 0

    /// Octets of texts that are measured.
    private static let most = 256 << 10

    init(_ texts: [[UInt8]]) {
        for text in texts where octets < Self.most { measure(text.prefix(Self.most - octets)) }
    }

    private mutating func measure(_ text: ArraySlice<UInt8>) {
        octets += text.count
        var place = text.startIndex
        // Where the line has more than blanks.
        var hasText = false
        while place < text.endIndex {
            if text[place] <= 0x20 {
                if text[place] == .lf, hasText {
                    lines += 1
                    hasText = false
                }
                place += 1
                continue
            }
            hasText = true
            let end = text[place...].firstIndex { $0 <= 0x20 } ?? text.endIndex
            measureWord(text[place..<end])
            place = end
        }
        if hasText { lines += 1 }
    }

    private mutating func measureWord(_ word: ArraySlice<UInt8>) {
        var (capitals, letters) = (0, 0)
        for octet in word where octet.isLetter {
            letters += 1
            if octet & 0x20 == 0 { capitals += 1 }
        }
        self.letters += letters
        self.capitals += capitals
        if letters < word.count { measureOthers(word) }
        words += 1
        longestWord = max(longestWord, word.count)
        if capitals >= 4, capitals == word.count { shoutedWords += 1 }
    }

    /// Counts what are no letters.
    private mutating func measureOthers(_ word: ArraySlice<UInt8>) {
        for octet in word where !octet.isLetter {
            if octet.isDigit {
                digits += 1
            } else if octet >= 0x80 {
                foreign += 1
            } else if octet == UInt8(ascii: "!") {
                exclamations += 1
            } else if octet == UInt8(ascii: "$") {
                currency += 1
            }
        }
    }

    /// Capital letters, in percent of all letters of ASCII; 0 for less than ten letters.
    var capitalShare: Int { letters < 10 ? 0 : capitals * 100 / letters }
    /// Octets beyond ASCII, in percent.
    var foreignShare: Int { octets == 0 ? 0 : foreign * 100 / octets }
    var digitShare: Int { octets == 0 ? 0 : digits * 100 / octets }
}

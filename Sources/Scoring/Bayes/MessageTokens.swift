public import Content
public import MailTypes

/// What a message is taught and judged by: its words and shapes, each as a number.
///
/// Where a token was found is part of it: `free` in a subject is another token than `free` in the text. A letter
/// and a colon name the place, where somebody reads them:
///
///     w: text      s: subject     n: names of people   d: their domains    a: their addresses
///     u: URIs      p: their paths  f: fields           h: shapes of fields  t: attachments
///     m: MIME and HTML             x: text that nobody sees                        g: fields, in fours
public struct MessageTokens: Sendable {
    /// Each once, in order.
    public let hashes: [UInt64]
    /// How they are written, if that was wanted.
    public let spellings: [UInt64: String]

    /// - Parameter isSpelled: keep the spellings too, for somebody who reads them.
    public init(
        of message: Message, _ content: MessageContent, limits: TokenLimits = TokenLimits(), isSpelled: Bool = false
    ) {
        var tokenizer = Tokenizer(limits: limits, isSpelled: isSpelled)
        tokenizer.readHeader(message.header, content)
        tokenizer.readStructure(content)
        tokenizer.readURIs(content.uris)
        tokenizer.readTexts(content.texts)
        hashes = tokenizer.tokens.sorted
        spellings = tokenizer.tokens.spellings ?? [:]
    }
}

/// Finds the tokens of a message.
struct Tokenizer {
    var tokens: TokenCollector
    let limits: TokenLimits

    init(limits: TokenLimits, isSpelled: Bool) {
        self.limits = limits
        tokens = TokenCollector(limit: limits.maxTokens, isSpelled: isSpelled)
    }

    // MARK: - Words

    /// Words, and each two that follow each other. Returns how many words there were.
    @discardableResult
    mutating func addWords(_ place: StaticString, _ text: [UInt8], most: Int, arePaired: Bool) -> Int {
        var reader = WordReader(text, maxOctets: limits.maxWordOctets)
        var before: UInt64?
        var count = 0
        while count < most, tokens.room > 1, let word = reader.next() {
            count += 1
            let hash = tokens.add(place, word)
            if arePaired, let before { tokens.addPair(before, hash) }
            before = hash
        }
        return count
    }

    mutating func readTexts(_ texts: [MessageContent.Text]) {
        var words = limits.maxWords
        for text in texts where text.isShown && words > 0 {
            words -= addWords("w:", text.visible, most: words, arePaired: true)
        }
        if limits.maxWords - words < TextReader.fewWords {
            // As patterns have it: what says so little says it by other means.
            for html in texts.lazy.filter(\.isShown).compactMap(\.html) where words > 0 {
                words -= addWords("w:", html.alternatives, most: words, arePaired: true)
                guard words > 0, html.hidden.count >= TextReader.muchHidden else { continue }
                words -= addWords("w:", html.hidden, most: words, arePaired: true)
            }
        }
        var hiddenWords = limits.maxHiddenWords
        for text in texts where hiddenWords > 0 {
            guard let hidden = text.html?.hidden, !hidden.isEmpty else { continue }
            hiddenWords -= addWords("x:", hidden, most: hiddenWords, arePaired: false)
        }
    }

    // MARK: - URIs

    mutating func readURIs(_ uris: [FoundURI]) {
        var seen: Set<String> = []
        for uri in uris {
            guard tokens.room > 40, seen.count < limits.maxURIs else { return }
            guard let host = uri.address.host, seen.insert("\(uri.source) \(host)").inserted else { continue }
            tokens.add("u:", "\(uri.source.rawValue) \(uri.address.scheme)")
            addHost("u:", uri.address.isAddressLiteral ? "literal" : host)
            for trick in uri.address.tricks { tokens.add("u:", "trick \(trick.rawValue)") }
            if uri.isMismatched { tokens.add("u:", "mismatch") }
            if uri.isHidden { tokens.add("u:", "hidden") }
            addPath(uri.address.rest)
        }
        tokens.add("u:", "hosts \(Self.bucket(Set(uris.compactMap(\.address.host)).count))")
        tokens.add("u:", "links \(Self.bucket(uris.count { $0.source == .link }))")
        tokens.add("u:", "images \(Self.bucket(uris.count { $0.source == .image }))")
    }

    /// A host and the domains above it.
    mutating func addHost(_ place: StaticString, _ host: String) {
        let labels = host.utf8.split(separator: UInt8(ascii: "."))
        for count in 1...Swift.max(1, Swift.min(labels.count, 4)) {
            tokens.add(place, labels.suffix(count).joined(separator: [UInt8(ascii: ".")]))
        }
        if labels.count > 4 { tokens.add(place, "labels \(Self.bucket(labels.count))") }
    }

    /// The words of a path are a sender's habit, its numbers are of one message.
    private mutating func addPath(_ path: String) {
        guard path.utf8.count > 1 else { return }
        tokens.add("p:", "shape \(Self.shape(path.utf8, most: 24))")
        tokens.add("p:", "length \(Self.bucket(path.utf8.count))")
        let pieces = path.utf8.prefix(200).split { !$0.isLetter && !$0.isDigit && $0 != UInt8(ascii: ".") }
        for piece in pieces.prefix(6) where piece.count <= 20 && !piece.contains(where: \.isDigit) {
            tokens.add("p:", piece.map(\.asciiLowercased))
        }
    }

    // MARK: - Shapes

    /// A number by its size: 0, 1, 2, 3-4, 5-8, and so on.
    static func bucket(_ number: Int) -> Int {
        number < 3 ? Swift.max(0, number) : 1 << (Int.bitWidth - (number - 1).leadingZeroBitCount)
    }

    /// Letters as `a`, digits as `9`, each run once, marks as they are.
    static func shape(_ octets: some Sequence<UInt8>, most: Int) -> String {
        var shape: [UInt8] = []
        for octet in octets {
            let kind =
                octet.isDigit
                ? UInt8(ascii: "9")
                : octet.isLetter || octet >= 0x80 ? UInt8(ascii: "a") : octet == .lf ? .space : octet
            if kind == shape.last { continue }
            if shape.count == most { break }
            shape.append(kind)
        }
        return String(decoding: shape, as: UTF8.self)
    }
}

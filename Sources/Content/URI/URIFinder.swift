import MailTypes

/// Finds what a reader would take for an address in a text.
///
/// The text is cut into words at blanks, quotes and angle brackets. A word is looked at if it has a dot, a
/// colon or something that may be a disguise of one. Linear in the text: no word is read more than a few times.
struct URIFinder {
    private let text: [UInt8]
    private let limits: ContentLimits
    private let source: URISource
    private(set) var found: [FoundURI] = []
    private(set) var isFull = false

    private init(_ text: [UInt8], source: URISource, limits: ContentLimits) {
        self.text = text
        self.source = source
        self.limits = limits
    }

    /// The addresses of a text, in order.
    static func find(in text: [UInt8], source: URISource, limits: ContentLimits) -> [FoundURI] {
        var finder = URIFinder(text, source: source, limits: limits)
        finder.scan()
        return finder.found
    }

    // MARK: - Words

    /// 1 ends a word, 2 is a dot or colon, 4 may be a disguise.
    private static let kinds: [UInt8] = {
        var kinds = [UInt8](repeating: 0, count: 256)
        for octet in 0...0x20 { kinds[octet] = 1 }
        for octet in "<>\"`\u{7F}".utf8 { kinds[Int(octet)] = 1 }
        for octet in ".:".utf8 { kinds[Int(octet)] = 2 }
        for octet in "[({".utf8 { kinds[Int(octet)] = 4 }
        // U+00AD, U+200B and its like, U+3002, U+FEFF and full width, mathematical letters.
        for octet in [0xC2, 0xE2, 0xE3, 0xEF, 0xF0] { kinds[octet] = 4 }
        return kinds
    }()

    private mutating func scan() {
        let (text, kinds) = (text, Self.kinds)
        var position = 0
        while position < text.count, !isFull {
            while position < text.count, kinds[Int(text[position])] & 1 != 0 { position += 1 }
            let start = position
            var marks: UInt8 = 0
            while position < text.count {
                let kind = kinds[Int(text[position])]
                if kind & 1 != 0 { break }
                position += 1
                // A dot or colon at the end of a word is of the sentence.
                if kind != 2 || position < text.count && kinds[Int(text[position])] & 1 == 0 { marks |= kind }
            }
            if marks == 0 { continue }
            if marks & 4 == 0 {
                word(Array(text[start..<Swift.min(position, start + 2 * limits.maxURIOctets)]), at: start, tricks: [])
            } else {
                disguised(start..<position)
            }
        }
    }

    /// Reads a word without what makes it look like none: full-width letters, characters that are not seen,
    /// dots in brackets.
    private mutating func disguised(_ range: Range<Int>) {
        var tricks: Set<URITrick> = []
        var plain: [UInt8] = []
        let text = String(decoding: text[range].prefix(2 * limits.maxURIOctets), as: UTF8.self)
        for scalar in text.unicodeScalars {
            let value = scalar.value
            if value < 0x80 {
                plain.append(UInt8(truncatingIfNeeded: value))
            } else if value == 0xA0 || value == 0x3000 || 0x2018...0x201F ~= value || value == 0xAB || value == 0xBB {
                plain.append(.space)
            } else if Homoglyphs.isInvisible(value) {
                tricks.insert(.invisibleCharacters)
            } else if let ascii = Homoglyphs.plain(value) ?? (value == 0x3002 || value == 0xFF61 ? 0x2E : nil) {
                tricks.insert(.oddCharacters)
                plain.append(ascii)
            } else {
                plain.append(codePoint: value)
            }
        }
        if plain.contains(where: { Self.kinds[Int($0)] == 4 && $0 < 0x80 }) { plain = Self.fanged(plain, &tricks) }
        for piece in plain.split(whereSeparator: { $0 <= 0x20 }) {
            word(Array(piece), at: range.lowerBound, tricks: tricks)
        }
    }

    private static let defangings: [(StaticString, UInt8)] = [
        ("[.]", 0x2E), ("(.)", 0x2E), ("{.}", 0x2E), ("[dot]", 0x2E), ("(dot)", 0x2E), ("{dot}", 0x2E), ("[:]", 0x3A),
        ("[at]", 0x40), ("(at)", 0x40), ("{at}", 0x40), ("[@]", 0x40),
    ]

    /// `example[.]com` as `example.com`.
    private static func fanged(_ word: [UInt8], _ tricks: inout Set<URITrick>) -> [UInt8] {
        var result: [UInt8] = []
        var position = 0
        while position < word.count {
            let octet = word[position]
            if kinds[Int(octet)] == 4, octet < 0x80,
                let (form, meaning) = defangings.first(where: { form, _ in
                    word[position...].prefix(form.utf8CodeUnitCount).equalsIgnoringCase(form)
                })
            {
                result.append(meaning)
                position += form.utf8CodeUnitCount
                tricks.insert(.defanged)
            } else {
                result.append(octet)
                position += 1
            }
        }
        return result
    }

    // MARK: - Candidates

    private static let schemes: Set<String> = [
        "http", "https", "ftp", "hxxp", "hxxps", "hxtp", "mailto", "tel", "sms", "file",
    ]

    private mutating func word(_ word: [UInt8], at position: Int, tricks: Set<URITrick>) {
        if let start = Self.schemeStart(in: word) {
            add(Self.trimmed(Self.withoutSentence(word[start...])), at: position + start, tricks: tricks)
            return
        }
        let start = word.firstIndex { $0.isLetter || $0.isDigit || $0 >= 0x80 } ?? word.endIndex
        let candidate = Self.trimmed(word[start...])
        guard candidate.count > 3, candidate.contains(0x2E) else { return }
        let end =
            candidate.firstIndex {
                $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#")
            } ?? candidate.endIndex
        let hasPath = end < candidate.endIndex
        let name = candidate[..<end]
        if let at = name.lastIndex(of: UInt8(ascii: "@")) {
            guard !hasPath, at > name.startIndex, Self.isDomain(name[(at + 1)...], needsPath: false) else { return }
            add(Array("mailto:".utf8) + candidate, at: position + start, tricks: tricks)
        } else if Self.isDomain(name, needsPath: !hasPath) {
            add(Array("http://".utf8) + candidate, at: position + start, tricks: tricks)
        }
    }

    /// Where a scheme begins that a reader's program makes a link of.
    private static func schemeStart(in word: [UInt8]) -> Int? {
        var colon = word.firstIndex(of: UInt8(ascii: ":"))
        var tries = 0
        while let place = colon, tries < 4 {
            var start = place
            while start > 0, place - start < 8, word[start - 1].isLetter { start -= 1 }
            let name = String(decoding: word[start..<place].map(\.asciiLowercased), as: UTF8.self)
            // Something glued to the front (`ahttp:`) does not keep a reader from it.
            for drop in 0..<Swift.min(3, name.utf8.count) {
                let scheme = String(name.dropFirst(drop))
                guard schemes.contains(scheme) else { continue }
                let next = place + 1 < word.count ? word[place + 1] : 0
                let needsSlash = scheme != "mailto" && scheme != "tel" && scheme != "sms"
                if !needsSlash && drop == 0 && next != 0 || next == UInt8(ascii: "/") || next == UInt8(ascii: "\\") {
                    return start + drop
                }
            }
            colon = word[(place + 1)...].firstIndex(of: UInt8(ascii: ":"))
            tries += 1
        }
        return nil
    }

    /// Where writing has no blanks, an address ends with its last label, and the sentence goes on behind it.
    private static func withoutSentence(_ word: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        // Kana, Chinese and Korean letters begin with these octets.
        guard let foreign = word.firstIndex(where: { 0xE3...0xED ~= $0 }) else { return word }
        let name = word[..<foreign]
        guard let dot = name.lastIndex(of: 0x2E), name.lastIndex(of: UInt8(ascii: "/")).map({ $0 < dot }) ?? true else {
            return word
        }
        let label = name[(dot + 1)...]
        let isSuffix = Suffixes.isKnown(String(decoding: label.map(\.asciiLowercased), as: UTF8.self))
        return isSuffix ? name : word
    }

    /// Without punctuation that belongs to the sentence. A closing bracket stays if it was opened in the word.
    private static func trimmed(_ word: ArraySlice<UInt8>) -> [UInt8] {
        var word = word
        var balances: [Int]?
        while let last = word.last {
            if let kind = closers.firstIndex(of: last) {
                // Counted once for a word, however many of them end it.
                var balance = balances ?? balanced(word)
                guard balance[kind] > 0 else { break }
                balance[kind] -= 1
                balances = balance
            } else if !punctuation.contains(last) {
                break
            }
            word.removeLast()
        }
        return Array(word)
    }

    private static let openers = Array("([{".utf8)
    private static let closers = Array(")]}".utf8)
    private static let punctuation = Array(".,;:!?'*_~|".utf8)

    /// How many more brackets of each kind are closed than opened.
    private static func balanced(_ word: ArraySlice<UInt8>) -> [Int] {
        var balance = [0, 0, 0]
        for octet in word {
            if let kind = closers.firstIndex(of: octet) { balance[kind] += 1 }
            if let kind = openers.firstIndex(of: octet) { balance[kind] -= 1 }
        }
        return balance
    }

    /// Whether a reader would take that for a domain.
    private static func isDomain(_ name: ArraySlice<UInt8>, needsPath: Bool) -> Bool {
        let host = name.prefix { $0 != UInt8(ascii: ":") }
        guard host.count <= 253, let dot = host.lastIndex(of: 0x2E) else { return false }
        let suffix = host[(dot + 1)...]
        guard suffix.count >= 2, host.first != 0x2E,
            host.allSatisfy({ $0.isLetter || $0.isDigit || $0 == 0x2D || $0 == 0x2E || $0 == 0x5F || $0 >= 0x80 })
        else { return false }
        let isWeb = host.prefix(4).equalsIgnoringCase("www.")
        // `end.It`: a sentence without a blank behind it.
        let isCapital = suffix.first.map { $0 &- 0x41 < 26 } == true && suffix.last.map { $0 &- 0x61 < 26 } == true
        let label = String(decoding: suffix.map(\.asciiLowercased), as: UTF8.self)
        guard Suffixes.isKnown(label) else { return isWeb && suffix.allSatisfy(\.isLetter) }
        if isWeb { return true }
        return !isCapital && !(needsPath && Suffixes.isAmbiguous(label))
    }

    private mutating func add(_ candidate: [UInt8], at position: Int, tricks: Set<URITrick>) {
        guard found.count < limits.maxURIs else {
            isFull = true
            return
        }
        guard var address = WebAddress(candidate, limits: limits) else { return }
        // A scheme without anything behind it is a word.
        let behind = candidate.drop { $0 != UInt8(ascii: ":") }
        guard address.host != nil || behind.contains(where: { $0.isLetter || $0.isDigit }) else { return }
        address.tricks.formUnion(tricks)
        var uri = FoundURI(address: address, source: source)
        uri.position = position
        found.append(uri)
    }
}

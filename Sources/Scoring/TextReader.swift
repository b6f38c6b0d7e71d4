import Content
import MailTypes

/// Collects the texts of a message that patterns are held against.
struct TextReader {
    private let evidence: Evidence
    private(set) var texts = PatternTexts()

    /// Octets of what a reader sees that are looked at: the first, and of what is longer the last.
    private static let mostBodyStart = 192 << 10
    private static let mostBodyEnd = 64 << 10
    /// With fewer words than that a message says by other means what it has to say.
    static let fewWords = 30
    /// Octets of hidden text from which on it may be the message itself.
    static let muchHidden = 100
    private static let mostHidden = 64 << 10
    private static let mostRaw = 128 << 10
    /// Fields of one name, and octets of each.
    private static let mostFields = 50
    private static let mostField = 8 << 10
    /// Octets of all URIs, their hosts and their texts, each.
    private static let mostURIs = 128 << 10
    private static let mostFileNames = 200
    private static let mostRecipients = 100

    init(_ evidence: Evidence) { self.evidence = evidence }

    mutating func read(_ view: PatternView, _ number: Int) {
        switch view {
        case .body: readBody(number)
        case .hidden: readHidden(number)
        case .raw: readRaw(number)
        case .field(let name): readField(name, number)
        case .rawField(let name):
            for field in evidence.message.header.fields.lazy.filter({ $0.isNamed(name) }).prefix(Self.mostFields) {
                texts.add(field.rawValue, view: number, limit: Self.mostField)
            }
        case .uri: readURIs(number) { Array($0.address.description.utf8) }
        case .host: readURIs(number) { $0.address.host.map { Array($0.utf8) } }
        case .link: readURIs(number) { $0.text.map { ReadableText(Array($0.utf8), isHTML: true).octets } }
        case .file:
            for file in evidence.content.attachments.prefix(Self.mostFileNames) {
                if let name = file.name { texts.add(name.text.utf8, view: number, limit: Self.mostField) }
            }
        case .envelope(let part):
            for text in envelope(part) { texts.add(text.utf8, view: number, limit: Self.mostField) }
        }
    }

    /// Whether the text is longer than what patterns are held against.
    static func cutsBody(of content: MessageContent) -> Bool {
        content.texts.reduce(0) { $0 + ($1.isShown ? $1.visible.count : 0) } > mostBodyStart + mostBodyEnd
    }

    private mutating func readBody(_ number: Int) {
        let shown = evidence.content.texts.filter(\.isShown)
        let isCut = Self.cutsBody(of: evidence.content)
        var room = isCut ? Self.mostBodyStart : Self.mostBodyStart + Self.mostBodyEnd
        var body: [UInt8] = []
        for text in shown where room > 0 {
            if !body.isEmpty { body.append(.lf) }
            body += ReadableText(text.visible, isHTML: text.html != nil, limit: room).octets
            room -= Swift.min(room, text.visible.count)
        }
        if !isCut, Self.hasFewWords(body) { body += unseen(shown) }
        if !body.isEmpty { texts.add(body, view: number) }
        // A text by itself: nothing is found that only the cut put together.
        if isCut { texts.add(bodyEnd(shown), view: number) }
    }

    private func bodyEnd(_ shown: [MessageContent.Text]) -> [UInt8] {
        var pieces: [[UInt8]] = []
        var room = Self.mostBodyEnd
        for text in shown.reversed() where room > 0 {
            // Not from the middle of a character.
            let end = text.visible.suffix(room).drop { $0 & 0xC0 == 0x80 }
            pieces.append(ReadableText(Array(end), isHTML: text.html != nil).octets)
            room -= Swift.min(room, text.visible.count)
        }
        return Array(pieces.reversed().joined(separator: [.lf]))
    }

    private static func hasFewWords(_ body: [UInt8]) -> Bool {
        body.split(maxSplits: fewWords, whereSeparator: { $0 <= 0x20 }).count < fewWords
    }

    /// What stands in place of pictures, and text that is said to be hidden: where there is hardly anything else, a
    /// rule of the style sheet that is not understood here may show it.
    private func unseen(_ shown: [MessageContent.Text]) -> [UInt8] {
        var found: [UInt8] = []
        for html in shown.lazy.compactMap(\.html) where found.count < Self.mostHidden {
            var more = [html.alternatives]
            if html.hidden.count >= Self.muchHidden { more.append(html.hidden) }
            for text in more where !text.isEmpty {
                found.append(.lf)
                found += ReadableText(text, isHTML: true, limit: Self.mostHidden).octets
            }
        }
        return found
    }

    private mutating func readHidden(_ number: Int) {
        var hidden: [UInt8] = []
        for text in evidence.content.texts where hidden.count < Self.mostHidden {
            guard let html = text.html, !html.hidden.isEmpty else { continue }
            hidden += ReadableText(html.hidden, isHTML: true, limit: Self.mostHidden - hidden.count).octets
            hidden.append(.lf)
        }
        if !hidden.isEmpty { texts.add(hidden, view: number, limit: Self.mostHidden) }
    }

    private mutating func readRaw(_ number: Int) {
        var raw = evidence.message.header.serialized
        if raw.count < Self.mostRaw { raw += evidence.message.body[0..<(Self.mostRaw - raw.count)].array }
        texts.add(raw, view: number, limit: Self.mostRaw)
    }

    private mutating func readField(_ name: String, _ number: Int) {
        for field in evidence.message.header.fields.lazy.filter({ $0.isNamed(name) }).prefix(Self.mostFields) {
            let value = EncodedWord.decode(
                String(decoding: Array(field.value.utf8.prefix(Self.mostField)), as: UTF8.self))
            texts.add(ReadableText(Array(value.utf8), isHTML: true).octets, view: number, limit: Self.mostField)
        }
    }

    private mutating func readURIs(_ number: Int, _ octets: (FoundURI) -> [UInt8]?) {
        var room = Self.mostURIs
        var known: Set<[UInt8]> = []
        for uri in evidence.content.uris where room > 0 {
            guard let text = octets(uri), !text.isEmpty, known.insert(text).inserted else { continue }
            texts.add(text, view: number, limit: room)
            room -= text.count
        }
    }

    private func envelope(_ part: PatternView.EnvelopePart) -> [String] {
        switch part {
        case .sender: evidence.envelope.map { [$0.sender?.description ?? ""] } ?? []
        case .recipient:
            evidence.envelope?.recipients.prefix(Self.mostRecipients).map(\.address.description) ?? []
        case .hello: [evidence.client.hello].compactMap(\.self)
        case .client: [evidence.client.address?.description].compactMap(\.self)
        }
    }
}

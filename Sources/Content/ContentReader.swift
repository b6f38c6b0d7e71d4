import MailTypes

/// Fills a ``MessageContent``.
struct ContentReader {
    private let message: Message
    private let parts: [MIMEPart]
    private let limits: ContentLimits
    private var isLeaf: [Bool]
    private var isShown: [Bool]
    private var nesting: [Int]
    private var textOctets = 0
    private var attachmentOctets = 0
    /// Of a message that had to be decoded before it could be read: where the outer message has it.
    private var outer: Outer?
    /// The texts that were read here: their place in the content, and their part.
    private var ownTexts: [(place: Int, part: Int)] = []

    private struct Outer {
        var part: Int
        var nesting: Int
        var isShown: Bool
        var depth: Int
    }

    init(message: Message, structure: MIMEStructure, limits: ContentLimits) {
        self.message = message
        self.limits = limits
        parts = structure.parts
        isLeaf = Array(repeating: true, count: parts.count)
        isShown = Array(repeating: true, count: parts.count)
        nesting = Array(repeating: 0, count: parts.count)
        for (index, part) in parts.enumerated() {
            guard let parent = part.parent else { continue }
            isLeaf[parent] = false
            nesting[index] = nesting[parent] + (parts[parent].contentType.isMessage ? 1 : 0)
        }
        findShown()
    }

    mutating func read(into content: inout MessageContent) {
        if outer == nil { readHeader(into: &content) }
        for index in parts.indices where isLeaf[index] {
            let part = parts[index]
            if isText(part) { readText(index, into: &content) }
            if !isText(part) || part.isAttachment || part.fileName != nil { readAttachment(index, into: &content) }
        }
        compareAlternatives(&content)
        if content.uris.count >= limits.maxURIs { content.excess.insert(.uris) }
    }

    // MARK: - Which parts are shown

    private func isText(_ part: MIMEPart) -> Bool {
        let type = part.contentType
        if type.type == "text" { return type.subtype != "rtf" }
        return type.type == "application" && type.subtype == "xhtml+xml"
            || type.type == "message" && !type.isMessage
    }

    private func isHTML(_ part: MIMEPart) -> Bool {
        part.contentType.subtype == "html" || part.contentType.subtype == "xhtml+xml"
    }

    /// Of alternatives the last is shown that a reader's program can show, and HTML wherever it stands: many programs
    /// prefer it. What is below a part that is not shown is not shown either. A parent always comes before its parts.
    private mutating func findShown() {
        var chosen: [Int: Set<Int>] = [:]
        // From behind, so that a container knows whether something in it can be shown.
        var canShow = parts.indices.map { isLeaf[$0] && isText(parts[$0]) && !parts[$0].isAttachment }
        var hasHTML = parts.indices.map { canShow[$0] && isHTML(parts[$0]) }
        // Alternatives of which an HTML is chosen already.
        var isSatisfied: Set<Int> = []
        for index in parts.indices.reversed() {
            guard let parent = parts[index].parent, canShow[index] else { continue }
            canShow[parent] = true
            if hasHTML[index] { hasHTML[parent] = true }
            guard parts[parent].contentType.description == "multipart/alternative", !isSatisfied.contains(parent) else {
                continue
            }
            // Calendars and the like are not the text, though they come last.
            let type = parts[index].contentType
            let isText = type.type != "text" || ["plain", "html"].contains(type.subtype)
            guard hasHTML[index] || chosen[parent] == nil && isText else { continue }
            chosen[parent, default: []].insert(index)
            if hasHTML[index] { isSatisfied.insert(parent) }
        }
        for (index, part) in parts.enumerated() {
            guard let parent = part.parent else { continue }
            isShown[index] =
                isShown[parent] && !part.isAttachment && (chosen[parent].map { $0.contains(index) } ?? true)
        }
    }

    // MARK: - Texts

    private mutating func readText(_ index: Int, into content: inout MessageContent) {
        guard content.texts.count < limits.maxTextParts, textOctets < limits.maxTotalOctets else {
            content.excess.insert(.texts)
            return
        }
        let part = parts[index]
        let octets = part.decoded(from: message.body, limit: limits.maxPartOctets)
        textOctets += octets.count
        var decoded = TextDecoder.decode(octets, declared: part.contentType.charset, isHTML: isHTML(part))
        if octets.count >= limits.maxPartOctets {
            decoded.observations.insert(.truncated)
            content.excess.insert(.textOctets)
        }
        let html = isHTML(part) ? HTMLRenderer.render(decoded.octets, limits: limits) : nil
        let visible = html?.visible ?? decoded.octets
        let text = MessageContent.Text(
            part: outer?.part ?? index, nesting: nesting[index] + (outer?.nesting ?? 0),
            isShown: isShown[index] && outer?.isShown != false, charset: decoded.charset,
            declaredCharset: decoded.declared, observations: decoded.observations, visible: visible, html: html,
            characters: TextObservations(of: visible))
        ownTexts.append((content.texts.count, index))
        content.texts.append(text)
        addURIs(of: text, to: &content)
    }

    private func compareAlternatives(_ content: inout MessageContent) {
        // The text of an alternative that waits for one of the other kind.
        var waiting: [Int: Int] = [:]
        for (place, part) in ownTexts {
            let text = content.texts[place]
            guard let alternative = alternative(above: part) else { continue }
            guard let other = waiting[alternative] else {
                waiting[alternative] = place
                continue
            }
            guard (content.texts[other].html == nil) != (text.html == nil) else { continue }
            let similarity = WordSketch(content.texts[other].visible).similarity(to: WordSketch(text.visible))
            content.alternatives.append(.init(part: outer?.part ?? alternative, similarity: similarity))
            // A second one would be compared with a text that it does not stand for.
            waiting[alternative] = nil
        }
    }

    /// The multipart/alternative that a text is of, itself or inside of a multipart/related.
    private func alternative(above index: Int) -> Int? {
        var place = parts[index].parent
        while let parent = place {
            let type = parts[parent].contentType
            if type.description == "multipart/alternative" { return parent }
            guard type.description == "multipart/related" else { return nil }
            place = parts[parent].parent
        }
        return nil
    }

    // MARK: - URIs

    private func addURIs(of text: MessageContent.Text, to content: inout MessageContent) {
        let room = limits.maxURIs - content.uris.count
        guard room > 0 else { return }
        var found = URIFinder.find(in: text.visible, source: .text, limits: limits)
        if let html = text.html {
            found = HTMLURIs(html: html, limits: limits).uris(besides: found)
        }
        for uri in found.prefix(room) { add(uri, part: text.part, to: &content) }
    }

    /// Adds a URI and those inside of it.
    private func add(_ uri: FoundURI, part: Int, to content: inout MessageContent) {
        var uri = uri
        uri.part = part
        var inner: [FoundURI] = []
        var address = uri.address
        for _ in 0..<limits.maxURINesting {
            guard let next = address.inner(limits: limits), next.host != nil else { break }
            if inner.isEmpty, next.host != uri.address.host { uri.address.tricks.insert(.redirect) }
            var found = FoundURI(address: next, source: .redirect)
            found.part = part
            found.isHidden = uri.isHidden
            inner.append(found)
            address = next
        }
        for uri in [uri] + inner where content.uris.count < limits.maxURIs { content.uris.append(uri) }
    }

    // MARK: - Header

    private func readHeader(into content: inout MessageContent) {
        if let field = message.header["Subject"] {
            content.subject = EncodedWord.decode(field.value)
            let octets = Array(content.subject.utf8)
            content.subjectCharacters = TextObservations(of: octets)
            for uri in URIFinder.find(in: octets, source: .subject, limits: limits) { add(uri, part: 0, to: &content) }
        }
        for name in ["From", "Sender", "Reply-To"] as [StaticString] {
            for field in message.header.fields(named: name).prefix(4) {
                for mailbox in AddressList(field, limit: 16).mailboxes {
                    content.people.append(person(mailbox, field: "\(name)"))
                }
            }
        }
    }

    private func person(_ mailbox: AddressList.Mailbox, field: String) -> MessageContent.Person {
        let name = mailbox.name
        let octets = Array((name ?? "").utf8)
        let named = URIFinder.find(in: octets, source: .text, limits: limits).first { $0.address.scheme == "mailto" }
        return MessageContent.Person(
            field: field, name: name, address: mailbox.address, namedAddress: named?.address.rest,
            characters: TextObservations(of: octets))
    }

    // MARK: - Attachments

    private mutating func readAttachment(_ index: Int, into content: inout MessageContent) {
        guard content.attachments.count < limits.maxAttachments else {
            content.excess.insert(.attachments)
            return
        }
        let room = Swift.max(
            0, Swift.min(limits.maxAttachmentOctets, limits.maxTotalAttachmentOctets - attachmentOctets))
        let octets = parts[index].decoded(from: message.body, limit: room)
        attachmentOctets += octets.count
        if octets.count >= room { content.excess.insert(.attachmentOctets) }
        let file = AttachedFile(part: outer?.part ?? index, of: parts[index], octets: octets, limits: limits)
        content.attachments.append(file)
        if file.type == .mail || parts[index].contentType.isMessage { readMessage(index, octets, into: &content) }
    }

    /// Reads a message that came as a file, or encoded as a whole, which RFC 2045 §6.4 forbids and programs show.
    private mutating func readMessage(_ index: Int, _ octets: [UInt8], into content: inout MessageContent) {
        let depth = (outer?.depth ?? 0) + 1
        guard depth <= limits.maxEncodedMessages else {
            content.excess.insert(.messages)
            return
        }
        guard let message = try? Message(parsing: Bytes(octets)) else { return }
        var reader = ContentReader(message: message, structure: MIMEStructure(of: message), limits: limits)
        reader.outer = Outer(
            part: outer?.part ?? index, nesting: (outer?.nesting ?? 0) + nesting[index] + 1,
            isShown: isShown[index] && outer?.isShown != false, depth: depth)
        (reader.textOctets, reader.attachmentOctets) = (textOctets, attachmentOctets)
        reader.read(into: &content)
        (textOctets, attachmentOctets) = (reader.textOctets, reader.attachmentOctets)
    }
}

import Content
import MailTypes

/// Whether a message with a footer is still the message that it was: read anew from its octets, and compared.
///
/// It knows nothing of how the footer was put there. What is not shown here does not leave the server.
struct FooterProof {
    private let old: Message
    private let oldContent: MessageContent
    private let new: Message
    private let parts: [FooterTextPart]
    private let blocks: [FooterBlock]

    init(_ message: Message, _ content: MessageContent, _ edit: FooterEdit, blocks: [FooterBlock]) {
        old = message
        oldContent = content
        new = edit.applied(to: message)
        parts = edit.parts
        self.blocks = blocks
    }

    init(
        _ message: Message, _ content: MessageContent, changedTo new: Message, parts: [FooterTextPart],
        blocks: [FooterBlock]
    ) {
        old = message
        oldContent = content
        self.new = new
        self.parts = parts
        self.blocks = blocks
    }

    func check() throws(FooterObstacle) {
        let octets = Bytes(new.pieces.flatMap(\.array))
        guard let read = try? Message(parsing: octets), read.pieces.elementsEqual(new.pieces) else {
            throw FooterObstacle("dropped: the result is read as another message than it is written")
        }
        try checkHeader(read.header)
        let structure = MIMEStructure(of: read)
        try checkStructure(structure)
        try checkRest(structure)
        try checkTexts(read, structure)
    }

    // MARK: - Header

    private func checkHeader(_ header: Header) throws(FooterObstacle) {
        var changed = parts.first { $0.index == 0 }?.fields ?? []
        // Without it the others mean nothing.
        if !changed.isEmpty, old.header["MIME-Version"] == nil { changed.append(("MIME-Version", "1.0")) }
        func kept(_ header: Header) -> [HeaderField] {
            header.fields.filter { field in !changed.contains { field.isNamed($0.name) } }
        }
        let isRoot = parts.contains { $0.index == 0 }
        let before = kept(old.header).filter { !isRoot || !$0.isNamed(FooterTextPart.digest) }
        let new = changed.map { field in header.fields.filter { $0.isNamed(field.name) } }
        guard kept(header) == before, new == changed.map({ [HeaderField(name: $0.name, value: $0.value)] })
        else { throw FooterObstacle("dropped: another field of the header would have changed") }
    }

    // MARK: - Structure

    private func checkStructure(_ structure: MIMEStructure) throws(FooterObstacle) {
        let parts = oldContent.structure.parts
        guard structure.parts.count == parts.count else {
            throw FooterObstacle("dropped: there would be \(structure.parts.count) parts instead of \(parts.count)")
        }
        for (index, (part, other)) in zip(parts, structure.parts).enumerated() {
            let isEdited = self.parts.contains { $0.index == index }
            let isSame =
                part.parent == other.parent && part.depth == other.depth && part.disposition == other.disposition
                && (isEdited
                    ? part.contentType.isSame(but: "charset", other.contentType)
                    : part.contentType == other.contentType && part.encoding == other.encoding)
            // What was odd may have been put right, and nothing may have become odd.
            guard isSame, other.defects.isSubset(of: part.defects) else {
                throw FooterObstacle("dropped: part \(index) would be of another kind")
            }
        }
    }

    /// Everything but the texts themselves, and the headers of those whose fields change, is octet for octet the same.
    private func checkRest(_ structure: MIMEStructure) throws(FooterObstacle) {
        var (place, newPlace) = (0, 0)
        func compare(_ end: Int, _ newEnd: Int) throws(FooterObstacle) {
            guard place <= end, newPlace <= newEnd, old.body[place..<end] == new.body[newPlace..<newEnd] else {
                throw FooterObstacle("dropped: something beside the text would have changed")
            }
        }
        for part in parts {
            let (before, after) = (oldContent.structure.parts[part.index], structure.parts[part.index])
            if part.index > 0, !part.fields.isEmpty || part.hasDigest {
                try compare(before.header.lowerBound, after.header.lowerBound)
                (place, newPlace) = (before.header.upperBound, after.header.upperBound)
                let header = PartFields(new.body[after.header].array)
                let names = part.fields.map(\.name)
                let kept = PartFields(old.body[before.header].array).without(names + [FooterTextPart.digest])
                guard kept == header.without(names),
                    part.fields.allSatisfy({ header.has($0.name, $0.value) })
                else {
                    throw FooterObstacle("dropped: another field of a part's header would have changed")
                }
            }
            try compare(before.content.lowerBound, after.content.lowerBound)
            (place, newPlace) = (before.content.upperBound, after.content.upperBound)
        }
        try compare(old.body.count, new.body.count)
    }

    // MARK: - Texts

    private func checkTexts(_ message: Message, _ structure: MIMEStructure) throws(FooterObstacle) {
        var limits = ContentLimits()
        // Attachments are the same, as has been shown; they need not be looked into again.
        limits.maxAttachments = 0
        limits.maxURIs = 0
        let content = MessageContent(of: message, structure: structure, limits: limits)
        for part in parts {
            guard let before = oldContent.text(of: part.index), let after = content.text(of: part.index),
                before.isShown == after.isShown
            else { throw FooterObstacle("dropped: the text could not be read any more") }
            try checkOwnWords(part, message, structure)
            let (seenBefore, seen) = (FooterWords(before.visible), FooterWords(after.visible))
            for block in blocks {
                let words = part.isHTML ? block.htmlWords : block.textWords
                guard seen.count(of: words) == seenBefore.count(of: words) + 1 else {
                    throw FooterObstacle("dropped: a reader would not see it just once")
                }
            }
        }
    }

    /// What the sender wrote is all there, and nothing but the footer has come to it.
    private func checkOwnWords(
        _ part: FooterTextPart, _ message: Message, _ structure: MIMEStructure
    ) throws(FooterObstacle) {
        let before = oldContent.structure.parts[part.index].decoded(from: old.body)
        let after = structure.parts[part.index].soundlyDecoded(from: message.body) ?? []
        // A text in another charset is compared as text.
        let kept = part.isConverted ? oldContent.structure.parts[part.index].utf8(before) : before
        guard part.place <= kept.count, after.count == kept.count + part.inserted.count,
            after.starts(with: kept[..<part.place]),
            after[part.place...].starts(with: part.inserted),
            after[(part.place + part.inserted.count)...].elementsEqual(kept[part.place...])
        else { throw FooterObstacle("dropped: the text itself would have changed") }
    }
}

extension MessageContent {
    /// The text of that part, if it is one of the message's own.
    fileprivate func text(of part: Int) -> Text? { texts.first { $0.part == part && $0.nesting == 0 } }
}

extension MIMEPart {
    /// The text of a part without its transfer encoding, as UTF-8.
    fileprivate func utf8(_ octets: [UInt8]) -> [UInt8] {
        let header = Header(
            fields: [HeaderField(name: "Content-Type", value: "text/plain; charset=\(contentType.charset ?? "")")])
        let content = MessageContent(of: Message(header: header, body: Bytes(octets)))
        return content.texts.first?.visible ?? []
    }
}

extension ContentType {
    fileprivate func isSame(but name: String, _ other: ContentType) -> Bool {
        func rest(_ type: ContentType) -> [MIMEParameters.Parameter] {
            type.parameters.list.filter { $0.name != name }.sorted { $0.name < $1.name }
        }
        return description == other.description && rest(self) == rest(other)
    }
}

extension PartFields {
    fileprivate func without(_ names: [String]) -> [[UInt8]] {
        fields.filter { field in !names.contains { PartFields.isNamed($0, field) } }
    }

    /// Whether there is just one field of that name, with that value.
    fileprivate func has(_ name: String, _ value: String) -> Bool {
        fields.filter { PartFields.isNamed(name, $0) } == [Array(HeaderField(name: name, value: value).raw)]
    }
}

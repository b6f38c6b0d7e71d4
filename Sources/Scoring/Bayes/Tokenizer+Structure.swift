import Content
import MailTypes

extension Tokenizer {
    mutating func readStructure(_ content: MessageContent) {
        readParts(content.structure)
        for attachment in content.attachments.prefix(limits.maxAttachments) { read(attachment) }
        tokens.add("t:", "count \(Self.bucket(content.attachments.count))")
        var octets = 0
        for text in content.texts.prefix(limits.maxParts) {
            if text.isShown { octets += text.visible.count }
            tokens.add("m:", "charset \(text.declaredCharset.map { String($0.prefix(30)).asciiLowercased } ?? "none")")
            for observation in text.observations { tokens.add("m:", "text \(observation.rawValue)") }
            if let html = text.html { readHTML(html.observations) }
            read(text.characters)
        }
        tokens.add("m:", "length \(Self.bucket(octets / 64))")
        for alternative in content.alternatives.prefix(limits.maxParts) {
            tokens.add("m:", "similarity \(alternative.similarity / 20)")
        }
    }

    private mutating func readParts(_ structure: MIMEStructure) {
        var tree = ""
        for part in structure.parts.prefix(limits.maxParts) {
            let type = part.contentType.description.prefix(60)
            tree += "\(part.depth)\(type) "
            tokens.add("m:", type.utf8)
            tokens.add("m:", "\(type) \(part.encoding)")
            if let boundary = part.contentType.parameters["boundary"] {
                tokens.add("m:", "boundary \(Self.shape(boundary.value.utf8, most: 24))")
            }
        }
        tokens.add("m:", "tree \(tree)")
        for defect in structure.defects { tokens.add("m:", "defect \(defect.rawValue)") }
    }

    private mutating func read(_ file: AttachedFile) {
        tokens.add("t:", "type \(file.type.rawValue)")
        tokens.add("t:", "category \(file.type.category.rawValue)")
        tokens.add("t:", "declared \(file.declaredType.prefix(60))")
        tokens.add("t:", "size \(Self.bucket(file.size / 1024))")
        for observation in file.observations { tokens.add("t:", observation.rawValue) }
        guard let name = file.name else { return }
        tokens.add("t:", "ending \(name.fileExtension)")
        tokens.add("t:", "shape \(Self.shape(name.text.utf8, most: 16))")
        for observation in name.observations { tokens.add("t:", observation.rawValue) }
        addWords("t:", Array(name.text.utf8.prefix(120)), most: 8, arePaired: false)
    }

    private mutating func readHTML(_ html: HTMLObservations) {
        let numbers: [(StaticString, Int)] = [
            ("tags", html.tags), ("comments", html.comments), ("scripts", html.scripts), ("forms", html.forms),
            ("passwords", html.passwordInputs), ("frames", html.frames), ("objects", html.embeddedObjects),
            ("pictures", html.images), ("remote pictures", html.remoteImages), ("pixels", html.pixelImages),
            ("links", html.links), ("bases", html.baseAddresses), ("refreshes", html.metaRefreshes),
            ("data", html.dataURIs), ("script links", html.scriptURIs), ("handlers", html.eventHandlers),
            ("external styles", html.externalStyles), ("unclosed", html.unclosedElements),
            ("unmatched", html.unmatchedEndTags), ("misnested", html.misnestedTags),
            ("encoded links", html.encodedAttributes), ("unknown tags", html.unknownTags),
            ("conditional comments", html.conditionalComments),
        ]
        for (name, number) in numbers where number > 0 { tokens.add("m:", "html \(name) \(Self.bucket(number))") }
        for (reason, octets) in html.hiddenOctets where octets > 0 {
            tokens.add("m:", "hidden \(reason.rawValue) \(Self.bucket(octets / 16))")
        }
    }

    private mutating func read(_ characters: TextObservations) {
        let numbers: [(StaticString, Int)] = [
            ("invisible", characters.invisible), ("invisible in words", characters.invisibleInWords),
            ("directions", characters.bidirectionalControls), ("odd letters", characters.oddLetters),
            ("mixed words", characters.mixedWords), ("lookalikes", characters.lookalikeWords),
            ("marks", characters.stackedMarks), ("unreadable", characters.unreadable),
        ]
        for (name, number) in numbers where number > 0 { tokens.add("m:", "letters \(name) \(Self.bucket(number))") }
    }
}

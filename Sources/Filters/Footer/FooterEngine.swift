import Content
import MailTypes
import Pipeline

/// Puts footers into a message, or says why it is better left as it is. Pure.
///
/// A footer whose words a reader sees already, in a reply's quotation or anywhere else, is not put there twice. What
/// comes out has passed the ``FooterProof``.
struct FooterEngine: Sendable {
    /// In the order in which they stand.
    let blocks: [FooterBlock]
    let place: FooterPlace
    /// Whether it is put into an answer that quotes it, again.
    var repeats = false

    enum Outcome: Sendable {
        /// The blocks at these places were put there.
        case edited(FooterEdit, blocks: [Int])
        case untouched(FooterObstacle)
    }

    /// - Parameter content: That of the message.
    func edit(_ message: Message, _ content: MessageContent) -> Outcome {
        do throws(FooterObstacle) {
            let targets = try FooterTargets(content.structure).find(in: message, content)
            let new = try missing(in: targets, content)
            let edit = try Self.edit(message, content.structure, targets, blocks: new.map { blocks[$0] }, at: place)
            let proof = FooterProof(message, content, edit, blocks: new.map { blocks[$0] })
            try proof.check()
            return .edited(edit, blocks: new)
        } catch { return .untouched(error) }
    }

    /// The footers that the reader does not see yet.
    private func missing(in targets: [Int], _ content: MessageContent) throws(FooterObstacle) -> [Int] {
        let texts = try targets.map { target throws(FooterObstacle) in
            guard let text = content.texts.first(where: { $0.part == target && $0.nesting == 0 }),
                !text.observations.contains(.truncated), text.html?.observations.isTruncated != true
            else { throw FooterObstacle("its text is too long to be read to its end") }
            return FooterWords(text.visible)
        }
        if repeats { return Array(blocks.indices) }
        let new = blocks.indices.filter { index in
            !texts.contains { $0.count(of: blocks[index].textWords) + $0.count(of: blocks[index].htmlWords) > 0 }
        }
        guard !new.isEmpty else { throw FooterObstacle("it stands there already") }
        return new
    }

    private static func edit(
        _ message: Message, _ structure: MIMEStructure, _ targets: [Int], blocks: [FooterBlock], at place: FooterPlace
    ) throws(FooterObstacle) -> FooterEdit {
        let parts = try targets.map { target throws(FooterObstacle) in
            try FooterTextPart(target, of: structure.parts[target], in: message.body, blocks: blocks, at: place)
        }
        return FooterEdit(message, structure, parts)
    }
}

/// What changes in a message: pieces of its body, and the fields of its header that go with them.
struct FooterEdit: Sendable {
    private(set) var splices: [BodySplice] = []
    /// Places of fields in the message as it was.
    private(set) var removed: [Int] = []
    private(set) var added: [(name: String, value: String)] = []
    /// The parts that were changed, in order.
    let parts: [FooterTextPart]

    init(_ message: Message, _ structure: MIMEStructure, _ parts: [FooterTextPart]) {
        self.parts = parts
        for part in parts {
            let old = structure.parts[part.index]
            if part.index > 0, !part.fields.isEmpty || part.hasDigest {
                var header = PartFields(message.body[old.header].array)
                for field in part.fields { header.set(field.name, field.value) }
                header.remove(FooterTextPart.digest)
                splices.append(BodySplice(old.header, Bytes(header.octets)))
            }
            splices.append(BodySplice(old.content, Bytes(part.content)))
        }
        splices = splices.map { $0.trimmed(of: message.body) }
        if let root = parts.first, root.index == 0 { changeHeader(message.header, root) }
    }

    /// Of a message of one part the fields stand in its own header.
    private mutating func changeHeader(_ header: Header, _ part: FooterTextPart) {
        removed = header.fields.indices.filter { header.fields[$0].isNamed(FooterTextPart.digest) }
        guard !part.fields.isEmpty else { return }
        for field in part.fields {
            removed += header.fields.indices.filter { header.fields[$0].isNamed(field.name) }
            added.append(field)
        }
        // Without it the others mean nothing. RFC 2045 §4.
        if header["MIME-Version"] == nil { added.append(("MIME-Version", "1.0")) }
    }

    /// What the chain is to do.
    var edits: [Edit] {
        (removed.isEmpty ? [] : [.removeFields(at: removed)])
            + added.map { .appendField(name: $0.name, value: $0.value) } + [.spliceBody(splices)]
    }

    func applied(to message: Message) -> Message {
        var message = message
        message.header.remove(at: removed)
        for field in added { message.header.append(HeaderField(name: field.name, value: field.value)) }
        message.body = message.body.spliced(splices)
        return message
    }
}

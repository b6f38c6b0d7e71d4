import Content
import MailTypes

/// Which parts of a message are its text: the first that a reader comes to, in each of its alternative forms.
///
/// Parts that have a name or want to be kept as a file are attachments, and messages inside of the message are
/// somebody else's.
struct FooterTargets {
    private let parts: [MIMEPart]
    private let children: [[Int]]
    /// Parts that no attached message holds.
    private let isOwn: [Bool]

    init(_ structure: MIMEStructure) {
        parts = structure.parts
        var children = [[Int]](repeating: [], count: parts.count)
        var isOwn = [Bool](repeating: true, count: parts.count)
        for (index, part) in parts.enumerated() {
            guard let parent = part.parent else { continue }
            children[parent].append(index)
            isOwn[index] = isOwn[parent] && !parts[parent].contentType.isMessage
        }
        self.children = children
        self.isOwn = isOwn
    }

    /// The places of the texts in the structure, in order.
    func find(in message: Message, _ content: MessageContent) throws(FooterObstacle) -> [Int] {
        try checkTypes()
        try checkArmour(content)
        // From behind: what a container holds is known before itself.
        var texts = [[Int]](repeating: [], count: parts.count)
        for index in parts.indices.reversed() {
            let type = parts[index].contentType
            if children[index].isEmpty {
                texts[index] = isText(parts[index]) ? [index] : []
            } else if type.description == "multipart/alternative" {
                texts[index] = children[index].flatMap { texts[$0] }
            } else if type.description == "multipart/related" {
                texts[index] = root(of: index, in: message).map { texts[$0] } ?? []
            } else if type.isMultipart, type.subtype != "digest" {
                texts[index] = children[index].lazy.map { texts[$0] }.first { !$0.isEmpty } ?? []
            }
        }
        guard let found = texts.first, !found.isEmpty else {
            throw FooterObstacle("there is no text that it could stand in")
        }
        for index in found { try checkSoundness(of: index) }
        return found
    }

    private func isText(_ part: MIMEPart) -> Bool {
        guard ["text/plain", "text/html"].contains(part.contentType.description) else { return false }
        return !part.isAttachment && part.fileName == nil
    }

    // MARK: - Signed, encrypted, reports

    private static let closed: Set<String> = [
        "multipart/signed", "multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime",
        "application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-encrypted",
        "application/pgp-signature",
    ]

    private static let reports: Set<String> = [
        "multipart/report", "message/delivery-status", "message/global-delivery-status",
        "message/disposition-notification", "message/global-disposition-notification", "message/feedback-report",
    ]

    private func checkTypes() throws(FooterObstacle) {
        for (index, part) in parts.enumerated() where isOwn[index] {
            let type = part.contentType.description
            if Self.closed.contains(type) { throw FooterObstacle("the message is signed or encrypted (\(type))") }
            if Self.reports.contains(type) { throw FooterObstacle("the message is a report (\(type))") }
        }
    }

    private static let armour = ["-----BEGIN PGP MESSAGE", "-----BEGIN PGP SIGNED MESSAGE"]

    /// PGP inside of the text, as it was done before MIME. RFC 9580 §6, §7.
    private func checkArmour(_ content: MessageContent) throws(FooterObstacle) {
        for text in content.texts where text.nesting == 0 {
            for line in text.visible.split(whereSeparator: { $0 == .lf || $0 == .cr }) {
                guard line.first == UInt8(ascii: "-") else { continue }
                guard !Self.armour.contains(where: { line.starts(with: $0.utf8) }) else {
                    throw FooterObstacle("the text is signed or encrypted (PGP)")
                }
            }
        }
    }

    // MARK: - What programs may read in other ways

    private static let doubts: Set<MIMEDefect> = [
        .duplicateField, .duplicateParameter, .missingBoundary, .reusedBoundary, .noParts, .encodedComposite,
        .missingEmptyLine, .endsInHeader, .tooDeep, .tooManyParts, .unknownEncoding,
    ]

    private func checkSoundness(of index: Int) throws(FooterObstacle) {
        var place: Int? = index
        while let current = place {
            let found = parts[current].defects.intersection(Self.doubts)
            guard found.isEmpty else {
                let names = found.map(\.rawValue).sorted().joined(separator: ", ")
                throw FooterObstacle("programs may read the message in different ways (\(names))")
            }
            place = parts[current].parent
        }
    }

    // MARK: - multipart/related

    /// The part that the others belong to: the one that `start` names, else the first. RFC 2387 §3.2.
    private func root(of index: Int, in message: Message) -> Int? {
        guard let start = parts[index].contentType.parameters["start"]?.octets else { return children[index].first }
        let named = children[index].first { child in
            let field = PartFields(message.body[parts[child].header].array).value(of: "Content-ID")
            return field.map { Self.bare($0) == Self.bare(start) } ?? false
        }
        return named ?? children[index].first
    }

    /// A message id without what stands around it.
    private static func bare(_ octets: [UInt8]) -> [UInt8] {
        octets.filter { $0.isVisible && $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") }
    }
}

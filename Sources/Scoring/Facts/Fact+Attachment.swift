import Content
import MailTypes

extension Fact {
    /// Attached files.
    static let attachment: [Fact] =
        [
            Fact("attachment.count", "attached files") { $0.content.attachments.count },
            Fact("attachment.octets", "octets of all of them") { $0.content.attachments.reduce(0) { $0 + $1.size } },
            Fact("attachment.only", "files are attached, and less than ten words are shown") {
                !$0.content.attachments.isEmpty && $0.words.words < 10
            },
        ] + observations + names + categories + types

    private static let observations: [Fact] = AttachedFile.Observation.allCases.map { observation in
        Fact("attachment." + observation.rawValue.underscored, summary(of: observation)) { reader in
            reader.content.attachments.count { $0.observations.contains(observation) }
        }
    }

    private static let names: [Fact] = FileName.Observation.allCases.map { observation in
        Fact("attachment.name_" + observation.rawValue.underscored, summary(of: observation)) { reader in
            reader.content.attachments.count { $0.name?.observations.contains(observation) ?? false }
        }
    }

    private static let categories: [Fact] = [
        FileType.Category.document, .archive, .image, .media, .markup, .text, .message,
    ].map { category in
        Fact("attachment.is_" + category.rawValue, "files whose content is of this kind: \(category.rawValue)") {
            reader in
            reader.content.attachments.count { $0.type.category == category }
        }
    }

    private static let types: [Fact] = [
        FileType.html, .svg, .pdf, .rtf, .zip, .rar, .sevenZip, .iso, .virtualDisk, .ace, .arj, .cab, .gzip, .oneNote,
        .tnef,
        .script, .shortcut, .windowsProgram, .jar, .calendar, .compiledHelp, .installer,
    ].map { type in
        Fact("attachment.type_" + type.rawValue.underscored, "files that are \(type.rawValue) by their content") {
            reader in
            reader.content.attachments.count { $0.type == type }
        }
    }

    private static func summary(of observation: AttachedFile.Observation) -> String {
        switch observation {
        case .nameMismatch: "files that are of another type than their name says"
        case .typeMismatch: "files that are of another type than Content-Type says"
        case .program: "programs, scripts and shortcuts"
        case .macros: "documents with macros"
        case .embeddedObjects: "documents with objects of other programs inside"
        case .encrypted: "documents and archives that only open with a password"
        case .remoteTemplate: "documents that fetch their template over the network"
        case .programInside: "archives with a program inside"
        case .disguisedNameInside: "archives with a disguised name inside"
        case .archiveInside: "archives with an archive inside"
        case .bomb: "archives whose members are a hundred times as large"
        case .damagedArchive: "archives that are damaged"
        case .activePDF: "PDF files with a script or an action at opening"
        case .filesInPDF: "PDF files with files inside"
        case .scriptInHTML: "HTML and SVG files with a script"
        case .formInHTML: "HTML files with a form"
        case .truncated: "files that were not read to their end"
        }
    }

    private static func summary(of observation: FileName.Observation) -> String {
        switch observation {
        case .doubleExtension: "names as `invoice.pdf.exe`"
        case .bidirectionalControl: "names with characters that turn the direction of writing"
        case .invisibleCharacters: "names with characters that take no room"
        case .trailingDots: "names with dots or blanks at the end"
        case .padding: "names with so many blanks that the ending is out of sight"
        case .veryLong: "names that are very long"
        case .controls: "names with control characters"
        case .path: "names with a path"
        case .dangerous: "names with an ending that Windows runs when it is clicked"
        }
    }

    /// How the message is put together.
    static let mime: [Fact] =
        [
            Fact("mime.parts", "parts of the message, all levels counted") { $0.content.structure.parts.count },
            Fact("mime.depth", "how deep parts are nested") { $0.content.structure.parts.map(\.depth).max() ?? 0 },
            Fact("mime.defects", "kinds of defects") { $0.content.structure.defects.count },
            Fact("mime.is_multipart", "the message has parts") {
                $0.content.structure.parts[0].contentType.isMultipart
            },
            Fact("mime.no_version", "Content-Type without MIME-Version") { reader in
                reader.header["Content-Type"] != nil && reader.header["MIME-Version"] == nil
            },
            Fact("mime.base64_text", "a text of nothing but ASCII is in base64") { reader in
                reader.shown.contains { text in
                    reader.content.structure.parts.indices.contains(text.part)
                        && reader.content.structure.parts[text.part].encoding == .base64
                        && text.visible.allSatisfy { $0 < 0x80 }
                }
            },
            Fact("mime.is_report", "the message is a report on delivery or reading") { reader in
                reader.content.structure.parts[0].contentType.description == "multipart/report"
            },
            Fact("mime.is_signed", "the message has a signature of S/MIME or PGP") { reader in
                reader.content.structure.parts[0].contentType.description == "multipart/signed"
            },
            Fact("mime.is_sealed", "parts are encrypted by S/MIME or PGP") { reader in
                reader.parts(of: ["multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"])
            },
            Fact("mime.is_piece", "parts are pieces of a message that its reader puts together") { reader in
                reader.parts(of: ["message/partial"])
            },
            Fact("mime.is_elsewhere", "parts are fetched from elsewhere when they are opened") { reader in
                reader.parts(of: ["message/external-body"])
            },
        ]
        + MIMEDefect.all.map { defect, summary in
            Fact("mime." + defect.rawValue.underscored, summary) { $0.content.structure.defects.contains(defect) }
        }
}

extension MIMEDefect {
    fileprivate static let all: [(MIMEDefect, String)] = [
        (.duplicateField, "a Content-… field stands twice in one header"),
        (.duplicateParameter, "a parameter stands twice in one field"),
        (.tooManyParameters, "a field has more parameters than are read"),
        (.malformedField, "a Content-… field does not follow the grammar"),
        (.missingBoundary, "a multipart has no boundary"),
        (.overlongBoundary, "a boundary is longer than 70 characters"),
        (.reusedBoundary, "a multipart inside another one has the same boundary"),
        (.missingFinalBoundary, "a multipart ends without its closing delimiter"),
        (.noParts, "a multipart has no parts"),
        (.encodedComposite, "a multipart or message is encoded as a whole"),
        (.unknownEncoding, "a transfer encoding is one that nobody knows"),
        (.missingEmptyLine, "nothing divides a part's header and its content"),
        (.endsInHeader, "a part ends in its header"),
        (.tooDeep, "parts are nested deeper than is followed"),
        (.tooManyParts, "there are more parts than are read"),
    ]
}

extension FactReader {
    /// How many parts say that they are of one of these types. RFC 2046 §5.2, RFC 8551 §3.2.
    fileprivate func parts(of types: Set<String>) -> Int {
        content.structure.parts.count { types.contains($0.contentType.description) }
    }
}

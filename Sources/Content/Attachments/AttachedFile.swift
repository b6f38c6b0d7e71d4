import MailTypes

/// A file that a message brings, by what it is and what it says it is.
public struct AttachedFile: Sendable {
    public enum Observation: String, Sendable, Hashable, CaseIterable {
        /// The content is of another type than the name says.
        case nameMismatch = "name-mismatch"
        /// The content is of another type than Content-Type says.
        case typeMismatch = "type-mismatch"
        /// A program, script or shortcut.
        case program
        /// Macros of Office.
        case macros
        /// Objects of other programs in a document of Office or RTF.
        case embeddedObjects = "embedded-objects"
        /// A document or archive that only opens with a password.
        case encrypted
        /// A document that fetches its template over the network.
        case remoteTemplate = "remote-template"
        /// A program in an archive.
        case programInside = "program-inside"
        /// A disguised name in an archive.
        case disguisedNameInside = "disguised-name-inside"
        /// An archive in an archive.
        case archiveInside = "archive-inside"
        /// Members a hundred times as large as the archive.
        case bomb
        case damagedArchive = "damaged-archive"
        /// JavaScript, or an action that is done when the PDF is opened.
        case activePDF = "active-pdf"
        case filesInPDF = "files-in-pdf"
        /// HTML with a script.
        case scriptInHTML = "script-in-html"
        case formInHTML = "form-in-html"
        /// Not all of it was read.
        case truncated
    }

    /// Its place in ``MessageContent/structure``.
    public let part: Int
    public let name: FileName?
    /// As Content-Type has it.
    public let declaredType: String
    public let type: FileType
    public let size: Int
    public let observations: Set<Observation>
    public let archive: ArchiveListing?

    init(part: Int, of mimePart: MIMEPart, octets: [UInt8], limits: ContentLimits) {
        self.part = part
        name = mimePart.fileName.map { FileName($0, limits: limits) }
        declaredType = mimePart.contentType.description
        size = octets.count
        var inspector = AttachmentInspector(octets, limits: limits)
        inspector.inspect()
        type = inspector.type
        archive = inspector.archive
        var observations = inspector.observations
        if type.category == .program { observations.insert(.program) }
        if let expected = name?.expectedTypes, !expected.contains(type), type != .unknown, type != .empty {
            observations.insert(.nameMismatch)
        }
        if Self.contradicts(mimePart.contentType, type) { observations.insert(.typeMismatch) }
        if octets.count >= limits.maxAttachmentOctets { observations.insert(.truncated) }
        self.observations = observations
    }

    /// Whether the declared type says something that the content is not.
    private static func contradicts(_ declared: ContentType, _ type: FileType) -> Bool {
        guard type != .unknown, type != .empty else { return false }
        switch declared.type {
        case "image": return type.category != .image && type != .svg
        case "audio", "video": return type.category != .media
        case "text":
            return type.category != .text && type.category != .markup && type.category != .message && type != .script
                && type != .rtf && type != .pgp && type != .certificate
        default: break
        }
        switch declared.subtype {
        case "pdf": return type != .pdf
        case "zip", "x-zip-compressed": return type != .zip && type != .jar
        case "msword": return type.category != .document
        default: return declared.subtype.hasPrefix("vnd.openxmlformats") && type.category != .document
        }
    }
}

/// Looks into a file.
struct AttachmentInspector {
    private let octets: [UInt8]
    private let limits: ContentLimits
    private(set) var type = FileType.unknown
    private(set) var archive: ArchiveListing?
    private(set) var observations: Set<AttachedFile.Observation> = []

    /// A zip's content may be that many times as large as the zip.
    private static let largestRatio = 100

    init(_ octets: [UInt8], limits: ContentLimits) {
        self.octets = octets
        self.limits = limits
    }

    mutating func inspect() {
        type = FileSignatures.type(of: octets)
        switch type {
        case .zip: inspectZip()
        case .compoundFile: inspectCompoundFile()
        case .pdf: inspectPDF()
        case .rtf:
            if has("\\objdata") || has("\\objupdate") || has("\\objocx") { observations.insert(.embeddedObjects) }
        case .html, .svg:
            if has("<script") || has("<SCRIPT") || has("javascript:") { observations.insert(.scriptInHTML) }
            if has("<form") || has("<FORM") || has("type=\"password\"") { observations.insert(.formInHTML) }
        case .xml:
            if has("progid=\"Word.Document\"") { type = .officeWord }
            if has("w:macrosPresent=\"yes\"") { observations.insert(.macros) }
        case .oneNote: if has("\u{4D}\u{5A}\0") || has("<script") { observations.insert(.embeddedObjects) }
        case .rar:
            // Headers that are encrypted hide the names, too.
            if octets.count > 10, octets[6] == 0, octets[10] & 0x80 != 0 { observations.insert(.encrypted) }
        default: break
        }
    }

    private func has(_ text: StaticString) -> Bool { octets[...].firstRange(ofASCII: text) != nil }

    private mutating func inspectZip() {
        let listing = ArchiveListing(zip: octets, limits: limits)
        archive = listing
        if listing.isEncrypted { observations.insert(.encrypted) }
        if listing.isDamaged { observations.insert(.damagedArchive) }
        if listing.ratio > Self.largestRatio { observations.insert(.bomb) }
        let names = Set(listing.members.map(\.name))
        if let office = Self.officeType(names) {
            type = office
            inspectOffice(names)
            return
        }
        if names.contains("AndroidManifest.xml") {
            type = .androidPackage
        } else if names.contains("META-INF/MANIFEST.MF"), names.contains(where: { $0.hasSuffix(".class") }) {
            type = .jar
        }
        for name in names { inspectMember(FileName(name, limits: limits)) }
    }

    private static func officeType(_ names: Set<String>) -> FileType? {
        if names.contains("[Content_Types].xml") {
            if names.contains(where: { $0.hasPrefix("word/") }) { return .officeWord }
            if names.contains(where: { $0.hasPrefix("xl/") }) { return .officeExcel }
            if names.contains(where: { $0.hasPrefix("ppt/") }) { return .officePowerPoint }
        }
        return names.contains("mimetype") && names.contains("content.xml") ? .openDocument : nil
    }

    private mutating func inspectOffice(_ names: Set<String>) {
        for name in names {
            if name.hasSuffix("vbaProject.bin") || name.hasPrefix("xl/macrosheets/") || name.hasPrefix("Basic/") {
                observations.insert(.macros)
            }
            if name.contains("/embeddings/") || name.contains("/activeX/") { observations.insert(.embeddedObjects) }
            if name.hasPrefix("xl/externalLinks/") || name == "word/_rels/settings.xml.rels" {
                observations.insert(.remoteTemplate)
            }
        }
    }

    private mutating func inspectMember(_ name: FileName) {
        if name.observations.contains(.dangerous) { observations.insert(.programInside) }
        let disguises: Set<FileName.Observation> = [.doubleExtension, .bidirectionalControl, .padding, .trailingDots]
        if !name.text.hasSuffix("/"), !name.observations.isDisjoint(with: disguises) {
            observations.insert(.disguisedNameInside)
        }
        if name.expectedTypes?.contains(where: { $0.category == .archive }) == true {
            observations.insert(.archiveInside)
        }
    }

    private mutating func inspectCompoundFile() {
        let file = CompoundFile(octets, limits: limits)
        type = file.type
        if type == .encryptedOffice { observations.insert(.encrypted) }
        if file.hasMacros { observations.insert(.macros) }
        if file.hasEmbeddedObjects { observations.insert(.embeddedObjects) }
        if file.isDamaged { observations.insert(.damagedArchive) }
    }

    private mutating func inspectPDF() {
        if has("/Encrypt") { observations.insert(.encrypted) }
        if has("/JavaScript") || has("/JS ") || has("/JS(") || has("/Launch") || has("/OpenAction<</S") {
            observations.insert(.activePDF)
        }
        if has("/EmbeddedFile") { observations.insert(.filesInPDF) }
    }
}

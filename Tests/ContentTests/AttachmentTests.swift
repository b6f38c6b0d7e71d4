import MailTypes
import Testing

@testable import Content

/// Makes archives for tests.
enum SampleZip {
    struct Member {
        var name: String
        var content: [UInt8] = []
        var fullSize: Int?
        var isEncrypted = false
    }

    static func octets(_ members: [Member], localName: String? = nil) -> [UInt8] {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for member in members {
            let start = file.count
            let flags = member.isEncrypted ? 1 : 0
            let sizes = long(0) + long(member.content.count) + long(member.fullSize ?? member.content.count)
            let local = Array((localName ?? member.name).utf8)
            file += long(0x0403_4B50) + short(20) + short(flags) + short(0) + long(0) + sizes
            file += short(local.count) + short(0) + local + member.content
            let name = Array(member.name.utf8)
            directory += long(0x0201_4B50) + short(20) + short(20) + short(flags) + short(0) + long(0) + sizes
            directory += short(name.count) + short(0) + short(0) + short(0) + short(0) + long(0) + long(start) + name
        }
        let end = long(0x0605_4B50) + short(0) + short(0) + short(members.count) + short(members.count)
        return file + directory + end + long(directory.count) + long(file.count) + short(0)
    }

    static func short(_ value: Int) -> [UInt8] { [UInt8(value & 0xFF), UInt8(value >> 8 & 0xFF)] }
    static func long(_ value: Int) -> [UInt8] { short(value & 0xFFFF) + short(value >> 16 & 0xFFFF) }
}

/// Makes compound files with these streams.
enum SampleCompoundFile {
    static func octets(_ names: [String]) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        header.replaceSubrange(0..<8, with: [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1])
        header.replaceSubrange(30..<32, with: SampleZip.short(9))
        header.replaceSubrange(48..<52, with: SampleZip.long(1))
        for slot in 0..<109 { header.replaceSubrange(76 + slot * 4..<80 + slot * 4, with: SampleZip.long(0xFFFF_FFFF)) }
        header.replaceSubrange(76..<80, with: SampleZip.long(0))
        let sectors = (names.count + 3) / 4
        var table = SampleZip.long(0xFFFF_FFFD)
        for sector in 0..<sectors { table += SampleZip.long(sector == sectors - 1 ? 0xFFFF_FFFE : sector + 2) }
        while table.count < 512 { table += SampleZip.long(0xFFFF_FFFF) }
        var entries: [UInt8] = []
        for name in names {
            var entry = name.utf16.flatMap { SampleZip.short(Int($0)) }
            entry += [UInt8](repeating: 0, count: 64 - entry.count)
            entry += SampleZip.short(name.utf16.count * 2 + 2) + [2]
            entries += entry + [UInt8](repeating: 0, count: 128 - entry.count)
        }
        return header + table + entries + [UInt8](repeating: 0, count: sectors * 512 - entries.count)
    }
}

@Suite struct AttachmentTests {
    static let types: [(octets: [UInt8], type: FileType)] = [
        ([], .empty), (Array("hello".utf8), .text), (Array("%PDF-1.7".utf8), .pdf), (Array("\n\n%PDF-1.7".utf8), .pdf),
        ([0x4D, 0x5A] + [UInt8](repeating: 0, count: 80), .windowsProgram), ([0x4D, 0x5A], .text),
        ([0x7F, 0x45, 0x4C, 0x46], .elf),
        ([0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, 2, 0], .machO), ([0xCA, 0xFE, 0xBA, 0xBE, 0, 0, 0, 52, 0], .javaClass),
        (Array("#!/bin/sh\n".utf8), .script), ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], .png),
        ([0xFF, 0xD8, 0xFF, 0xE0], .jpeg),
        (Array("GIF89a".utf8), .gif), (Array("RIFFxxxxWEBP".utf8), .webP), (Array("<!DOCTYPE html><p>".utf8), .html),
        (Array("  <HTML>".utf8), .html), (Array("<?xml version='1.0'?><svg>".utf8), .svg),
        (Array("<?xml version='1.0'?><x>".utf8), .xml),
        (Array("{\\rtf1".utf8), .rtf), (Array("Rar!\u{1A}\u{7}\0".utf8), .rar),
        (Array("BEGIN:VCALENDAR".utf8), .calendar),
        ([0x4C, 0, 0, 0, 0x01, 0x14, 0x02, 0, 0], .shortcut), (Array("[InternetShortcut]\r\nURL=x".utf8), .shortcut),
        ([UInt8](repeating: 0x20, count: 32769) + Array("CD001".utf8), .iso), ([1, 2, 3, 4, 5], .unknown),
        ([0xE4, 0x52, 0x5C, 0x7B, 0x8C, 0xD8, 0xA7, 0x4D], .oneNote), ([0x1F, 0x8B, 8], .gzip),
        (SampleZip.octets([.init(name: "a.txt")]), .zip),
        (SampleZip.octets([.init(name: "[Content_Types].xml"), .init(name: "word/document.xml")]), .officeWord),
        (SampleZip.octets([.init(name: "[Content_Types].xml"), .init(name: "xl/workbook.xml")]), .officeExcel),
        (SampleZip.octets([.init(name: "META-INF/MANIFEST.MF"), .init(name: "A.class")]), .jar),
        (SampleZip.octets([.init(name: "AndroidManifest.xml")]), .androidPackage),
        (SampleCompoundFile.octets(["Root Entry", "WordDocument"]), .word),
        (SampleCompoundFile.octets(["Root Entry", "Workbook"]), .excel),
        (SampleCompoundFile.octets(["EncryptedPackage"]), .encryptedOffice),
        (SampleCompoundFile.octets(["a", "b", "c", "d", "e", "PowerPoint Document"]), .powerPoint),
        (SampleCompoundFile.octets(["x"]), .compoundFile),
    ]

    @Test(arguments: types)
    func `a file is known by its octets`(octets: [UInt8], type: FileType) {
        var inspector = AttachmentInspector(octets, limits: ContentLimits())
        inspector.inspect()
        #expect(inspector.type == type)
    }

    static let insides: [(octets: [UInt8], seen: Set<AttachedFile.Observation>)] = [
        (SampleZip.octets([.init(name: "a.txt")]), []), (SampleZip.octets([.init(name: "a.exe")]), [.programInside]),
        (SampleZip.octets([.init(name: "a.pdf.exe")]), [.programInside, .disguisedNameInside]),
        (SampleZip.octets([.init(name: "b.zip")]), [.archiveInside]),
        (SampleZip.octets([.init(name: "a.txt", isEncrypted: true)]), [.encrypted]),
        (SampleZip.octets([.init(name: "a.txt")], localName: "b.txt"), [.damagedArchive]),
        (SampleZip.octets([.init(name: "a.txt", content: [1], fullSize: 1 << 30)]), [.bomb]),
        (SampleZip.octets([.init(name: "[Content_Types].xml"), .init(name: "word/vbaProject.bin")]), [.macros]),
        (
            SampleZip.octets([.init(name: "[Content_Types].xml"), .init(name: "xl/embeddings/oleObject1.bin")]),
            [.embeddedObjects]
        ),
        (
            Array(SampleZip.octets([.init(name: "a.js"), .init(name: "b")]).prefix(80)),
            [.damagedArchive, .programInside]
        ),
        (SampleCompoundFile.octets(["WordDocument", "Macros", "VBA"]), [.macros]),
        (SampleCompoundFile.octets(["\u{1}Ole10Native"]), [.embeddedObjects]),
        (SampleCompoundFile.octets(["EncryptedPackage"]), [.encrypted]),
        (Array("%PDF-1.4 /OpenAction /JavaScript".utf8), [.activePDF]),
        (Array("%PDF-1.4 /Encrypt 1 0 R /EmbeddedFile".utf8), [.encrypted, .filesInPDF]),
        (Array("{\\rtf1\\objdata 00}".utf8), [.embeddedObjects]),
        (Array("<html><script>x</script><form>".utf8), [.scriptInHTML, .formInHTML]),
    ]

    @Test(arguments: insides)
    func `what is in a file is seen from outside`(octets: [UInt8], seen: Set<AttachedFile.Observation>) {
        var inspector = AttachmentInspector(octets, limits: ContentLimits())
        inspector.inspect()
        #expect(inspector.observations == seen)
    }

    static let names: [(name: String, ending: String, seen: Set<FileName.Observation>)] = [
        ("a.txt", "txt", []), ("report.v2.pdf", "pdf", []), ("a", "", []), ("a.EXE", "exe", [.dangerous]),
        ("a.pdf.exe", "exe", [.dangerous, .doubleExtension]),
        ("a.pdf.zip", "zip", [.doubleExtension]), ("a.tar.gz", "gz", []),
        ("a\u{202E}fdp.exe", "exe", [.dangerous, .bidirectionalControl]),
        ("a.exe.", "exe", [.dangerous, .trailingDots]), ("a.exe  ", "exe", [.dangerous, .trailingDots]),
        ("a.pdf              .scr", "scr", [.dangerous, .doubleExtension, .padding]),
        ("../../a.txt", "txt", [.path]), ("C:\\x\\a.bat", "bat", [.dangerous, .path]), ("a\0.txt", "txt", [.controls]),
        ("a\u{200B}.txt", "txt", [.invisibleCharacters]),
        (String(repeating: "a", count: 300) + ".txt", "txt", [.veryLong]), ("", "", []), ("...", "", [.trailingDots]),
    ]

    @Test(arguments: names)
    func `a name says what it hides`(name: String, ending: String, seen: Set<FileName.Observation>) {
        let name = FileName(name)
        #expect(name.fileExtension == ending)
        #expect(name.observations == seen)
    }

    @Test(
        arguments: [
            ("application/pdf", "a.pdf", "%PDF-1.4", []),
            ("application/pdf", "a.pdf", "#!/bin/sh", [.nameMismatch, .typeMismatch, .program]),
            ("image/png", "a.png", "<html><body>", [.nameMismatch, .typeMismatch]),
            ("application/octet-stream", "a.txt", "text", []),
            ("text/plain", "a.txt", "GIF89a", [.nameMismatch, .typeMismatch]),
            ("application/octet-stream", "a.docx", "hello", [.nameMismatch]),
        ] as [(String, String, String, Set<AttachedFile.Observation>)])
    func `name and type are held against the content`(
        type: String, name: String, content: String, seen: Set<AttachedFile.Observation>
    ) throws {
        let text = "Content-Type: \(type)\r\nContent-Disposition: attachment; filename=\"\(name)\"\r\n\r\n\(content)"
        let message = try Message(parsing: Bytes(Array(text.utf8)))
        let attachment = try #require(MessageContent(of: message).attachments.first)
        #expect(attachment.observations == seen)
        #expect(attachment.declaredType == type)
        #expect(attachment.name?.text == name)
    }
}

import MailTypes

/// What a file is, by its octets.
public enum FileType: String, Sendable, Hashable, CaseIterable {
    case empty, unknown, text, html, xml, svg, rtf, pdf, postScript = "postscript", calendar, contact, mail
    // Programs.
    case windowsProgram = "windows-program", elf, machO = "mach-o", javaClass = "java-class", dalvik, webAssembly =
        "wasm"
    case script, shortcut, registry, compiledHelp = "chm", flash
    // Documents of Office: the compound files of old, and the zips of today.
    case compoundFile = "compound-file", word, excel, powerPoint = "powerpoint", outlook, installer
    case officeWord = "ooxml-word", officeExcel = "ooxml-excel", officePowerPoint = "ooxml-powerpoint"
    case openDocument = "opendocument", oneNote = "onenote", encryptedOffice = "encrypted-office"
    // Archives and images of disks.
    case zip, jar, androidPackage = "apk", rar, sevenZip = "7z", gzip, bzip2, xz, zstandard = "zstd", compress, tar, cab
    case ace, arj, lha, xar, deb, rpm, iso, virtualDisk = "virtual-disk", tnef
    // Pictures, sound, film.
    case png, jpeg, gif, webP = "webp", tiff, bmp, icon, photoshop, heif, wave, mp3, ogg, flac, mp4, avi, matroska
    case pgp, certificate, font, database

    public enum Category: String, Sendable, Hashable {
        case program, document, archive, image, media, markup, text, message, other
    }

    public var category: Category {
        switch self {
        case .windowsProgram, .elf, .machO, .javaClass, .dalvik, .webAssembly, .script, .shortcut, .registry,
            .compiledHelp, .flash, .installer, .jar, .androidPackage, .deb, .rpm:
            .program
        case .pdf, .postScript, .rtf, .compoundFile, .word, .excel, .powerPoint, .officeWord, .officeExcel,
            .officePowerPoint, .openDocument, .oneNote, .encryptedOffice, .database:
            .document
        case .zip, .rar, .sevenZip, .gzip, .bzip2, .xz, .zstandard, .compress, .tar, .cab, .ace, .arj, .lha, .xar,
            .iso, .virtualDisk, .tnef:
            .archive
        case .png, .jpeg, .gif, .webP, .tiff, .bmp, .icon, .photoshop, .heif: .image
        case .wave, .mp3, .ogg, .flac, .mp4, .avi, .matroska: .media
        case .html, .xml, .svg: .markup
        case .text: .text
        case .calendar, .contact, .mail, .outlook: .message
        case .empty, .unknown, .pgp, .certificate, .font: .other
        }
    }
}

/// Signatures of files: which octets stand where.
enum FileSignatures {
    private typealias Signature = (offset: Int, octets: [UInt8], type: FileType)

    private static let table: [Signature] = [
        (0, [0x7F, 0x45, 0x4C, 0x46], .elf), (0, [0xFE, 0xED, 0xFA, 0xCE], .machO),
        (0, [0xFE, 0xED, 0xFA, 0xCF], .machO),
        (0, [0xCE, 0xFA, 0xED, 0xFE], .machO), (0, [0xCF, 0xFA, 0xED, 0xFE], .machO), (0, text("dex\n"), .dalvik),
        (0, [0x00, 0x61, 0x73, 0x6D], .webAssembly), (0, [0x4C, 0, 0, 0, 0x01, 0x14, 0x02, 0], .shortcut),
        (0, text("ITSF"), .compiledHelp), (0, text("FWS"), .flash), (0, text("CWS"), .flash), (0, text("ZWS"), .flash),
        (0, [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], .compoundFile), (0, text("%!PS"), .postScript),
        (0, text("{\\rt"), .rtf), (0, [0xE4, 0x52, 0x5C, 0x7B, 0x8C, 0xD8, 0xA7, 0x4D], .oneNote),
        (0, text("PK\u{3}\u{4}"), .zip), (0, text("PK\u{5}\u{6}"), .zip), (0, text("Rar!\u{1A}\u{7}"), .rar),
        (0, [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], .sevenZip), (0, [0x1F, 0x8B], .gzip), (0, text("BZh"), .bzip2),
        (0, [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], .xz), (0, [0x28, 0xB5, 0x2F, 0xFD], .zstandard),
        (0, [0x1F, 0x9D], .compress), (257, text("ustar"), .tar), (0, text("MSCF"), .cab), (0, text("ISc("), .cab),
        (7, text("**ACE**"), .ace), (0, [0x60, 0xEA], .arj), (2, text("-lh"), .lha), (2, text("-lz"), .lha),
        (0, text("xar!"), .xar), (0, text("!<arch>\ndebian"), .deb), (0, [0xED, 0xAB, 0xEE, 0xDB], .rpm),
        (32769, text("CD001"), .iso), (34817, text("CD001"), .iso), (0, text("vhdxfile"), .virtualDisk),
        (0, text("conectix"), .virtualDisk), (0, text("KDMV"), .virtualDisk), (0, text("QFI"), .virtualDisk),
        (0, [0x78, 0x9F, 0x3E, 0x22], .tnef), (0, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], .png),
        (0, [0xFF, 0xD8, 0xFF], .jpeg), (0, text("GIF8"), .gif), (8, text("WEBP"), .webP), (0, text("II*\0"), .tiff),
        (0, text("MM\0*"), .tiff), (0, [0, 0, 1, 0], .icon), (0, text("8BPS"), .photoshop), (4, text("ftyphei"), .heif),
        (4, text("ftypavif"), .heif), (4, text("ftyp"), .mp4), (8, text("WAVE"), .wave), (8, text("AVI "), .avi),
        (0, text("ID3"), .mp3), (0, [0xFF, 0xFB], .mp3), (0, text("OggS"), .ogg), (0, text("fLaC"), .flac),
        (0, [0x1A, 0x45, 0xDF, 0xA3], .matroska), (0, text("-----BEGIN PGP"), .pgp),
        (0, text("-----BEGIN CERT"), .certificate), (0, text("OTTO"), .font), (0, text("wOF"), .font),
        (0, text("SQLite format 3"), .database), (4, text("Standard Jet DB"), .database),
        (4, text("Standard ACE DB"), .database), (0, text("REGEDIT4"), .registry),
        (0, text("Windows Registry Editor"), .registry), (0, text("BEGIN:VCALENDAR"), .calendar),
        (0, text("BEGIN:VCARD"), .contact),
    ]

    private static func text(_ text: StaticString) -> [UInt8] { text.withUTF8Buffer { Array($0) } }

    /// How far the beginning of a text is looked at.
    private static let window = 4096

    /// The type by the first octets; what is inside of zips and compound files is found elsewhere.
    static func type(of octets: [UInt8]) -> FileType {
        guard !octets.isEmpty else { return .empty }
        if octets.starts(with: [0x4D, 0x5A]), octets.count >= 64 { return .windowsProgram }
        if octets.starts(with: [0xCA, 0xFE, 0xBA, 0xBE]), octets.count > 8 {
            // Both begin alike; a count of architectures is small, a version of classes is not.
            return octets[6] == 0 && octets[7] < 40 ? .machO : .javaClass
        }
        for (offset, wanted, type) in table where octets.count >= offset + wanted.count {
            if octets[offset..<offset + wanted.count].elementsEqual(wanted) { return type }
        }
        if octets.starts(with: [0x42, 0x4D]), octets.count > 26, octets[6] == 0, octets[7] == 0 { return .bmp }
        // Readers of PDF look for the mark in the first thousand octets.
        if contains("%PDF-", in: octets.prefix(1024)) { return .pdf }
        return textType(Array(octets.prefix(window)))
    }

    private static func contains(_ text: StaticString, in octets: ArraySlice<UInt8>) -> Bool {
        octets.firstRange(ofASCII: text) != nil
    }

    private static let htmlMarks: [StaticString] = [
        "<!doctype html", "<html", "<head", "<body", "<script", "<iframe", "<meta ", "<title", "<table", "<a href",
    ]

    private static func textType(_ window: [UInt8]) -> FileType {
        var window = window
        if window.starts(with: [0xEF, 0xBB, 0xBF]) { window.removeFirst(3) }
        if window.starts(with: [0xFF, 0xFE]) || window.starts(with: [0xFE, 0xFF]) {
            window = window.filter { $0 != 0 && $0 < 0xFE }
        }
        guard !window.contains(0) else { return .unknown }
        let start = window.drop(while: \.isHTMLSpace)
        if start.starts(with: "#!".utf8) { return .script }
        let lowered = start.map(\.asciiLowercased)[...]
        if lowered.starts(with: "<?xml".utf8) {
            if contains("<svg", in: lowered) { return .svg }
            return contains("<html", in: lowered) ? .html : .xml
        }
        if lowered.starts(with: "<svg".utf8) { return .svg }
        if htmlMarks.contains(where: { contains($0, in: lowered.prefix(1024)) }) { return .html }
        if lowered.starts(with: "[internetshortcut]".utf8) { return .shortcut }
        if lowered.starts(with: "received:".utf8) || lowered.starts(with: "return-path:".utf8) { return .mail }
        let controls = window.count { $0 < 0x20 && !$0.isHTMLSpace && $0 != 0x1B }
        return controls * 50 > window.count ? .unknown : .text
    }
}

extension ArraySlice<UInt8> {
    /// Where that text is first.
    func firstRange(ofASCII text: StaticString) -> Int? {
        text.withUTF8Buffer { wanted in
            guard let first = wanted.first, count >= wanted.count else { return nil }
            var place = startIndex
            while place <= endIndex - wanted.count {
                if self[place] == first, self[place..<place + wanted.count].elementsEqual(wanted) { return place }
                place += 1
            }
            return nil
        }
    }
}

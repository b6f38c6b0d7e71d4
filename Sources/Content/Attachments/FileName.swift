import MailTypes

/// What the name of a file says, and how it lies. The name is a stranger's; it is never a path.
public struct FileName: Sendable, Hashable {
    public enum Observation: String, Sendable, Hashable, CaseIterable {
        /// `invoice.pdf.exe`.
        case doubleExtension = "double-extension"
        /// A character that turns the direction of writing: `fdp.exe` is shown as `exe.pdf`.
        case bidirectionalControl = "bidirectional-control"
        case invisibleCharacters = "invisible-characters"
        /// Dots or blanks at the end, which Windows drops.
        case trailingDots = "trailing-dots"
        /// So many blanks that the ending is out of sight.
        case padding
        case veryLong = "very-long"
        case controls
        /// A path of directories, or one that leaves them.
        case path
        /// An ending that Windows runs when it is clicked.
        case dangerous
    }

    public let text: String
    /// The last ending in lower case, without dots and blanks behind it; empty if there is none.
    public let fileExtension: String
    public let observations: Set<Observation>

    public init(_ text: String, limits: ContentLimits = ContentLimits()) {
        self.text = text
        var observations: Set<Observation> = []
        var octets = Array(text.utf8.prefix(limits.maxURIOctets))
        if text.utf8.count > limits.longFileName { observations.insert(.veryLong) }
        for scalar in text.unicodeScalars.prefix(limits.maxURIOctets) {
            if Homoglyphs.isBidirectionalControl(scalar.value) {
                observations.insert(.bidirectionalControl)
            } else if Homoglyphs.isInvisible(scalar.value) {
                observations.insert(.invisibleCharacters)
            }
        }
        if octets.contains(where: { $0 < 0x20 || $0 == 0x7F }) { observations.insert(.controls) }
        if let slash = octets.lastIndex(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }) {
            observations.insert(.path)
            octets.removeSubrange(...slash)
        }
        let before = octets.count
        while let last = octets.last, last == 0x2E || last == 0x20 { octets.removeLast() }
        if octets.count < before { observations.insert(.trailingDots) }
        if octets[...].firstRange(ofASCII: "          ") != nil { observations.insert(.padding) }
        let pieces = octets.split(separator: 0x2E, omittingEmptySubsequences: false)
        fileExtension = pieces.count > 1 ? Self.lowered(pieces[pieces.count - 1]) : ""
        if Self.dangerous.contains(fileExtension) { observations.insert(.dangerous) }
        if pieces.count > 2, Self.dangerous.contains(fileExtension) || Self.archives.contains(fileExtension) {
            let inner = Self.lowered(pieces[pieces.count - 2])
            if Self.harmless.contains(inner) { observations.insert(.doubleExtension) }
        }
        self.observations = observations
    }

    private static func lowered(_ octets: ArraySlice<UInt8>) -> String {
        let plain = octets.filter { $0 > 0x20 }.prefix(32)
        return String(decoding: plain.map(\.asciiLowercased), as: UTF8.self)
    }

    /// What Windows or its programs run.
    static let dangerous = words(
        """
        ade adp apk app application appref-ms appx appxbundle asp aspx bas bat chm cmd com cpl crt cer der diagcab \
        dll drv exe fxp gadget grp hlp hpj hta htc inf ins iqy isp its jar jnlp jse js ksh lnk mad maf mag mam maq \
        mar mas mat mau mav maw mcf mda mdb mde mdt mdw mdz mht mhtml msc msh msh1 msh2 msi msix msp mst msu ops \
        osd pcd pif pl plg prf prg printerexport ps1 ps1xml ps2 psc1 psc2 psd1 psm1 psdm1 pst py pyc pyo pyw pyz \
        reg scf scr sct search-ms settingcontent-ms shb shs slk sys terminal theme tmp url vb vbe vbp vbs vhd vhdx \
        vsmacros vsw vxd wbk webpnp website ws wsb wsc wsf wsh xbap xll xnk iso img one onepkg library-ms sh \
        command action workflow
        """)
    private static let archives = words("zip rar 7z gz bz2 xz tar cab ace arj lzh iso img r00 z")
    private static let harmless = words(
        "pdf doc docx xls xlsx ppt pptx txt rtf csv jpg jpeg png gif bmp tif tiff mp3 mp4 avi wav html htm xml odt ods")

    private static func words(_ text: String) -> Set<String> { Set(text.split(separator: " ").map(String.init)) }

    /// The types that a file with this ending may have; `nil` if nothing is known of it.
    var expectedTypes: Set<FileType>? { Self.expected[fileExtension] }

    private static let expected: [String: Set<FileType>] = [
        "pdf": [.pdf], "doc": [.word, .compoundFile, .rtf, .officeWord, .encryptedOffice],
        "dot": [.word, .compoundFile], "docx": [.officeWord, .encryptedOffice],
        "docm": [.officeWord, .encryptedOffice],
        "dotm": [.officeWord], "xls": [.excel, .compoundFile, .officeExcel, .encryptedOffice],
        "xlsx": [.officeExcel, .encryptedOffice], "xlsm": [.officeExcel, .encryptedOffice],
        "xlsb": [.officeExcel, .encryptedOffice], "ppt": [.powerPoint, .compoundFile, .encryptedOffice],
        "pptx": [.officePowerPoint, .encryptedOffice], "pptm": [.officePowerPoint, .encryptedOffice],
        "rtf": [.rtf], "odt": [.openDocument], "ods": [.openDocument], "odp": [.openDocument], "one": [.oneNote],
        "jpg": [.jpeg], "jpeg": [.jpeg], "png": [.png], "gif": [.gif], "webp": [.webP], "bmp": [.bmp], "tif": [.tiff],
        "tiff": [.tiff], "svg": [.svg],
        "zip": [.zip, .jar, .officeWord, .officeExcel, .officePowerPoint, .openDocument],
        "rar": [.rar], "7z": [.sevenZip], "gz": [.gzip], "tgz": [.gzip], "bz2": [.bzip2], "xz": [.xz], "tar": [.tar],
        "cab": [.cab], "iso": [.iso], "exe": [.windowsProgram], "dll": [.windowsProgram], "scr": [.windowsProgram],
        "lnk": [.shortcut], "jar": [.jar, .zip], "apk": [.androidPackage, .zip, .jar],
        "msi": [.installer, .compoundFile],
        "msg": [.outlook, .compoundFile], "eml": [.mail, .text], "ics": [.calendar], "vcf": [.contact],
        "htm": [.html, .text, .xml], "html": [.html, .text, .xml], "txt": [.text, .empty], "csv": [.text, .empty],
        "mp3": [.mp3, .unknown], "mp4": [.mp4], "wav": [.wave],
    ]
}

import MailTypes

/// The names of storages and streams of an OLE compound file. MS-CFB.
struct CompoundFile {
    private(set) var names: Set<String> = []
    private(set) var isDamaged = false

    private static let endOfChain = 0xFFFF_FFFE
    private static let entrySize = 128

    init(_ octets: [UInt8], limits: ContentLimits) {
        let reader = OctetReader(octets)
        guard let shift = reader.short(30), shift == 9 || shift == 12, let first = reader.long(48) else {
            isDamaged = true
            return
        }
        let size = 1 << shift
        let table = Self.table(reader, size, limits)
        var sector = first
        var steps = 0
        while sector < Self.endOfChain {
            guard steps * (size / Self.entrySize) < limits.maxArchiveMembers else {
                isDamaged = true
                return
            }
            steps += 1
            let start = (sector + 1) * size
            for entry in stride(from: start, to: start + size, by: Self.entrySize) {
                if let name = Self.name(reader, at: entry) { names.insert(name) }
            }
            // The chain of sectors is in the table; without it the next one is a guess that is mostly right.
            guard let next = table[sector] else {
                isDamaged = true
                return
            }
            sector = next
        }
    }

    /// The allocation table, as far as the header says where it is.
    private static func table(_ reader: OctetReader, _ size: Int, _ limits: ContentLimits) -> [Int: Int] {
        var table: [Int: Int] = [:]
        for slot in 0..<109 {
            guard let sector = reader.long(76 + slot * 4), sector < endOfChain, table.count < 1 << 16 else { break }
            let start = (sector + 1) * size
            for entry in 0..<size / 4 {
                guard let next = reader.long(start + entry * 4) else { break }
                if next != 0xFFFF_FFFF { table[slot * (size / 4) + entry] = next }
            }
        }
        return table
    }

    private static func name(_ reader: OctetReader, at entry: Int) -> String? {
        guard let length = reader.short(entry + 64), 2...64 ~= length, entry + entrySize <= reader.count,
            reader.octets[entry + 66] != 0
        else { return nil }
        var units: [UInt16] = []
        for place in 0..<(length / 2 - 1) { units.append(UInt16(reader.short(entry + place * 2) ?? 0)) }
        return String(decoding: units, as: UTF16.self)
    }

    /// What kind of file it is.
    var type: FileType {
        if names.contains("EncryptedPackage") { return .encryptedOffice }
        if names.contains("WordDocument") { return .word }
        if names.contains("Workbook") || names.contains("Book") { return .excel }
        if names.contains("PowerPoint Document") { return .powerPoint }
        if names.contains("__properties_version1.0") { return .outlook }
        // The names of an installer's tables are packed into one character for two.
        if names.contains(where: { $0.unicodeScalars.first.map { 0x3800...0x4840 ~= $0.value } ?? false }) {
            return .installer
        }
        return .compoundFile
    }

    var hasMacros: Bool {
        names.contains("_VBA_PROJECT") || names.contains("VBA") || names.contains("_VBA_PROJECT_CUR")
    }

    var hasEmbeddedObjects: Bool {
        names.contains("\u{1}Ole10Native") || names.contains("ObjectPool") || names.contains("Equation Native")
    }
}

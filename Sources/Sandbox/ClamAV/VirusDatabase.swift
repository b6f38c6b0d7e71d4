public import Foundation

/// One file of virus signatures.
public struct VirusDatabase: Sendable, Hashable, Codable {
    /// `daily.cvd`
    public var name: String
    /// What its header says: which version, how many signatures, and when it was made. A file of one's own has none.
    public var version: Int?
    public var signatures: Int?
    public var built: Date?
    /// When the file was written, and its size: a change of either is a new database.
    public var written: Date
    public var size: Int

    /// Endings of the files that libclamav loads.
    private static let endings: Set = [
        "cat", "cbc", "cdb", "cfg", "cld", "crb", "crtdb", "cud", "cvd", "fp", "ftm", "gdb", "hdb", "hdu", "hsb", "hsu",
        "idb", "ign", "ign2", "imp", "info", "ioc", "ldb", "ldu", "mdb", "mdu", "msb", "msu", "ndb", "ndu", "pdb",
        "pwdb",
        "sdb", "sfp", "sfpv", "wdb", "yar", "yara", "zmd", "rmd",
    ]
    /// The header of a database that is signed.
    private static let headerSize = 512

    /// The databases in that folder, by name, or the one file; none if there is nothing.
    public static func all(in path: String) -> [VirusDatabase] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return [] }
        guard isFolder.boolValue else { return [VirusDatabase(path)].compactMap(\.self) }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.sorted().filter { endings.contains(($0 as NSString).pathExtension.lowercased()) }
            .compactMap { VirusDatabase("\(path)/\($0)") }
    }

    private init?(_ path: String) {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
            attributes[.type] as? FileAttributeType == .typeRegular
                || attributes[.type] as? FileAttributeType
                    == .typeSymbolicLink,
            let size = attributes[.size] as? Int, let written = attributes[.modificationDate] as? Date
        else { return nil }
        name = (path as NSString).lastPathComponent
        (self.size, self.written) = (size, written)
        guard let file = FileHandle(forReadingAtPath: path) else { return }
        defer { try? file.close() }
        readHeader((try? file.read(upToCount: Self.headerSize)) ?? Data())
    }

    /// `ClamAV-VDB:14 Nov 2026 09-28 -0400:27500:2069371:90:…:builder:1731590920`
    private mutating func readHeader(_ header: Data) {
        let fields = String(decoding: header, as: UTF8.self).split(separator: ":", omittingEmptySubsequences: false)
        guard fields.count > 8, fields[0] == "ClamAV-VDB" else { return }
        version = Int(fields[2])
        signatures = Int(fields[3])
        built = Double(fields[8].prefix { $0.isNumber }).map { Date(timeIntervalSince1970: $0) }
    }
}

extension [VirusDatabase] {
    /// The versions in a few words: `daily 27500, main 62`.
    var versions: String {
        compactMap { file in file.version.map { "\((file.name as NSString).deletingPathExtension) \($0)" } }
            .joined(separator: ", ")
    }
}

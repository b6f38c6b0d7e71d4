import Foundation

/// Test material of others, which is not in the repository: the folder that SLUICE_SUITES names, else
/// `../shared/suites` beside the package.
enum Suites {
    static let root: URL = {
        if let path = ProcessInfo.processInfo.environment["SLUICE_SUITES"] { return URL(fileURLWithPath: path) }
        return package.deletingLastPathComponent().appendingPathComponent("shared/suites")
    }()

    static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func path(_ name: String) -> String { root.appendingPathComponent(name).path }

    static func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    /// All files below a folder but descriptions and expectations, in a stable order.
    static func messages(_ name: String) -> [(name: String, octets: [UInt8])] {
        files(in: root.appendingPathComponent(name))
    }

    static func files(in folder: URL) -> [(name: String, octets: [UInt8])] {
        guard let files = FileManager.default.enumerator(atPath: folder.path) else { return [] }
        let paths = files.compactMap { $0 as? String }.sorted()
        return paths.compactMap { path in
            guard !path.hasSuffix(".json"), !path.hasSuffix(".md"),
                let data = FileManager.default.contents(atPath: folder.appendingPathComponent(path).path)
            else { return nil }
            return (path, Array(data))
        }
    }
}

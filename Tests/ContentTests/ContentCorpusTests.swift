import Content
import Foundation
import MailTypes
import Testing

/// Test material of others, which is not in the repository: the folder that SLUICE_SUITES names, else
/// `../shared/suites` beside the package.
enum ContentSuites {
    static let root: URL = {
        if let path = ProcessInfo.processInfo.environment["SLUICE_SUITES"] { return URL(fileURLWithPath: path) }
        return package.deletingLastPathComponent().appendingPathComponent("shared/suites")
    }()

    static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static func has(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(name).path)
    }

    static func files(in folder: URL) -> [(name: String, octets: [UInt8])] {
        guard let files = FileManager.default.enumerator(atPath: folder.path) else { return [] }
        return files.compactMap { $0 as? String }.sorted().compactMap { path in
            guard !path.hasSuffix(".json"), !path.hasSuffix(".md"),
                let data = FileManager.default.contents(atPath: folder.appendingPathComponent(path).path)
            else { return nil }
            return (path, Array(data))
        }
    }
}

@Suite struct ContentCorpusTests {
    @Test(.enabled(if: ContentSuites.has("mime"), "the mime suite is not here"))
    func `every message of the mime suite has a content`() {
        let messages = ContentSuites.files(in: ContentSuites.root.appendingPathComponent("mime"))
        #expect(messages.count > 150)
        var texts = 0
        for (name, octets) in messages {
            guard let message = try? Message(parsing: Bytes(octets)) else { continue }
            let content = MessageContent(of: message)
            texts += content.texts.count
            ContentInvariants.check(content, "\(name)")
        }
        #expect(texts > 150)
    }

    @Test func `the seeds of the fuzzers break nothing`() {
        for folder in ["HTMLFuzz", "URIFuzz", "MIMEFuzz", "MessageFuzz"] {
            let seeds = ContentSuites.files(in: ContentSuites.package.appendingPathComponent("Fuzz/seeds/\(folder)"))
            #expect(!seeds.isEmpty, "\(folder)")
            for (name, octets) in seeds { ContentInvariants.check(octets, limits: ContentLimits(), "\(name)") }
        }
    }
}

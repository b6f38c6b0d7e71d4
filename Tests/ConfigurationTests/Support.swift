import Configuration
import Foundation
import MailTypes

/// The files of this repository that tests read.
enum Repository {
    static let tests = URL(filePath: #filePath).deletingLastPathComponent()
    static let root = tests.deletingLastPathComponent().deletingLastPathComponent()
    static let sample = root.appending(path: "samples/sluice.toml")
    static let documentation = root.appending(path: "docs/operations.md")
}

/// A folder of one test, gone with it.
final class TemporaryFolder {
    let url: URL
    var path: String { url.path(percentEncoded: false) }

    init() throws {
        url = URL(filePath: NSTemporaryDirectory()).appending(path: "sluice-configuration-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    func write(_ text: String, to name: String) throws {
        let file = url.appending(path: name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}

/// A stage's values, as stages write them.
struct GreylistValues: Decodable, Sendable {
    enum Mode: String, Decodable, CaseIterable {
        case triplet, pair
    }

    struct Prefix: Decodable {
        let value: Int

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            value = try container.decode(Int.self)
            guard (0...32).contains(value) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "\(value) is out of range: from 0 to 32")
            }
        }

        init(_ value: Int) { self.value = value }
    }

    var delay: Interval = "5m"
    var window: Interval = "12h"
    var mode = Mode.triplet
    var ipv4Prefix = Prefix(24)
    var exempt: [Network] = []
    var size: ByteCount = "1MB"

    private enum CodingKeys: String, CodingKey {
        case delay, window, mode, exempt, size
        case ipv4Prefix = "ipv4_prefix"
    }

    init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        delay = table.value(.delay, default: delay)
        window = table.value(.window, default: window)
        mode = table.value(.mode, default: mode)
        ipv4Prefix = table.value(.ipv4Prefix, default: ipv4Prefix)
        exempt = table.value(.exempt, default: exempt)
        size = table.value(.size, default: size)
        guard window.seconds > delay.seconds else {
            throw DecodingError.dataCorruptedError(
                forKey: .window, in: table, debugDescription: "must be longer than delay (\(delay))")
        }
    }
}

extension KeyedDecodingContainer {
    /// As stages read their options: the decoder has noted what is wrong.
    func value<Value: Decodable>(_ key: Key, default standard: Value) -> Value {
        (try? decodeIfPresent(Value.self, forKey: key)) ?? standard
    }
}

import Adapters
import Foundation
import Scoring
import Testing

@testable import Sandbox

/// Compiled patterns that are kept for the next process.
@Suite struct PatternCacheTests {
    /// A folder for the test.
    private final class Place {
        let path = NSTemporaryDirectory() + "patterns-\(UUID().uuidString)"
        var folder: String { path + "/patterns" }
        var cache: PatternCache { PatternCache(folder: folder, cryptography: LibcryptoSignatures()) }

        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted() }

        /// The only file.
        func file() throws -> String {
            try #require(files.count == 1)
            return folder + "/" + files[0]
        }

        func octets() throws -> [UInt8] { Array(try #require(FileManager.default.contents(atPath: try file()))) }

        func write(_ octets: [UInt8], to file: String) {
            let isWritten = FileManager.default.createFile(
                atPath: file, contents: Data(octets), attributes: [.posixPermissions: 0o600])
            #expect(isWritten)
        }

        func setAge(_ seconds: Double, of file: String) throws {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -seconds)], ofItemAtPath: file)
        }
    }

    private let rules = PatternTests.rules(["one", "(?i)two"])

    /// The patterns that match.
    private func found(_ image: PatternImage, in text: String) throws -> [Int] {
        try LocalPatterns(image).match(PatternTests.texts([text])).map(\.pattern)
    }

    @Test func `patterns that were compiled once are not compiled again`() throws {
        let place = try Place()
        #expect(try found(PatternImage(rules, cache: place.cache), in: "TWO") == [1])
        let mode = try FileManager.default.attributesOfItem(atPath: place.file())[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let key = PatternImage.key(of: rules)
        #expect(place.cache.databases(of: key) == (try PatternImage.databases(of: rules)))
        // What is there is taken: here, what was made of other patterns.
        place.cache.keep(try PatternImage.databases(of: PatternTests.rules(["three", "four"])), of: key)
        #expect(try found(PatternImage(rules, cache: place.cache), in: "two four") == [1])
        #expect(try found(PatternImage(rules, cache: place.cache), in: "three") == [0])
    }

    @Test func `each thing that an image depends on makes another one`() {
        func key(_ patterns: [Pattern]) -> [UInt8] {
            PatternImage.key(
                of: RuleSet(
                    patterns.enumerated().map { Rule("R\($0)", points: 1, description: "", test: .pattern($1)) }))
        }
        let keys = [
            key([Pattern("a", in: .body), Pattern("b", in: .body)]),
            key([Pattern("b", in: .body), Pattern("a", in: .body)]),
            key([Pattern("a", in: .body), Pattern("b", in: .raw)]),
            key([Pattern("a", in: .uri), Pattern("b", in: .uri)]),
            key([Pattern("a", in: .body), Pattern("b", in: .body, atLeast: 2)]),
            key([Pattern("ab", in: .body)]), key([Pattern("a", in: .body)]), key([]),
        ]
        #expect(Set(keys).count == keys.count)
    }

    @Test func `a damaged file is not used, and made anew`() throws {
        let place = try Place()
        _ = try PatternImage(rules, cache: place.cache)
        let whole = try place.octets()
        let (file, key) = (try place.file(), PatternImage.key(of: rules))
        var damages: [[UInt8]] = [[], Array(whole.prefix(10)), Array(whole.dropLast()), whole + [0]]
        for part in [0, 31, 32, 40, whole.count / 2, whole.count - 1] {
            var damaged = whole
            damaged[part] ^= 1
            damages.append(damaged)
        }
        for damaged in damages {
            place.write(damaged, to: file)
            #expect(place.cache.databases(of: key) == nil)
            #expect(try found(PatternImage(rules, cache: place.cache), in: "two") == [1])
            #expect(try place.octets() == whole)
        }
    }

    @Test func `an image under another's name is not used`() throws {
        let place = try Place()
        let other = PatternTests.rules(["other"])
        _ = try PatternImage(rules, cache: place.cache)
        let file = try place.file()
        try FileManager.default.removeItem(atPath: file)
        _ = try PatternImage(other, cache: place.cache)
        try FileManager.default.moveItem(atPath: place.file(), toPath: file)
        #expect(place.cache.databases(of: PatternImage.key(of: rules)) == nil)
    }

    /// Whole as to its digest, but nothing of Vectorscan's.
    @Test func `what Vectorscan refuses is made anew`() throws {
        let place = try Place()
        let key = PatternImage.key(of: rules)
        for wrong: [[UInt8]] in [[], [[]], [[1, 2, 3]], [Array(repeating: 0xDB, count: 500)]] {
            place.cache.keep(wrong, of: key)
            #expect(try found(PatternImage(rules, cache: place.cache), in: "one") == [0])
        }
        var ofAnotherVersion = try PatternImage.databases(of: rules)
        ofAnotherVersion[0][4] ^= 1
        place.cache.keep(ofAnotherVersion, of: key)
        #expect(try found(PatternImage(rules, cache: place.cache), in: "one") == [0])
        #expect(place.cache.databases(of: key) == (try PatternImage.databases(of: rules)))
    }

    @Test func `a file that others may write to is not used`() throws {
        let place = try Place()
        let (cache, key) = (place.cache, PatternImage.key(of: rules))
        _ = try PatternImage(rules, cache: cache)
        let file = try place.file()
        for (path, mode) in [(file, mode_t(0o620)), (file, 0o602), (place.folder, 0o770), (place.folder, 0o707)] {
            #expect(cache.databases(of: key) != nil)
            #expect(chmod(path, mode) == 0)
            #expect(cache.databases(of: key) == nil, "\(path) \(mode)")
            #expect(chmod(path, path == file ? 0o600 : 0o700) == 0)
        }
        #expect(chmod(place.folder, 0o770) == 0)
        // Nothing is kept there either.
        #expect(unlink(file) == 0)
        #expect(try found(PatternImage(rules, cache: cache), in: "one") == [0])
        #expect(place.files == [])
    }

    /// Only root can give files to others.
    @Test(.enabled(if: geteuid() == 0)) func `a file or folder of somebody else is not used`() throws {
        let place = try Place()
        let (cache, key) = (place.cache, PatternImage.key(of: rules))
        _ = try PatternImage(rules, cache: cache)
        let file = try place.file()
        for path in [file, place.folder] {
            #expect(chown(path, 4321, 4321) == 0)
            #expect(cache.databases(of: key) == nil)
            #expect(chown(path, 0, 0) == 0)
            #expect(cache.databases(of: key) != nil)
        }
        #expect(chown(place.folder, 4321, 4321) == 0 && unlink(file) == 0)
        #expect(try found(PatternImage(rules, cache: cache), in: "one") == [0])
        #expect(place.files == [])
    }

    @Test func `what is no file, or too large, is not used`() throws {
        let place = try Place()
        let (cache, key) = (place.cache, PatternImage.key(of: rules))
        _ = try PatternImage(rules, cache: cache)
        let file = try place.file()
        #expect(rename(file, place.path + "/moved") == 0 && symlink(place.path + "/moved", file) == 0)
        #expect(cache.databases(of: key) == nil)
        #expect(unlink(file) == 0 && mkfifo(file, 0o600) == 0)
        #expect(cache.databases(of: key) == nil)
        #expect(unlink(file) == 0 && mkdir(file, 0o700) == 0)
        #expect(try found(PatternImage(rules, cache: cache), in: "one") == [0])
        #expect(rmdir(file) == 0 && rename(place.path + "/moved", file) == 0)
        #expect(cache.databases(of: key) != nil)
        #expect(truncate(file, off_t(PatternCache.mostOctets + 1)) == 0)
        #expect(cache.databases(of: key) == nil)
    }

    @Test func `where there can be no files, there is no cache and no error`() throws {
        let place = try Place()
        place.write([], to: place.path + "/file")
        for folder in [place.path + "/missing/patterns", place.path + "/file", place.path + "/file/patterns"] {
            let cache = PatternCache(folder: folder, cryptography: LibcryptoSignatures())
            #expect(try found(PatternImage(rules, cache: cache), in: "one") == [0])
            #expect(cache.databases(of: PatternImage.key(of: rules)) == nil)
        }
        #expect(symlink(place.path, place.folder) == 0)
        #expect(try found(PatternImage(rules, cache: place.cache), in: "one") == [0])
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).sorted() == ["file", "patterns"])
    }

    @Test func `few images are kept, and none that was not finished`() throws {
        let place = try Place()
        let cache = place.cache
        var kept: [String] = []
        for number in 0..<PatternCache.mostFiles + 2 {
            let before = Set(place.files)
            cache.keep([[UInt8(number)]], of: [UInt8(number)])
            let new = try #require(Set(place.files).subtracting(before).first)
            try place.setAge(Double(100 - number), of: place.folder + "/" + new)
            kept.append(new)
        }
        #expect(place.files == kept.suffix(PatternCache.mostFiles).sorted())
        let (old, fresh) = (place.folder + "/old.image.new", place.folder + "/fresh.image.new")
        for file in [old, fresh] { place.write([1], to: file) }
        try place.setAge(Double(PatternCache.writingSeconds + 60), of: old)
        cache.keep([[9]], of: [0])
        #expect(!FileManager.default.fileExists(atPath: old) && FileManager.default.fileExists(atPath: fresh))
    }

    @Test func `one process at a time writes an image`() throws {
        let place = try Place()
        place.cache.keep([[1]], of: [1])
        let unfinished = try place.file() + ".new"
        place.write([1], to: unfinished)
        place.cache.keep([[2]], of: [1])
        #expect(place.cache.databases(of: [1]) == [[1]])
        // Whoever wrote it is gone.
        try place.setAge(Double(PatternCache.writingSeconds + 60), of: unfinished)
        place.cache.keep([[2]], of: [1])
        #expect(place.cache.databases(of: [1]) == [[2]])
    }
}

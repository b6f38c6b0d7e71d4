import CVectorscan
import Foundation
import MailTypes
public import Scoring

/// Patterns compiled by Vectorscan, one database for each view of a ``RuleSet``: what a worker is given.
///
/// The databases lie in memory that all workers share, as Vectorscan reads them: they have no pointers in them, and
/// what is in them begins at multiples of 64 octets, so that each may be mapped anywhere.
public struct PatternImage: Sendable {
    let shared: SharedImage
    /// Tells one image from any other.
    let number: UInt64

    /// How large it is, in octets.
    public var octetCount: Int { shared.octets.count }

    /// What is wrong with a pattern.
    public struct Problem: Sendable, Hashable {
        /// Its place in ``RuleSet/patterns``.
        public var pattern: Int
        public var message: String
    }

    public struct Failure: Error, CustomStringConvertible {
        public var problems: [Problem]
        /// Where no pattern is to blame.
        public var reason = "there is not enough memory for the patterns"
        public var description: String {
            problems.isEmpty ? reason : problems.map(\.message).joined(separator: "; ")
        }
    }

    /// Compiles the patterns of a rule set, which takes some seconds for some hundred, or takes what is kept of an
    /// earlier time.
    public init(_ rules: RuleSet, cache: PatternCache? = nil) throws(Failure) {
        let groups = Self.groups(of: rules)
        let key = cache.map { _ in Self.key(of: rules) }
        if let key, let known = cache?.databases(of: key), let image = try? Self(known, groups, isLocating: false) {
            self = image
            return
        }
        let problems = Self.problems(of: rules)
        guard problems.isEmpty else { throw Failure(problems: problems) }
        let databases = try Self.compiled(groups)
        self = try Self(databases, groups, isLocating: false)
        if let key { cache?.keep(databases, of: key) }
    }

    private static func groups(of rules: RuleSet) -> [PatternGroup] {
        rules.views.map { view in
            PatternGroup(rules.patterns.enumerated().filter { $1.view == view }.map { ($0, $1) })
        }
    }

    /// A database for each view, as Vectorscan writes them for files.
    static func databases(of rules: RuleSet) throws(Failure) -> [[UInt8]] { try compiled(groups(of: rules)) }

    /// Patterns each for itself, whose matches are told with their beginnings; a text's view is its pattern's place.
    ///
    /// That costs many times more than to tell their ends, for the compiler most of all.
    init(locating patterns: [Pattern]) throws(Failure) {
        let groups = patterns.enumerated().map { PatternGroup([($0, $1)], isLocating: true) }
        self = try Self(try Self.compiled(groups), groups, isLocating: true)
    }

    private init(_ databases: [[UInt8]], _ groups: [PatternGroup], isLocating: Bool) throws(Failure) {
        guard databases.count == groups.count, let layout = ImageLayout(databases) else { throw Failure(problems: []) }
        let patterns = groups.reduce(0) { $0 + $1.patterns.count }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: layout.size, alignment: ImageLayout.alignment)
        defer { memory.deallocate() }
        guard layout.write(databases, patterns: patterns, isLocating: isLocating, to: memory) else {
            throw Failure(problems: [])
        }
        do throws(SystemError) { shared = try SharedImage(UnsafeRawBufferPointer(memory)) } catch {
            throw Failure(problems: [], reason: "the patterns have no place: \(error)")
        }
        number = UInt64.random(in: 1 ... .max)
    }

    private static func compiled(_ groups: [PatternGroup]) throws(Failure) -> [[UInt8]] {
        var databases: [[UInt8]] = []
        for group in groups { databases.append(try PatternCompiler(group).serialized()) }
        return databases
    }

    /// What Vectorscan has against the patterns; it is asked about each for itself.
    public static func problems(of rules: RuleSet) -> [Problem] {
        rules.patterns.enumerated().compactMap { place, pattern in
            PatternCompiler.problem(of: pattern).map { Problem(pattern: place, message: $0) }
        }
    }

    /// Everything that a compiled image depends on: the patterns, how they are numbered, grouped and compiled, and for
    /// which processor by which Vectorscan. Of a view nothing else matters.
    static func key(of rules: RuleSet) -> [UInt8] {
        let groups = groups(of: rules)
        var platform = hs_platform_info_t()
        let hasPlatform = hs_populate_platform(&platform) == HS_SUCCESS
        var key = Array("image 1\0".utf8)
        key.append(text: hs_version().map { String(cString: $0) } ?? "")
        key.append(integer: hasPlatform ? 1 : 0)
        key.append(integer: UInt64(platform.tune))
        key.append(integer: platform.cpu_features)
        key.append(integer: UInt64(HS_MODE_BLOCK))
        key.append(integer: UInt64(groups.count))
        for group in groups {
            key.append(integer: UInt64(group.patterns.count))
            for (number, pattern) in group.patterns {
                key.append(integer: UInt64(number))
                key.append(integer: UInt64(PatternCompiler.flags(of: pattern, isLocating: group.isLocating)))
                key.append(text: pattern.expression)
            }
        }
        return key
    }
}

/// The patterns of one database, with the numbers by which it tells of them.
private struct PatternGroup {
    var patterns: [(number: Int, pattern: Pattern)]
    var isLocating = false

    init(_ patterns: [(number: Int, pattern: Pattern)], isLocating: Bool = false) {
        self.patterns = patterns
        self.isLocating = isLocating
    }
}

extension [UInt8] {
    fileprivate mutating func append(integer value: UInt64) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self += $0 }
    }

    fileprivate mutating func append(text: String) {
        append(integer: UInt64(text.utf8.count))
        self += text.utf8
    }
}

/// Where in an image the databases lie: behind a head of integers of eight octets, which are whether matches are told
/// with their beginnings, the number of patterns, that of databases, and each database's place and size.
private struct ImageLayout {
    /// Of Vectorscan's structures.
    static let alignment = 64
    static let headCount = 24
    static let entryCount = 16

    let places: [Range<Int>]
    let size: Int

    /// `nil`: one of them is no database.
    init?(_ databases: [[UInt8]]) {
        var places: [Range<Int>] = []
        var end = Self.headCount + databases.count * Self.entryCount
        for database in databases {
            var size = 0
            let code = database.withUnsafeBytes {
                hs_serialized_database_size($0.assumingMemoryBound(to: CChar.self).baseAddress, $0.count, &size)
            }
            guard code == HS_SUCCESS, size > 0 else { return nil }
            let start = (end + Self.alignment - 1) / Self.alignment * Self.alignment
            end = start + size
            places.append(start..<end)
        }
        self.places = places
        size = end
    }

    /// `false`: a database is damaged, or another platform's.
    func write(
        _ databases: [[UInt8]], patterns: Int, isLocating: Bool, to memory: UnsafeMutableRawBufferPointer
    ) -> Bool {
        var head: [UInt8] = []
        head.append(integer: isLocating ? 1 : 0)
        head.append(integer: UInt64(patterns))
        head.append(integer: UInt64(places.count))
        for place in places {
            head.append(integer: UInt64(place.lowerBound))
            head.append(integer: UInt64(place.count))
        }
        guard memory.count == size, let base = memory.baseAddress else { return false }
        memset(base, 0, size)
        memory.copyBytes(from: head)
        return zip(databases, places).allSatisfy { database, place in
            database.withUnsafeBytes {
                hs_deserialize_database_at(
                    $0.assumingMemoryBound(to: CChar.self).baseAddress, $0.count,
                    OpaquePointer(base + place.lowerBound)) == HS_SUCCESS
            }
        }
    }
}

/// Makes a database of a group of patterns.
private struct PatternCompiler {
    private let group: PatternGroup

    init(_ group: PatternGroup) { self.group = group }

    static func flags(of pattern: Pattern, isLocating: Bool) -> UInt32 {
        var flags: UInt32 = pattern.view.hasLines ? UInt32(HS_FLAG_MULTILINE) : 0
        if isLocating {
            flags |= UInt32(HS_FLAG_SOM_LEFTMOST)
        } else if pattern.atLeast == 1 {
            flags |= UInt32(HS_FLAG_SINGLEMATCH)
        }
        return flags
    }

    /// Why a pattern cannot be compiled.
    static func problem(of pattern: Pattern) -> String? {
        var information: UnsafeMutablePointer<hs_expr_info_t>?
        var error: UnsafeMutablePointer<hs_compile_error_t>?
        let code = pattern.expression.withCString {
            hs_expression_info($0, flags(of: pattern, isLocating: false), &information, &error)
        }
        defer {
            if let information { free(information) }
            if let error { hs_free_compile_error(error) }
        }
        guard code == HS_SUCCESS, let information else {
            return error.map { String(cString: $0.pointee.message) } ?? "it cannot be compiled"
        }
        return information.pointee.min_width == 0 ? "it matches where nothing is" : nil
    }

    /// The database as octets.
    func serialized() throws(PatternImage.Failure) -> [UInt8] {
        let database = try compiled()
        defer { hs_free_database(database) }
        var start: UnsafeMutablePointer<CChar>?
        var count = 0
        guard hs_serialize_database(database, &start, &count) == HS_SUCCESS, let start else {
            throw PatternImage.Failure(problems: [])
        }
        defer { free(start) }
        return Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    private func compiled() throws(PatternImage.Failure) -> OpaquePointer {
        var parts = group.patterns.map { (number: $0.number, pattern: $0.pattern, flags: 0 as UInt32) }
        for place in parts.indices {
            parts[place].flags = Self.flags(of: parts[place].pattern, isLocating: group.isLocating)
        }
        while true {
            let (place, message): (Int, String)
            switch Self.compile(parts) {
            case .made(let database): return database
            case .failed(let part, let reason): (place, message) = (part, reason)
            }
            guard parts.indices.contains(place) else { throw failure(message, parts.first?.number ?? 0) }
            let part = parts[place]
            if part.flags & UInt32(HS_FLAG_SOM_LEFTMOST) != 0 {
                // Where the beginning of a match cannot be told, its end must do.
                parts[place].flags &= ~UInt32(HS_FLAG_SOM_LEFTMOST)
            } else {
                throw failure(message, part.number)
            }
        }
    }

    private func failure(_ message: String, _ number: Int) -> PatternImage.Failure {
        PatternImage.Failure(problems: [PatternImage.Problem(pattern: number, message: message)])
    }

    private enum Outcome {
        case made(OpaquePointer)
        case failed(place: Int, message: String)
    }

    private static func compile(_ parts: [(number: Int, pattern: Pattern, flags: UInt32)]) -> Outcome {
        let texts = parts.map { strdup($0.pattern.expression) }
        defer { for text in texts { free(text) } }
        var database: OpaquePointer?
        var error: UnsafeMutablePointer<hs_compile_error_t>?
        defer { if let error { hs_free_compile_error(error) } }
        let code = texts.map { UnsafePointer($0) }.withUnsafeBufferPointer { expressions in
            hs_compile_multi(
                expressions.baseAddress, parts.map(\.flags), parts.map { UInt32($0.number) }, UInt32(parts.count),
                UInt32(HS_MODE_BLOCK), nil, &database, &error)
        }
        if code == HS_SUCCESS, let database { return .made(database) }
        let message = error.map { String(cString: $0.pointee.message) } ?? "it cannot be compiled"
        return .failed(place: error.map { Int($0.pointee.expression) } ?? -1, message: message)
    }
}

/// Holds the patterns of an image against texts. One thread uses it.
final class PatternScanner {
    private let image: Bytes
    /// Where in the image each database begins.
    private let databases: [Int]
    private var scratch: OpaquePointer?
    private let sink: MatchSink

    /// Of an image that the server has made; `nil` if there is not enough memory, or it is none.
    init?(_ image: Bytes) {
        self.image = image
        guard let head = image.withUnsafeBytes({ Self.head(of: $0) }) else { return nil }
        databases = head.databases.map(\.lowerBound)
        sink = MatchSink(patterns: head.patterns, isLocating: head.isLocating)
        for place in head.databases {
            let code = image.withUnsafeBytes { octets in
                var size = 0
                // It is only read; that it is whole, Vectorscan looks here.
                let database = Self.database(octets, place.lowerBound)
                guard hs_database_size(database, &size) == HS_SUCCESS, size == place.count else { return HS_INVALID }
                return hs_alloc_scratch(database, &scratch)
            }
            guard code == HS_SUCCESS else { return nil }
        }
    }

    static let mostPatterns = 10_000

    deinit {
        if let scratch { hs_free_scratch(scratch) }
    }

    private static func database(_ octets: UnsafeRawBufferPointer, _ place: Int) -> OpaquePointer? {
        OpaquePointer(octets.baseAddress?.advanced(by: place))
    }

    private static func head(
        of octets: UnsafeRawBufferPointer
    ) -> (isLocating: Bool, patterns: Int, databases: [Range<Int>])? {
        func integer(_ place: Int) -> Int? {
            guard place + 8 <= octets.count else { return nil }
            return Int(exactly: octets[place..<place + 8].reduce(0 as UInt64) { $0 << 8 | UInt64($1) })
        }
        guard UInt(bitPattern: octets.baseAddress) % UInt(ImageLayout.alignment) == 0, let locating = integer(0),
            let patterns = integer(8), let count = integer(16), patterns <= mostPatterns, count <= mostPatterns
        else { return nil }
        var databases: [Range<Int>] = []
        for number in 0..<count {
            let entry = ImageLayout.headCount + number * ImageLayout.entryCount
            guard let start = integer(entry), let size = integer(entry + 8), start % ImageLayout.alignment == 0,
                start <= octets.count, size <= octets.count - start
            else { return nil }
            databases.append(start..<start + size)
        }
        return (locating == 1, patterns, databases)
    }

    /// `nil` if the texts are not what they should be.
    func match(_ texts: PatternTexts) -> [PatternHit]? {
        guard let parts = texts.texts else { return nil }
        sink.begin()
        let isSearched = image.withUnsafeBytes { image in
            texts.octets.withUnsafeBytes { octets in
                parts.enumerated().allSatisfy { number, part in
                    guard databases.indices.contains(part.view) else { return false }
                    sink.text = number
                    let database = Self.database(image, databases[part.view])
                    return search(UnsafeRawBufferPointer(rebasing: octets[part.range]), database)
                }
            }
        }
        return isSearched ? sink.hits : nil
    }

    private func search(_ text: UnsafeRawBufferPointer, _ database: OpaquePointer?) -> Bool {
        guard !text.isEmpty else { return true }
        return hs_scan(
            database, text.assumingMemoryBound(to: CChar.self).baseAddress, UInt32(clamping: text.count), 0, scratch,
            { number, from, to, _, context in
                guard let context else { return 1 }
                let sink = Unmanaged<MatchSink>.fromOpaque(context).takeUnretainedValue()
                sink.take(Int(number), Int(clamping: from), Int(clamping: to))
                return 0
            }, Unmanaged.passUnretained(sink).toOpaque()) == HS_SUCCESS
    }
}

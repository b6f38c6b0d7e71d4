import CVectorscan
import Foundation
public import Scoring

/// Patterns compiled by Vectorscan, one database for each view of a ``RuleSet``: what a worker is given.
public struct PatternImage: Sendable {
    /// All databases, one after the other, each with its length before it.
    let octets: [UInt8]
    /// Tells one image from any other.
    let number: UInt64

    /// How large it is, in octets.
    public var octetCount: Int { octets.count }

    /// What is wrong with a pattern.
    public struct Problem: Sendable, Hashable {
        /// Its place in ``RuleSet/patterns``.
        public var pattern: Int
        public var message: String
    }

    public struct Failure: Error, CustomStringConvertible {
        public var problems: [Problem]
        public var description: String { problems.map(\.message).joined(separator: "; ") }
    }

    /// Compiles the patterns of a rule set. That takes a while: a tenth of a second for some hundred.
    ///
    /// - Parameter isLocating: Matches are told with their beginnings, which costs more.
    public init(_ rules: RuleSet, isLocating: Bool = false) throws(Failure) {
        let problems = Self.problems(of: rules)
        guard problems.isEmpty else { throw Failure(problems: problems) }
        var octets: [UInt8] = []
        octets.append(isLocating ? 1 : 0)
        octets.append(integer: UInt64(rules.patterns.count))
        for view in rules.views {
            let own = rules.patterns.indices.filter { rules.patterns[$0].view == view }
            let database = try PatternCompiler(own.map { ($0, rules.patterns[$0]) }, isLocating: isLocating)
                .serialized()
            octets.append(integer: UInt64(database.count))
            octets += database
        }
        self.octets = octets
        number = UInt64.random(in: 1 ... .max)
    }

    /// What Vectorscan has against the patterns; it is asked about each for itself.
    public static func problems(of rules: RuleSet) -> [Problem] {
        rules.patterns.enumerated().compactMap { place, pattern in
            PatternCompiler.problem(of: pattern).map { Problem(pattern: place, message: $0) }
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(integer value: UInt64) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self += $0 }
    }
}

/// Makes a database of patterns of one view.
private struct PatternCompiler {
    private let patterns: [(number: Int, pattern: Pattern)]
    private let isLocating: Bool

    init(_ patterns: [(number: Int, pattern: Pattern)], isLocating: Bool) {
        self.patterns = patterns
        self.isLocating = isLocating
    }

    private static func flags(of pattern: Pattern, isLocating: Bool) -> UInt32 {
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
        var parts = patterns.map { (number: $0.number, pattern: $0.pattern, flags: 0 as UInt32) }
        for place in parts.indices {
            parts[place].flags = Self.flags(of: parts[place].pattern, isLocating: isLocating)
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
    private var databases: [OpaquePointer] = []
    private var scratch: OpaquePointer?
    private let sink: Sink

    /// Of an image that the server has made; `nil` if there is not enough memory, or it is none.
    init?(_ image: UnsafeRawBufferPointer) {
        var place = 9
        guard image.count >= place else { return nil }
        let count = Self.integer(image, 1)
        guard count <= Self.mostPatterns else { return nil }
        sink = Sink(patterns: Int(count), isLocating: image[0] == 1)
        while place < image.count {
            guard image.count - place >= 8, let length = Int(exactly: Self.integer(image, place)),
                length <= image.count - place - 8
            else { return nil }
            place += 8
            var database: OpaquePointer?
            let start = image.baseAddress?.advanced(by: place).assumingMemoryBound(to: CChar.self)
            guard hs_deserialize_database(start, length, &database) == HS_SUCCESS, let database else { return nil }
            databases.append(database)
            guard hs_alloc_scratch(database, &scratch) == HS_SUCCESS else { return nil }
            place += length
        }
    }

    static let mostPatterns = 10_000

    deinit {
        for database in databases { hs_free_database(database) }
        if let scratch { hs_free_scratch(scratch) }
    }

    private static func integer(_ octets: UnsafeRawBufferPointer, _ place: Int) -> UInt64 {
        octets[place..<place + 8].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// `nil` if the texts are not what they should be.
    func match(_ texts: PatternTexts) -> [PatternHit]? {
        guard let parts = texts.texts else { return nil }
        sink.begin()
        return texts.octets.withUnsafeBytes { octets in
            for (number, part) in parts.enumerated() {
                guard databases.indices.contains(part.view) else { return nil }
                guard !part.range.isEmpty else { continue }
                sink.text = number
                let start = octets.baseAddress?.advanced(by: part.range.lowerBound).assumingMemoryBound(to: CChar.self)
                let code = hs_scan(
                    databases[part.view], start, UInt32(clamping: part.range.count), 0, scratch,
                    { number, from, to, _, context in
                        guard let context else { return 1 }
                        let sink = Unmanaged<Sink>.fromOpaque(context).takeUnretainedValue()
                        sink.take(Int(number), Int(clamping: from), Int(clamping: to))
                        return 0
                    }, Unmanaged.passUnretained(sink).toOpaque())
                guard code == HS_SUCCESS else { return nil }
            }
            return sink.hits
        }
    }

    /// Where matches are collected.
    private final class Sink {
        private let isLocating: Bool
        private var found: [PatternHit?]
        private var order: [Int] = []
        var text = 0

        init(patterns: Int, isLocating: Bool) {
            self.isLocating = isLocating
            found = Array(repeating: nil, count: patterns)
        }

        func begin() {
            for place in order { found[place] = nil }
            order = []
        }

        func take(_ pattern: Int, _ start: Int, _ end: Int) {
            guard found.indices.contains(pattern), start <= end else { return }
            guard let known = found[pattern] else {
                found[pattern] = PatternHit(pattern: pattern, count: 1, text: text, range: start..<end)
                order.append(pattern)
                return
            }
            if known.count < Pattern.mostMatches { found[pattern]?.count += 1 }
            // The same match, as long as it can be.
            if isLocating, known.text == text, known.range.lowerBound == start, end > known.range.upperBound {
                found[pattern]?.range = start..<end
            }
        }

        var hits: [PatternHit] { order.sorted().compactMap { found[$0] } }
    }
}

/// Patterns in this process, without a sandbox: for programs that measure, and for tests.
public final class LocalPatterns: PatternMatcher, @unchecked Sendable {
    // Used under `lock` only.
    private let scanner: PatternScanner
    private let lock = NSLock()

    public init(_ image: PatternImage) throws(PatternFailure) {
        guard let scanner = image.octets.withUnsafeBytes({ PatternScanner($0) }) else {
            throw PatternFailure("there is not enough memory for the patterns")
        }
        self.scanner = scanner
    }

    public func match(_ texts: PatternTexts) throws(PatternFailure) -> [PatternHit] {
        lock.lock()
        defer { lock.unlock() }
        guard let hits = scanner.match(texts) else { throw PatternFailure("the texts could not be searched") }
        return hits
    }
}

import Configuration
import Foundation
import MailTypes
import Pipeline
import Sandbox
import Scoring
import Synchronization
import Testing

@testable import Sluice

/// Texts that are made to cost much, against the rules that the program carries.
@Suite struct HostileTextTests {
    private static let size = 128 << 10

    private static func repeated(_ piece: [UInt8]) -> [UInt8] {
        guard !piece.isEmpty else { return [] }
        return (0..<size).map { piece[$0 % piece.count] }
    }

    /// What the expression would match if each of its signs stood for itself, but for the last.
    private static func nearMiss(_ expression: String) -> [UInt8] {
        var letters: [UInt8] = []
        var isEscaped = false
        for octet in expression.utf8 {
            if isEscaped {
                isEscaped = false
                letters.append(octet == UInt8(ascii: "b") ? UInt8(ascii: " ") : octet)
            } else if octet == UInt8(ascii: "\\") {
                isEscaped = true
            } else if !"()[]{}|?*+^$".utf8.contains(octet) {
                letters.append(octet)
            }
        }
        return repeated(Array(letters.dropLast()))
    }

    /// Runs of one sign, of few, and nests of them.
    private static let shapes: [[UInt8]] = [
        "a", " ", "\n", "\r\n", "0", ".", "/", "<", "=", "aA", "a ", "a\n", "1,", "$1", "a@", "http://a", "a.a",
        "((((a+)+)+)+)", "<<<<>>>>", "&#x41;", "=?utf-8?q?", "free money ", "\u{200B}a", "\u{0430}a",
    ].map { repeated(Array($0.utf8)) }

    /// A worker that takes longer for a job than it may is ended, and the job fails: no job does.
    @Test func `no text takes a worker longer than it may work`() async throws {
        #expect(RuleFolder.read(DefaultRules.sources).diagnostics.map(\.description) == [])
        let rules = ShippedPatterns.rules
        var options = SandboxOptions()
        options.program = [Programs.sluice]
        let ends = Mutex<[String]>([])
        var observer = SandboxObserver()
        observer.ended = { end, _, _ in ends.withLock { $0.append("\(end)") } }
        let pool = SandboxPool(options, observer: observer) { _ throws(StageFailure) in
            throw StageFailure("nobody asks")
        }
        let image = try await ShippedPatterns.image.value
        var texts = rules.patterns.enumerated().map { number, pattern in
            (view: rules.views.firstIndex(of: pattern.view) ?? 0, text: Self.nearMiss(pattern.expression))
        }
        for view in rules.views.indices { texts += Self.shapes.map { (view, $0) } }
        var searched = 0
        while !texts.isEmpty {
            var job = PatternTexts()
            while let next = texts.last, job.octets.count + next.text.count + 16 <= PatternTexts.mostOctets {
                job.append(next.text, view: next.view)
                texts.removeLast()
                searched += 1
            }
            #expect(!job.isCut)
            _ = try await pool.hits(of: image, in: job)
        }
        #expect(searched >= rules.patterns.count + rules.views.count * Self.shapes.count)
        #expect(ends.withLock { $0 } == [])
        pool.stop()
    }
}

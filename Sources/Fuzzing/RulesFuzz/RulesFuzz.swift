import CFuzzer
import Configuration
import MailTypes
import Sandbox
import Scoring

// Whatever a file holds, it is read as a file of rules; each mistake, Vectorscan's too, has its place in the file, and
// what has none can be searched for.
@_cdecl("RulesFuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return LLVMFuzzerRunDriver(&count, &arguments) { data, size in
        RuleText(Array(UnsafeBufferPointer(start: data, count: size))).check()
        return 0
    }
}

/// A file of rules, and where something can be in it.
struct RuleText {
    private static let name = "fuzz.toml"
    /// To compile large patterns takes long, which is their writer's affair.
    private static let mostPatterns = 4
    private static let longest = 40

    private let octets: [UInt8]
    /// Octets of each line, its end included. A place at the very end is behind the last one.
    private let lines: [Int]

    init(_ octets: [UInt8]) {
        self.octets = octets
        lines = octets.split(separator: .lf, omittingEmptySubsequences: false).map { $0.count + 1 }
    }

    func check() {
        let loaded = RuleFolder.read([RuleFolder.Source(name: Self.name, octets: octets)])
        check(loaded.diagnostics)
        let rules = loaded.value.rules
        let problems = PatternImage.problems(of: rules)
        check(problems.map { loaded.value.diagnostic(pattern: $0.pattern, $0.message) })
        guard problems.isEmpty, rules.patterns.count <= Self.mostPatterns,
            rules.patterns.allSatisfy({ $0.expression.utf8.count <= Self.longest && !$0.expression.contains("{") })
        else { return }
        do { try search(rules) } catch { precondition(error.problems.allSatisfy { !$0.message.isEmpty }) }
    }

    /// Holds the patterns against the file itself.
    private func search(_ rules: RuleSet) throws(PatternImage.Failure) {
        let image = try PatternImage(rules)
        var texts = PatternTexts()
        for view in rules.views.indices { texts.append(octets, view: view) }
        do throws(PatternFailure) {
            let hits = try LocalPatterns(image).match(texts)
            check(hits, rules, texts)
            check(try LocalPatterns.located(hits, of: rules, in: texts), rules, texts)
        } catch { preconditionFailure("\(error)") }
    }

    private func check(_ hits: [PatternHit], _ rules: RuleSet, _ texts: PatternTexts) {
        let parts = texts.texts ?? []
        for hit in hits {
            precondition(rules.patterns.indices.contains(hit.pattern) && hit.count > 0)
            precondition(rules.views[parts[hit.text].view] == rules.patterns[hit.pattern].view)
            precondition(hit.range.upperBound <= octets.count)
        }
    }

    private func check(_ diagnostics: [Diagnostic]) {
        for diagnostic in diagnostics {
            let location = diagnostic.location
            precondition(location.file == Self.name)
            precondition((1...lines.count).contains(location.line), "\(location) is not in the file")
            precondition((1...lines[location.line - 1] + 1).contains(location.column), "\(location) is not in its line")
            precondition(!diagnostic.message.isEmpty)
            precondition(!diagnostic.description.contains { $0.isNewline })
        }
    }
}

import Scoring

/// A pattern that is found, so that whatever Vectorscan loads at its first use is loaded before the sandbox is closed.
enum PatternSelfTest {
    static func run() throws(JobFailure) {
        let rule = Rule("SELF_TEST", points: 1, description: "", test: .pattern(Pattern("[ln]et+er$", in: .body)))
        guard let image = try? PatternImage(RuleSet([rule])),
            let scanner = PatternScanner(image.shared.octets)
        else { throw JobFailure(reason: "Vectorscan does not compile the pattern of its self-test") }
        var texts = PatternTexts()
        texts.append(Array("a letter".utf8), view: 0)
        guard scanner.match(texts)?.map(\.range.upperBound) == [8] else {
            throw JobFailure(reason: "Vectorscan does not find the pattern of its self-test")
        }
    }
}

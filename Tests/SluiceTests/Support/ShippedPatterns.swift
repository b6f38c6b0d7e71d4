import Configuration
import Dispatch
import Sandbox
import Scoring

@testable import Sluice

/// The rules that the program carries, with their patterns compiled once for all tests.
///
/// That takes seconds, in which a thread of the pool would hold up every other test: it has one of its own.
enum ShippedPatterns {
    static let rules = RuleFolder.read(DefaultRules.sources).value.rules

    static let image = Task {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try PatternImage(rules) })
            }
        }
    }
}

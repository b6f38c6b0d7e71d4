public import Scoring
import Pipeline
import Synchronization

/// Patterns that workers hold against texts: who strangers' octets could take over can do nothing.
///
/// The patterns are compiled when they are needed first, or by ``prepare()``: most commands never need them.
public final class PooledPatterns: PatternMatcher {
    private let rules: RuleSet
    private let isLocating: Bool
    private let pool = Mutex<SandboxPool?>(nil)
    private let compiled = Mutex<PatternImage?>(nil)

    /// - Parameter isLocating: Matches are told with their beginnings, which costs more.
    public init(_ rules: RuleSet, isLocating: Bool = false) {
        self.rules = rules
        self.isLocating = isLocating
    }

    /// Compiles the patterns now. Throws what Vectorscan has against them.
    public func prepare() throws(PatternImage.Failure) { _ = try image() }

    private func image() throws(PatternImage.Failure) -> PatternImage {
        try compiled.withLock { (known) throws(PatternImage.Failure) in
            if let known { return known }
            let image = isLocating ? try PatternImage(rules, isLocating: true) : try PatternImage.compiled(rules)
            known = image
            return image
        }
    }

    /// Has these workers do it from now on.
    public func use(_ pool: SandboxPool) { self.pool.withLock { $0 = pool } }

    public func match(_ texts: PatternTexts) async throws(PatternFailure) -> [PatternHit] {
        guard let pool = pool.withLock({ $0 }) else { throw PatternFailure("there are no workers") }
        let image: PatternImage
        do { image = try self.image() } catch { throw PatternFailure("the patterns cannot be compiled: \(error)") }
        do throws(StageFailure) { return try await pool.hits(of: image, in: texts) } catch {
            throw PatternFailure(error.reason, timedOut: error.timedOut)
        }
    }
}

extension PatternImage {
    private static let last = Mutex<(rules: RuleSet, image: PatternImage)?>(nil)

    /// As ``init(_:isLocating:)``, but where the patterns are those of the last image it is that one: a reload that
    /// changes no pattern costs the workers nothing.
    public static func compiled(_ rules: RuleSet) throws(Failure) -> PatternImage {
        if let known = last.withLock({ $0 }), known.rules.patterns == rules.patterns { return known.image }
        let image = try PatternImage(rules)
        last.withLock { $0 = (rules, image) }
        return image
    }
}

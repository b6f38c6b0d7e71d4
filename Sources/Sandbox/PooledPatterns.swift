public import Scoring
import Pipeline
import Synchronization

/// Patterns that workers hold against texts: who strangers' octets could take over can do nothing.
///
/// The patterns are compiled when they are needed first, or by ``prepare()``: most commands never need them.
public final class PooledPatterns: PatternMatcher {
    private let rules: RuleSet
    private let cache: PatternCache?
    private let pool = Mutex<SandboxPool?>(nil)
    private let compiled = Mutex<PatternImage?>(nil)

    /// - Parameter cache: Where compiled patterns are kept for the next process.
    public init(_ rules: RuleSet, cache: PatternCache? = nil) {
        self.rules = rules
        self.cache = cache
    }

    /// Compiles the patterns now. Throws what Vectorscan has against them.
    public func prepare() throws(PatternImage.Failure) { _ = try image() }

    private func image() throws(PatternImage.Failure) -> PatternImage {
        try compiled.withLock { (known) throws(PatternImage.Failure) in
            if let known { return known }
            let image = try PatternImage.compiled(rules, cache: cache)
            known = image
            return image
        }
    }

    /// Has these workers do it from now on.
    public func use(_ pool: SandboxPool) { self.pool.withLock { $0 = pool } }

    public func match(_ texts: PatternTexts) async throws(PatternFailure) -> [PatternHit] {
        let image: PatternImage
        do { image = try self.image() } catch { throw PatternFailure("the patterns cannot be compiled: \(error)") }
        return try await hits(of: image, in: texts)
    }

    /// The same hits with the beginnings of their matches, which ``match(_:)`` does not tell: for people who ask what
    /// has matched, since it costs some milliseconds for each hit.
    public func located(
        _ hits: [PatternHit], in texts: PatternTexts
    ) async throws(PatternFailure) -> [PatternHit] {
        guard let search = try MatchSearch(hits, of: rules, in: texts) else { return hits }
        var found: [PatternHit] = []
        for text in search.texts { found += try await self.hits(of: search.image, in: text) }
        return search.located(by: found)
    }

    private func hits(of image: PatternImage, in texts: PatternTexts) async throws(PatternFailure) -> [PatternHit] {
        guard let pool = pool.withLock({ $0 }) else { throw PatternFailure("there are no workers") }
        do throws(StageFailure) { return try await pool.hits(of: image, in: texts) } catch {
            throw PatternFailure(error.reason, timedOut: error.timedOut)
        }
    }
}

extension PatternImage {
    private static let last = Mutex<(rules: RuleSet, image: PatternImage)?>(nil)

    /// As ``init(_:cache:)``, but where the patterns are those of the last image it is that one: a reload that changes
    /// no pattern costs the workers nothing.
    public static func compiled(_ rules: RuleSet, cache: PatternCache? = nil) throws(Failure) -> PatternImage {
        if let known = last.withLock({ $0 }), known.rules.patterns == rules.patterns { return known.image }
        let image = try PatternImage(rules, cache: cache)
        last.withLock { $0 = (rules, image) }
        return image
    }
}

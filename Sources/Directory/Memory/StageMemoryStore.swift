public import MailTypes
public import Pipeline

/// What stages remember, in bounded tables in memory, written behind to `memory.sqlite`.
public final class StageMemoryStore: Sendable {
    public struct Options: Sendable {
        /// Keys per table; beyond, the least recently seen of a sample goes.
        public var capacity = 1_000_000
        /// What `kill -9` may lose at most.
        public var writeInterval: Interval = "2s"
        public init() {}
    }

    public static func open(_ path: String, options: Options = Options()) throws(DirectoryError) -> StageMemoryStore {
        throw .unavailable("not built yet")
    }

    private init() {}

    /// Answers at once, from memory.
    public func answer(_ question: MemoryQuestion) -> MemoryAnswer { .visit(nil) }
    /// Writes what is not yet written. Blocks.
    public func flush() throws(DirectoryError) {}
    /// Writes the rest and stops.
    public func close() {}
}

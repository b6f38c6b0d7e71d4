import Synchronization

/// The facts of one transaction, in the order in which they were learned.
public final class FactRecord: Sendable {
    private let storage: Mutex<[Fact]>

    public init(_ facts: [Fact] = []) { storage = Mutex(facts) }

    public var facts: [Fact] { storage.withLock { $0 } }

    public var count: Int { storage.withLock { $0.count } }

    func append(_ fact: Fact) { storage.withLock { $0.append(fact) } }
}

import Pipeline
import Synchronization

/// The chain as it is now; a transaction keeps the one it began with.
final class ChainHolder: Sendable {
    private let chain: Mutex<Chain>

    init(_ chain: Chain) { self.chain = Mutex(chain) }

    var current: Chain {
        get { chain.withLock { $0 } }
        set { chain.withLock { $0 = newValue } }
    }
}

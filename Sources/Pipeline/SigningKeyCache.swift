import Synchronization

/// Private keys that have been read, each as long as its file stays what it was.
///
/// A key that an operator replaces signs from the next message on, with no reload; a key whose file has gone, or may
/// be read by others, signs no more.
public final class SigningKeyCache: Sendable {
    private struct Entry {
        let stamp: KeyFileStamp
        let key: any SigningKey
        var lastUse: UInt64
    }

    private struct State {
        var entries: [String: Entry] = [:]
        var uses: UInt64 = 0
    }

    /// Keys that are kept; beyond them, the one that has not been used for longest is read again when it is needed.
    public static let most = 256

    private let state = Mutex(State())

    init() {}

    /// Keys in memory now.
    public var count: Int { state.withLock { $0.entries.count } }

    /// The key of a domain's selector. Asks for the file's stamp each time, and reads the file if that is another.
    public func key(
        domain: String, selector: String, from files: any SigningKeyFiles, _ cryptography: any SignatureCryptography
    ) throws(CryptographyFailure) -> any SigningKey {
        let name = "\(domain)/\(selector)"
        // Before the file is read: should it be replaced in between, the next stamp is another one.
        let stamp = try files.stamp(domain: domain, selector: selector)
        if let known = use(name, stamp) { return known }
        let key = try cryptography.signingKey(pem: try files.contents(domain: domain, selector: selector))
        state.withLock { state in
            state.uses &+= 1
            if state.entries.count >= Self.most, state.entries[name] == nil,
                let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                state.entries[oldest.key] = nil
            }
            state.entries[name] = Entry(stamp: stamp, key: key, lastUse: state.uses)
        }
        return key
    }

    private func use(_ name: String, _ stamp: KeyFileStamp) -> (any SigningKey)? {
        state.withLock { state in
            guard var entry = state.entries[name], entry.stamp == stamp else { return nil }
            state.uses &+= 1
            entry.lastUse = state.uses
            state.entries[name] = entry
            return entry.key
        }
    }
}

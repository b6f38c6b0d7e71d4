/// What happened while one tree was decoded: the mistakes, and the keys that were asked for.
///
/// Used by one decoding on one thread.
final class DecodingLog {
    private struct Mistake {
        var path: TOMLPath
        var diagnostic: Diagnostic
    }

    /// A table that was opened for its keys.
    private struct Visit {
        var node: LayeredNode
        var asked: [String] = []
        /// Whether a type that opened the table knows a key.
        var knows: [(String) -> Bool] = []
        var vocabulary: [String] = []
        /// All keys were listed: none is unknown.
        var isOpen = false
        /// Decoding broke off: keys that were not asked for may still be known.
        var isBroken = false
    }

    private let root: LayeredNode
    private var mistakes: [Mistake] = []
    private var visits: [TOMLPath: Visit] = [:]
    private var order: [TOMLPath] = []

    init(_ root: LayeredNode) { self.root = root }

    // MARK: - While decoding

    /// A value is about to be tried: what an earlier try of the same value found no longer counts.
    func begin(_ path: TOMLPath) {
        mistakes.removeAll { $0.path.starts(with: path) }
        for place in order where place.starts(with: path) { visits[place] = nil }
        order.removeAll { $0.starts(with: path) }
    }

    func open<Key: CodingKey>(_ node: LayeredNode, at path: TOMLPath, as type: Key.Type) {
        if visits[path] == nil {
            visits[path] = Visit(node: node)
            order.append(path)
        }
        visits[path]?.knows.append { Key(stringValue: $0) != nil }
        visits[path]?.vocabulary += vocabulary(of: type)
    }

    func ask(_ key: String, at path: TOMLPath) {
        guard visits[path]?.asked.contains(key) == false else { return }
        visits[path]?.asked.append(key)
    }

    func listKeys(at path: TOMLPath) { visits[path]?.isOpen = true }

    /// Notes that decoding the value at `path` has ended with `error`.
    ///
    /// An error is noted once, by the innermost value it passes through.
    func note(_ error: any Error, at path: TOMLPath, as type: Any.Type) {
        for place in order where place.starts(with: path) { visits[place]?.isBroken = true }
        let source = (error as? DecodingError)?.path ?? path
        let place = source.starts(with: path) ? source : path
        guard !mistakes.contains(where: { $0.path.starts(with: place) }) else { return }
        var diagnostic = DecodingMistake(error, at: place, type: type, in: root).diagnostic
        if place != path, root.top[place] == nil, let below = root.child(place) {
            // The table that does not go together with what shows through from below is to be changed.
            diagnostic.location = root.top.location(of: path)
            diagnostic.hint = "its value is that at \(below.top.location)"
        }
        add(diagnostic, at: place)
    }

    func add(_ diagnostic: Diagnostic, at path: TOMLPath) {
        mistakes.append(Mistake(path: path, diagnostic: diagnostic))
    }

    func hasMistake(at path: TOMLPath) -> Bool { mistakes.contains { $0.path.starts(with: path) } }

    // MARK: - Afterwards

    /// The mistakes, and keys nobody has asked for.
    var diagnostics: [Diagnostic] { mistakes.map(\.diagnostic) + order.flatMap(unknownKeys) }

    /// Of the top layer only: those below are decoded by themselves, too.
    private func unknownKeys(at path: TOMLPath) -> [Diagnostic] {
        guard let visit = visits[path], !visit.isOpen, let table = visit.node.top.table else { return [] }
        return table.entries.compactMap { entry in
            let isKnown =
                visit.asked.contains(entry.key) || (visit.isBroken && visit.knows.contains { $0(entry.key) })
            return isKnown ? nil : .unknownKey(entry, vocabulary: visit.asked + visit.vocabulary)
        }
    }

    /// Every key that was asked for, but those of tables that were opened and of lists of such, with
    /// the value's place where it has one.
    var asked: [(path: TOMLPath, node: TOMLNode?)] {
        order.flatMap { place in
            let visit = visits[place]
            return (visit?.asked ?? []).compactMap { key in
                let path = place + [.key(key)]
                return order.contains { $0.starts(with: path) } ? nil : (path, visit?.node.child(key)?.top)
            }
        }
    }
}

extension Diagnostic {
    /// Longer lists help nobody.
    private static let mostListedWords = 20

    static func unknownKey(_ entry: TOMLTable.Entry, vocabulary: [String]) -> Diagnostic {
        if let nearest = NearestWord.to(entry.key, in: vocabulary) {
            return Diagnostic(.error, at: entry.location, "unknown key `\(entry.key)`; did you mean `\(nearest)`?")
        }
        let words = Set(vocabulary).sorted()
        let list = words.map { "`\($0)`" }.joined(separator: ", ")
        let hint = (1...mostListedWords).contains(words.count) ? "there are \(list)" : nil
        return Diagnostic(.error, at: entry.location, "unknown key `\(entry.key)`", hint: hint)
    }
}

extension DecodingError {
    fileprivate var path: TOMLPath? {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            context.codingPath.map { TOMLStep($0) }
        case .keyNotFound(let key, let context): (context.codingPath + [key]).map { TOMLStep($0) }
        @unknown default: nil
        }
    }
}

/// The words a type of keys has, where it can list them.
private func vocabulary<Key: CodingKey>(of type: Key.Type) -> [String] {
    guard let listed = type as? any CaseIterable.Type else { return [] }
    return listed.allKeys
}

extension CaseIterable {
    fileprivate static var allKeys: [String] { allCases.compactMap { ($0 as? any CodingKey)?.stringValue } }
}

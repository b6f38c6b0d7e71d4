import MailTypes

/// What tells one chain from another, in lines for people.
extension Chain {
    /// One line per stage and value, in order: what `sluice chain` prints and what a reload compares.
    public var description: [ChainLine] {
        links.flatMap(\.description)
    }

    /// The lines that are gone and the lines that are new: file by file, each in the order of its chain.
    public func difference(from old: Chain) -> [ChainChange] {
        let difference = description.difference(from: old.description) { $0.text == $1.text && $0.file == $1.file }
        let changes = (difference.removals + difference.insertions).map { change in
            switch change {
            case .insert(_, let line, _): ChainChange(isAddition: true, line: line)
            case .remove(_, let line, _): ChainChange(isAddition: false, line: line)
            }
        }
        var byFile: [String: [ChainChange]] = [:]
        for change in changes { byFile[change.line.file, default: []].append(change) }
        var seen: Set<String> = []
        return (old.links + links).map(\.file).filter { seen.insert($0).inserted }.flatMap { byFile[$0] ?? [] }
    }
}

/// One line of a chain's description.
public struct ChainLine: Sendable, Hashable {
    public var file: String
    public var text: String
    /// Where the value stands, if it is one.
    public var origin: String?
}

/// One line that a reload has added or taken away.
public struct ChainChange: Sendable, Hashable, CustomStringConvertible {
    public var isAddition: Bool
    public var line: ChainLine
    public var description: String { "\(isAddition ? "+" : "-") \(line.file): \(line.text)" }
}

extension Link {
    /// The values of a variant by their keys, in order; of a domain's only those that are not everybody's.
    public func ownValues(of variant: StageVariant) -> [(key: String, value: ValueOrigin)] {
        let all = variant.values.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
        guard variant.scope != nil else { return all }
        return all.filter { base.values[$0.key] != $0.value }
    }

    fileprivate var description: [ChainLine] {
        var lines = [ChainLine(file: file, text: "\(name)\(chainWords)")]
        for variant in [base] + domains.sorted(by: { $0.key < $1.key }).map(\.value) {
            let prefix = variant.scope.map { "\($0): " } ?? ""
            for (key, value) in ownValues(of: variant) {
                lines.append(ChainLine(file: file, text: "\(prefix)\(key) = \(value.value)", origin: value.origin))
            }
        }
        return lines
    }

    private var chainWords: String {
        var words: [String] = []
        if !self.words.only.isEmpty {
            words.append("only " + self.words.only.map(\.description).joined(separator: ", "))
        }
        if !self.words.unless.isEmpty {
            words.append("unless " + self.words.unless.map(\.description).joined(separator: ", "))
        }
        words.append("on_failure \(self.words.onFailure.rawValue)")
        words.append("timeout \(self.words.timeout)")
        if self.words.isObserved { words.append("observed only") }
        return " (\(words.joined(separator: "; ")))"
    }
}

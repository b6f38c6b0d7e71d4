import MailTypes
import Pipeline
import Testing

/// What a finding has in it, as tests write it.
extension Finding {
    /// `fail header.from=x.example policy.dmarc=reject`: each result, which must be of that method.
    func entries(of method: String) -> [String] {
        edits.compactMap { edit in
            guard case .authentication(let entry) = edit else { return nil }
            #expect(entry.method == method)
            return ([entry.result.rawValue] + entry.properties.map { "\($0.name)=\($0.value)" }).joined(separator: " ")
        }
    }

    /// The points of each symbol.
    var points: [String: Double] {
        var found: [String: Double] = [:]
        for case .score(let symbol) in edits { found[symbol.name] = symbol.points }
        return found
    }

    /// The names of the symbols, in order.
    var symbols: [String] { edits.compactMap { if case .score(let symbol) = $0 { symbol.name } else { nil } } }

    /// The places of the fields that it takes out.
    var removed: [Int] { edits.flatMap { if case .removeFields(let places) = $0 { places } else { [Int]() } } }
}

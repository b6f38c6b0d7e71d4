import MailTypes
import Pipeline

/// The header of a message while a milter's changes are made to it, one after the other.
///
/// Its numbers and places are those of the header as it saw it: a field that it has taken out keeps its number, and one
/// that it has put in counts where it stands.
struct MilterHeader {
    private enum Field {
        /// Of the message, by its place there, and its name.
        case own(Int, String)
        /// The same, taken out.
        case gone(Int, String)
        case new(name: String, value: String)

        var name: String {
            switch self {
            case .own(_, let name), .gone(_, let name): name
            case .new(let name, _): name.asciiLowercased
            }
        }
    }

    private var fields: [Field]

    init(_ header: Header) {
        fields = header.fields.enumerated().map { .own($0.offset, $0.element.name.asciiLowercased) }
    }

    mutating func add(_ name: String, _ value: String) { fields.append(.new(name: name, value: value)) }

    mutating func insert(_ name: String, _ value: String, at place: Int) {
        fields.insert(.new(name: name, value: value), at: min(max(place, 0), fields.count))
    }

    /// - Returns: Whether there is something to change.
    mutating func change(_ name: String, number: Int, to value: String) -> Bool {
        let wanted = name.asciiLowercased
        let places = fields.indices.filter { fields[$0].name == wanted }
        // The number 0 means the first one.
        let index = max(number, 1) - 1
        guard index < places.count else {
            guard !value.isEmpty else { return false }
            add(name, value)
            return true
        }
        let place = places[index]
        switch fields[place] {
        case _ where !value.isEmpty: fields[place] = .new(name: name, value: value)
        case .own(let own, let name): fields[place] = .gone(own, name)
        case .new: fields.remove(at: place)
        case .gone: return false
        }
        return true
    }

    /// What makes the message's header this one: what goes, and what comes, from the top.
    func edits(of header: Header) -> [Edit] {
        var kept: Set<Int> = []
        var inserted: [Edit] = []
        var place = 0
        for field in fields {
            switch field {
            case .own(let own, _): kept.insert(own)
            case .gone: continue
            case .new(let name, let value): inserted.append(.insertField(name: name, value: value, at: place))
            }
            place += 1
        }
        let removed = header.fields.indices.filter { !kept.contains($0) }
        return (removed.isEmpty ? [] : [.removeFields(at: removed)]) + inserted
    }
}

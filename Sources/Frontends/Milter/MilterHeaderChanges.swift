import MailTypes
import Protocols

/// What a mail server is asked for so that the header that it has becomes another one.
///
/// Servers count differently once fields have gone or come: Sendmail goes on counting what was taken out, Postfix does
/// not. So the order is one in which that makes no difference: first what comes between others, from the bottom to the
/// top, then what changes or goes, from the bottom to the top, then what comes at the end and, last, at the top.
/// The place 0 is above the server's own Received field, which a milter does not see, and 1 is below it.
struct MilterHeaderChanges {
    private let old: [HeaderField]
    private let new: [HeaderField]
    /// What comes, by the places in ``new``, each with the place in ``old`` that it comes before.
    private var coming: [(field: HeaderField, before: Int)] = []
    /// What each place in ``old`` becomes; `nil` for what goes.
    private var changed: [Int: HeaderField?] = [:]

    static func changes(from old: Header, to new: Header) -> [MilterChange] {
        guard old.fields != new.fields else { return [] }
        return MilterHeaderChanges(old.fields, new.fields).changes
    }

    private init(_ old: [HeaderField], _ new: [HeaderField]) {
        self.old = old
        self.new = new
        var removed: Set<Int> = []
        var inserted: Set<Int> = []
        for step in new.difference(from: old) {
            switch step {
            case .remove(let place, _, _): removed.insert(place)
            case .insert(let place, _, _): inserted.insert(place)
            }
        }
        var (place, other) = (0, 0)
        while place < old.count || other < new.count {
            var (going, arriving): ([Int], [Int]) = ([], [])
            while place < old.count, removed.contains(place) {
                going.append(place)
                place += 1
            }
            while other < new.count, inserted.contains(other) {
                arriving.append(other)
                other += 1
            }
            fill(going, arriving, before: place)
            // What stays, on both sides.
            place += 1
            other += 1
        }
    }

    /// Where one of a name goes and one of that name comes, it is one that changes.
    private mutating func fill(_ going: [Int], _ arriving: [Int], before next: Int) {
        var going = going[...]
        var waiting: [HeaderField] = []
        func isNamed(_ place: Int, _ field: HeaderField) -> Bool { old[place].isNamed(field.name) }
        for place in arriving {
            let field = new[place]
            guard let match = going.firstIndex(where: { isNamed($0, field) }) else {
                waiting.append(field)
                continue
            }
            for gone in going[..<match] { changed.updateValue(nil, forKey: gone) }
            changed.updateValue(field, forKey: going[match])
            coming += waiting.map { ($0, going[match]) }
            waiting = []
            going = going[(match + 1)...]
        }
        for gone in going { changed.updateValue(nil, forKey: gone) }
        coming += waiting.map { ($0, next) }
    }

    private var changes: [MilterChange] {
        /// Whether nothing of what was there before is left above this place, or below.
        let stays = old.indices.filter { changed[$0] != .some(nil) }
        let top = coming.filter { $0.before <= stays.first ?? old.count }
        let end = coming.filter { $0.before > stays.last ?? old.count }
        let middle = coming.filter { one in
            one.before > stays.first ?? old.count && one.before <= stays.last ?? old.count
        }
        var changes: [MilterChange] = middle.reversed().map { one in
            .insertField(at: UInt32(clamping: one.before + 1), name: one.field.name, value: one.field.told)
        }
        for place in changed.keys.sorted(by: >) {
            let name = old[place].name
            let above = old[...place].filter { $0.isNamed(name) }.count
            let among = middle.filter { $0.before <= place && $0.field.isNamed(name) }.count
            let value = changed[place]??.told ?? ""
            changes.append(.changeField(number: UInt32(clamping: above + among), name: name, value: value))
        }
        changes += end.map { .addField(name: $0.field.name, value: $0.field.told) }
        changes += top.reversed().map { .insertField(at: 0, name: $0.field.name, value: $0.field.told) }
        return changes
    }
}

extension HeaderField {
    /// The value as milters say it, with the blank behind the colon: lines of a folded one are separated by LF alone.
    fileprivate var told: String {
        let value = String(decoding: rawValue.filter { $0 != .cr }, as: UTF8.self)
        // An empty one would take the field out.
        return value.isEmpty ? " " : value
    }
}

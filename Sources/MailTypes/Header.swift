/// The header of a message: its fields in order. RFC 5322 §2.2.
public struct Header: Sendable, Hashable {
    public private(set) var fields: [HeaderField]
    /// What the parser had to put right or doubts, for the stages that judge it.
    public let defects: Set<HeaderDefect>

    public init(fields: [HeaderField] = [], defects: Set<HeaderDefect> = []) {
        self.fields = fields
        self.defects = defects
    }

    public func fields(named name: StaticString) -> [HeaderField] { fields.filter { $0.isNamed(name) } }

    /// The first field of that name.
    public subscript(_ name: StaticString) -> HeaderField? { fields.first { $0.isNamed(name) } }

    /// Adds at the top, where each hop adds its trace. RFC 5321 §4.4.
    public mutating func prepend(_ field: HeaderField) { fields.insert(field, at: 0) }
    public mutating func append(_ field: HeaderField) { fields.append(field) }

    /// Puts a field before the one at `place`, counted from 0; beyond the last it comes to the end.
    public mutating func insert(_ field: HeaderField, at place: Int) {
        fields.insert(field, at: min(max(place, 0), fields.count))
    }

    /// Takes out the fields at these places; places that do not exist are passed over.
    public mutating func remove(at places: [Int]) {
        let doomed = Set(places)
        fields = fields.enumerated().filter { !doomed.contains($0.offset) }.map(\.element)
    }

    public mutating func removeAll(where matches: (HeaderField) -> Bool) { fields.removeAll(where: matches) }

    /// Puts `field` where the `index`-th field stands.
    public mutating func replace(at index: Int, with field: HeaderField) {
        guard fields.indices.contains(index) else { return }
        fields[index] = field
    }

    /// All fields and the empty line that ends them.
    public var serialized: [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(serializedCount)
        for field in fields { octets += field.raw }
        octets += [.cr, .lf]
        return octets
    }

    public var serializedCount: Int { fields.reduce(2) { $0 + $1.raw.count } }
}

/// What is wrong with a header as it arrived.
public enum HeaderDefect: String, Sendable, Hashable, Codable {
    /// The first line begins with a blank: a continuation of nothing.
    case leadingContinuation = "leading-continuation"
    /// The header ends with a line that is neither a field nor empty; an empty line was put before it.
    case missingEmptyLine = "missing-empty-line"
    /// A line break that is not CR LF, or a CR or NUL inside a line.
    case strayControl = "stray-control"
    /// A blank between name and colon. RFC 5322 §4.5.8.
    case blankBeforeColon = "blank-before-colon"
    /// There is no body and no empty line either.
    case endsInHeader = "ends-in-header"
    /// A line longer than 998 octets. RFC 5322 §2.1.1.
    case overlongLine = "overlong-line"
    /// The message began with `From ` lines of an mbox file, which were taken off. RFC 4155.
    case mailboxLine = "mailbox-line"
    /// A continuation line of blanks only. RFC 5322 §3.2.2.
    case blankContinuation = "blank-continuation"
}

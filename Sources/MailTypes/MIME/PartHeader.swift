/// Those fields of a part's header that say what the part is; the others are only passed over, so that
/// a million of them cost nothing.
struct PartHeader {
    enum Name: Int, CaseIterable {
        case contentType, encoding, disposition

        init?(_ octets: some Collection<UInt8>) {
            if octets.equalsIgnoringCase("Content-Type") {
                self = .contentType
            } else if octets.equalsIgnoringCase("Content-Transfer-Encoding") {
                self = .encoding
            } else if octets.equalsIgnoringCase("Content-Disposition") {
                self = .disposition
            } else {
                return nil
            }
        }
    }

    private enum Value {
        case range(Range<Int>)
        case octets(ArraySlice<UInt8>)
    }

    private var values: [Value?] = [nil, nil, nil]
    /// The field that a continuation line would continue.
    private var current: Name?
    private var hasFields = false
    private(set) var hasDuplicates = false

    init() {}

    /// The header of the message itself, parsed already.
    init(of header: Header) {
        for field in header.fields {
            guard let name = Name(field.nameBytes) else { continue }
            if values[name.rawValue] == nil {
                values[name.rawValue] = .octets(field.rawValue)
            } else {
                hasDuplicates = true
            }
        }
    }

    /// Takes a line; false if it is neither field nor continuation.
    mutating func add(_ line: Range<Int>, end: Int, of octets: UnsafeRawBufferPointer, isFirst: Bool) -> Bool {
        if octets[line.lowerBound].isBlank {
            guard hasFields else { return false }
            if let current, case .range(let range) = values[current.rawValue] {
                values[current.rawValue] = .range(range.lowerBound..<end)
            }
            return true
        }
        let colon = UInt8(ascii: ":")
        var nameEnd = line.lowerBound
        while nameEnd < line.upperBound, octets[nameEnd].isVisible, octets[nameEnd] != colon { nameEnd += 1 }
        var after = nameEnd
        while after < line.upperBound, octets[after].isBlank { after += 1 }
        guard nameEnd > line.lowerBound, after < line.upperBound, octets[after] == colon else {
            // A message that was kept in mbox format, attached with its first line.
            return isFirst && octets[line].starts(with: "From ".utf8)
        }
        hasFields = true
        current = nil
        guard let name = Name(octets[line.lowerBound..<nameEnd]) else { return true }
        if values[name.rawValue] != nil {
            hasDuplicates = true
        } else {
            values[name.rawValue] = .range(after + 1..<end)
            current = name
        }
        return true
    }

    func value(of name: Name, in octets: UnsafeRawBufferPointer) -> ArraySlice<UInt8>? {
        switch values[name.rawValue] {
        case .range(let range): Array(octets[range])[...]
        case .octets(let slice): slice
        case nil: nil
        }
    }
}

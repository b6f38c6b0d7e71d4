import MailTypes

/// A table of options, each read into a variable that holds its default.
struct OptionTable {
    let decoder: NodeDecoder
    private let container: KeyedDecodingContainer<TOMLKey>

    init(_ decoder: NodeDecoder) throws {
        self.decoder = decoder
        container = try decoder.container(keyedBy: TOMLKey.self)
    }

    /// Whether the file mentions the option.
    func has(_ key: String) -> Bool { container.contains(TOMLKey(stringValue: key)) }

    func read<Value: Decodable>(_ key: String, _ value: inout Value) {
        if let read: Value = optional(key) { value = read }
    }

    func read<Value: Decodable>(_ key: String, _ value: inout Value?) {
        if let read: Value = optional(key) { value = read }
    }

    func read<Group: OptionGroup>(_ key: String, _ value: inout Group) {
        if let read: Grouped<Group> = optional(key) { value = read.group }
    }

    func read<Group: OptionGroup>(_ key: String, _ value: inout [Group]) {
        if let read: [Grouped<Group>] = optional(key) { value = read.map(\.group) }
    }

    func read(_ key: String, _ value: inout Int, in range: ClosedRange<Int>) {
        guard let read: Int = optional(key) else { return }
        if check(key, range.contains(read), "\(range.lowerBound) to \(range.upperBound), not \(read)") { value = read }
    }

    func read(_ key: String, _ value: inout Double, in range: ClosedRange<Double>) {
        guard let read: Double = optional(key) else { return }
        if check(key, range.contains(read), "\(range.lowerBound) to \(range.upperBound), not \(read)") { value = read }
    }

    func read(_ key: String, _ value: inout Interval, from least: Interval, to most: Interval) {
        guard let read: Interval = optional(key) else { return }
        let holds = (least.seconds...most.seconds).contains(read.seconds)
        if check(key, holds, "\"\(least)\" to \"\(most)\", not \"\(read)\"") { value = read }
    }

    func read(_ key: String, _ value: inout ByteCount, from least: ByteCount, to most: ByteCount) {
        guard let read: ByteCount = optional(key) else { return }
        let holds = (least.octets...most.octets).contains(read.octets)
        if check(key, holds, "\"\(least)\" to \"\(most)\", not \"\(read)\"") { value = read }
    }

    /// The value of an option; `nil` where it is not there, or is wrong and noted.
    func optional<Value: Decodable>(_ key: String) -> Value? {
        (try? container.decodeIfPresent(Value.self, forKey: TOMLKey(stringValue: key))) ?? nil
    }

    func note(_ key: String, _ message: String, hint: String? = nil) {
        let path = decoder.path + [.key(key)]
        let location = decoder.node.location(of: [.key(key)])
        decoder.log.add(Diagnostic(.error, at: location, "`\(key)` \(message)", hint: hint), at: path)
    }

    private func check(_ key: String, _ holds: Bool, _ range: String) -> Bool {
        if !holds { note(key, "must be from \(range)") }
        return holds
    }
}

/// Options that stand together in one table.
protocol OptionGroup {
    init(_ options: OptionTable)
}

/// A group where a `Decodable` type is asked for.
struct Grouped<Group: OptionGroup>: Decodable {
    let group: Group

    init(from decoder: any Decoder) throws {
        guard let decoder = decoder as? NodeDecoder else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "is not from a TOML file"))
        }
        group = Group(try OptionTable(decoder))
    }
}

extension OptionTable {
    /// An option without a default.
    func require<Value: Decodable>(_ key: String, _ value: inout Value) {
        if has(key) {
            read(key, &value)
        } else {
            let diagnostic = Diagnostic(.error, at: decoder.node.top.location, "`\(key)` is missing")
            decoder.log.add(diagnostic, at: decoder.path + [.key(key)])
        }
    }
}

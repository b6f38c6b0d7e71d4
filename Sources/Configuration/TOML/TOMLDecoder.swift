/// Makes typed values of a TOML tree, and notes every mistake on the way.
///
/// A key whose value is wrong is noted with its place when its decoding fails; a type that goes on
/// regardless (`try?`) is told of as many mistakes as it has. Where a type tries several forms of one
/// value, the last try counts. Keys that were never asked for are mistakes, too.
public enum TOMLDecoder {
    /// Decodes `node`; where it is a table, keys that it does not have are looked up in `base`.
    public static func decode<Value: Decodable>(
        _ type: Value.Type, from node: TOMLNode, over base: TOMLNode? = nil
    ) -> DecodedTable<Value> {
        let (value, log) = decodeLogging(type, from: node, over: base)
        return DecodedTable(
            value: value, diagnostics: Set(log.diagnostics).sorted(), options: options(log, value),
            location: node.location)
    }

    static func decodeLogging<Value: Decodable>(
        _ type: Value.Type, from node: TOMLNode, over base: TOMLNode? = nil
    ) -> (Value?, DecodingLog) {
        let root = LayeredNode(node, below: node.table == nil ? [] : [base].compactMap { $0 })
        let log = DecodingLog(root)
        do {
            return (try NodeDecoder(root, at: [], log: log).value(type), log)
        } catch {
            log.note(error, at: [], as: type)
            return (nil, log)
        }
    }

    private static func options<Value>(_ log: DecodingLog, _ value: Value?) -> [OptionOrigin] {
        let defaults = DefaultTexts(of: value as Any)
        return log.asked.map { path, node in
            let words = path.compactMap(\.key)
            return OptionOrigin(
                key: words.map(\.quotedKey).joined(separator: "."), value: node?.text ?? defaults.text(of: words),
                location: node?.location)
        }
    }
}

/// A value of the tree, as `Decodable` types see it.
struct NodeDecoder: Decoder {
    let node: LayeredNode
    let path: TOMLPath
    let log: DecodingLog

    init(_ node: LayeredNode, at path: TOMLPath, log: DecodingLog) {
        self.node = node
        self.path = path
        self.log = log
    }

    var codingPath: [any CodingKey] { path.map { TOMLKey($0) } }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard node.top.table != nil else { throw mismatch([String: String].self, "a table") }
        log.open(node, at: path, as: type)
        return KeyedDecodingContainer(TableContainer(decoder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard let elements = node.top.array else { throw mismatch([String].self, "a list") }
        return ListContainer(decoder: self, elements: elements)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { ScalarContainer(decoder: self) }

    /// Makes a value of this node; lists and dictionaries go on behind an element that is wrong.
    func value<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if let collection = type as? any ElementwiseDecodable.Type {
            if let value = try collection.init(elementsOf: self) as? Value { return value }
        }
        return try type.init(from: self)
    }

    /// Makes a value of a child, and notes where that fails.
    func child<Value: Decodable>(_ step: TOMLStep, as type: Value.Type) throws -> Value {
        let place = path + [step]
        log.begin(place)
        do {
            return try decoder(for: step).value(type)
        } catch {
            log.note(error, at: place, as: type)
            throw error
        }
    }

    func decoder(for step: TOMLStep) throws -> NodeDecoder {
        guard let child = node.child(step) else {
            throw DecodingError.keyNotFound(
                TOMLKey(step), DecodingError.Context(codingPath: codingPath, debugDescription: ""))
        }
        return NodeDecoder(child, at: path + [step], log: log)
    }

    func mismatch(_ type: Any.Type, _ wanted: String) -> DecodingError {
        .typeMismatch(
            type,
            DecodingError.Context(codingPath: codingPath, debugDescription: "must be \(wanted), not \(node.top.kind)"))
    }
}

/// A list, as `Decodable` types see it.
struct ListContainer: UnkeyedDecodingContainer {
    let decoder: NodeDecoder
    let elements: [TOMLNode]
    private(set) var currentIndex = 0

    init(decoder: NodeDecoder, elements: [TOMLNode]) {
        self.decoder = decoder
        self.elements = elements
    }

    var codingPath: [any CodingKey] { decoder.codingPath }
    var count: Int? { elements.count }
    var isAtEnd: Bool { currentIndex >= elements.count }

    /// TOML has no null.
    mutating func decodeNil() throws -> Bool { false }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try advancing(as: type) { try $0.value(type) }
    }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> {
        try advancing(as: type) { try $0.container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try advancing(as: [String].self) { try $0.unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder { try advancing(as: Any.self) { $0 } }

    /// The place moves on only when the element could be read: another type may be tried for it.
    private mutating func advancing<Result>(
        as type: Any.Type, _ body: (NodeDecoder) throws -> Result
    ) throws -> Result {
        guard !isAtEnd else {
            let context = DecodingError.Context(codingPath: codingPath, debugDescription: "must have more elements")
            throw DecodingError.valueNotFound(type, context)
        }
        let result = try body(decoder.decoder(for: .index(currentIndex)))
        currentIndex += 1
        return result
    }
}

/// A table, as `Decodable` types see it.
struct TableContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: NodeDecoder

    var codingPath: [any CodingKey] { decoder.codingPath }

    /// Who lists the keys takes any.
    var allKeys: [Key] {
        decoder.log.listKeys(at: decoder.path)
        return decoder.node.keys.compactMap { Key(stringValue: $0) }
    }

    func contains(_ key: Key) -> Bool {
        ask(key)
        return decoder.node.child(key.stringValue) != nil
    }

    /// TOML has no null.
    func decodeNil(forKey key: Key) throws -> Bool { !contains(key) }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        ask(key)
        return try decoder.child(.key(key.stringValue), as: type)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try noting(key) { try $0.container(keyedBy: type) }
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try noting(key) { try $0.unkeyedContainer() }
    }

    func superDecoder() throws -> any Decoder { try noting(TOMLKey(stringValue: "super")) { $0 } }
    func superDecoder(forKey key: Key) throws -> any Decoder { try noting(key) { $0 } }

    private func ask(_ key: some CodingKey) { decoder.log.ask(key.stringValue, at: decoder.path) }

    private func noting<Result>(_ key: some CodingKey, _ body: (NodeDecoder) throws -> Result) throws -> Result {
        ask(key)
        let step = TOMLStep.key(key.stringValue)
        do { return try body(decoder.decoder(for: step)) } catch {
            decoder.log.note(error, at: decoder.path + [step], as: Result.self)
            throw error
        }
    }
}

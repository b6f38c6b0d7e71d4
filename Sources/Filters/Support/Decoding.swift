extension KeyedDecodingContainer {
    /// The value of `key`, or `nil` where the file says nothing; a wrong value has been noted by
    /// the decoder.
    func optional<Value: Decodable>(_ key: Key, as type: Value.Type = Value.self) -> Value? {
        (try? decodeIfPresent(Value.self, forKey: key)) ?? nil
    }
}

/// A key that is not known before the file is read: a domain.
struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

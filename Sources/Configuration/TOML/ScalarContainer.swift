/// A single value, as `Decodable` types see it.
struct ScalarContainer: SingleValueDecodingContainer {
    let decoder: NodeDecoder

    var codingPath: [any CodingKey] { decoder.codingPath }
    private var content: TOMLNode.Content { decoder.node.top.content }

    /// TOML has no null.
    func decodeNil() -> Bool { false }

    func decode(_ type: Bool.Type) throws -> Bool {
        guard case .boolean(let flag) = content else { throw decoder.mismatch(type, "true or false") }
        return flag
    }

    /// A date is a string to those that want one.
    func decode(_ type: String.Type) throws -> String {
        switch content {
        case .string(let text), .dateTime(let text): text
        default: throw decoder.mismatch(type, "a string")
        }
    }

    /// A whole number is a number; infinity and "not a number" compare as nobody expects.
    func decode(_ type: Double.Type) throws -> Double {
        switch content {
        case .integer(let number): return Double(number)
        case .float(let number) where number.isFinite: return number
        case .float: throw DecodingError.dataCorruptedError(in: self, debugDescription: "must be a finite number")
        default: throw decoder.mismatch(type, "a number")
        }
    }

    func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
    func decode(_ type: Int.Type) throws -> Int { try integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decoder.value(type) }

    private func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
        guard case .integer(let number) = content else { throw decoder.mismatch(type, "a whole number") }
        guard let fitting = Number(exactly: number) else {
            throw DecodingError.dataCorruptedError(
                in: self, debugDescription: "must be from \(Number.min) to \(Number.max)")
        }
        return fitting
    }
}

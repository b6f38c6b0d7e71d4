import Foundation

/// A value of a configuration, written as JSON: the stages do not know which language it came in.
func decode<Value: Decodable>(_ type: Value.Type, _ json: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(json.utf8))
}

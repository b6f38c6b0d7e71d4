/// What authentication methods found, for the Authentication-Results field. RFC 8601 §2.
public struct AuthenticationResults: Sendable, Hashable, Codable {
    /// One method's result, with the properties that it is about. RFC 8601 §2.2.
    public struct Entry: Sendable, Hashable, Codable {
        /// `spf`, `dkim`, `dmarc`, `arc`, `iprev`, `auth`.
        public var method: String
        public var result: Result
        public var reason: String?
        /// `smtp.mailfrom`, `header.d`, … in order.
        public var properties: [Property]

        public init(method: String, result: Result, reason: String? = nil, properties: [Property] = []) {
            self.method = method
            self.result = result
            self.reason = reason
            self.properties = properties
        }

        /// The value of a property, such as `header.d`; the first, where it is there twice.
        public subscript(_ property: String) -> String? { properties.first { $0.name == property }?.value }
    }

    public struct Property: Sendable, Hashable, Codable {
        public var name: String
        public var value: String
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// RFC 8601 §2.7.
    public enum Result: String, Sendable, Hashable, Codable {
        case none, pass, fail, softfail, neutral, policy, temperror, permerror
    }

    public var entries: [Entry] = []
    public init() {}

    public func contains(_ method: String, _ result: Result) -> Bool {
        entries.contains { $0.method == method && $0.result == result }
    }
}

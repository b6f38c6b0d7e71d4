/// What a client claims by a mechanism that shows the password.
public struct SASLCredentials: Sendable, Hashable {
    /// Whom the client wants to be; empty: who it logs in as.
    public var authorizationID: String
    public var name: String
    public var password: [UInt8]

    public init(authorizationID: String = "", name: String, password: [UInt8]) {
        self.authorizationID = authorizationID
        self.name = name
        self.password = password
    }
}

/// The server's side of one SASL exchange, decoded from base64 already; the same for every protocol. RFC 4422 §3.
///
///     start --initial response--> finished (PLAIN), password (LOGIN)
///       |                             ^
///       +--challenge--> response -----+
public struct SASLExchange: Sendable, Hashable {
    public enum Mechanism: String, Sendable, Hashable, CaseIterable {
        /// RFC 4616.
        case plain = "PLAIN"
        /// draft-murchison-sasl-login: what Outlook and old clients know.
        case login = "LOGIN"
    }

    public enum Step: Sendable, Hashable {
        case challenge([UInt8])
        case finished(SASLCredentials)
        /// Not what the mechanism allows.
        case malformed
    }

    private enum State: Hashable {
        case plain
        case name
        case password(name: String)
        case over
    }

    /// Octets of a name or a password; RFC 4616 §2 lets a server set a limit.
    public static let maxField = 1024

    public let mechanism: Mechanism
    private var state: State

    public init(_ mechanism: Mechanism) {
        self.mechanism = mechanism
        state = mechanism == .plain ? .plain : .name
    }

    /// The exchange begins, with what the client sent along at once, if it did.
    public mutating func start(initial: [UInt8]?) -> Step {
        if let initial { return received(initial) }
        switch state {
        case .plain: return .challenge([])
        case .name: return .challenge(Array("Username:".utf8))
        case .password, .over: return .malformed
        }
    }

    /// The client's answer to the last challenge.
    public mutating func received(_ response: [UInt8]) -> Step {
        let before = state
        state = .over
        switch before {
        case .plain:
            return Self.plain(response).map(Step.finished) ?? .malformed
        case .name:
            guard let name = Self.text(response[...]), !name.isEmpty else { return .malformed }
            state = .password(name: name)
            return .challenge(Array("Password:".utf8))
        case .password(let name):
            guard Self.isPassword(response[...]) else { return .malformed }
            return .finished(SASLCredentials(name: name, password: response))
        case .over:
            return .malformed
        }
    }

    // message = [authzid] UTF8NUL authcid UTF8NUL passwd
    private static func plain(_ message: [UInt8]) -> SASLCredentials? {
        let parts = message.split(separator: 0, omittingEmptySubsequences: false)
        guard
            parts.count == 3, let authorizationID = text(parts[0]), let name = text(parts[1]), !name.isEmpty,
            isPassword(parts[2])
        else { return nil }
        return SASLCredentials(authorizationID: authorizationID, name: name, password: Array(parts[2]))
    }

    /// UTF-8 without control characters.
    private static func text(_ octets: ArraySlice<UInt8>) -> String? {
        guard octets.count <= maxField, octets.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
        return String(validating: octets, as: UTF8.self)
    }

    private static func isPassword(_ octets: ArraySlice<UInt8>) -> Bool {
        !octets.isEmpty && octets.count <= maxField && !octets.contains(0)
    }
}

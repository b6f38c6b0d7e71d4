public import MailTypes

/// One judge in the chain. It takes part in the phases whose protocols it conforms to.
///
/// A stage holds its configuration and nothing else: what it must remember it keeps in the services'
/// memory, so that one value serves every transaction at once.
public protocol Stage: Sendable {
    associatedtype Configuration: Decodable & Sendable

    /// The name used for `stage =` in `filters.d`.
    static var name: StageName { get }
    /// What its findings may contain; anything else is a bug that the chain reports.
    static var effects: Effects { get }

    /// The methods whose results it finds, such as `spf`: some, wherever it ``Effects/authenticates``.
    static var methods: Set<String> { get }
    /// The methods whose results it goes by, so that their stages come before it.
    static var judgesBy: Set<String> { get }
    /// What of ``judgesBy`` it cannot do without.
    static var needs: [Need] { get }

    /// What it may do with the values it has: never more than ``effects``.
    var currentEffects: Effects { get }
    /// What is allowed in its values and can hardly be meant, for `sluice check`.
    var remarks: [String] { get }
    /// What is allowed and can hardly be meant where this stage is asked behind that one.
    func remark(behind other: any Stage) -> String?
    /// What is allowed and can hardly be meant under the chain's own words in its file.
    func remark(under words: Link.Words) -> String?
    /// Whether it has what strangers send read by C libraries in workers.
    var needsWorkers: Bool { get }

    init(_ configuration: Configuration) throws
}

extension Stage {
    public var currentEffects: Effects { Self.effects }
    public static var methods: Set<String> { [] }
    public static var judgesBy: Set<String> { [] }
    public static var needs: [Need] { [] }
    public var remarks: [String] { [] }
    public func remark(behind other: any Stage) -> String? { nil }
    public func remark(under words: Link.Words) -> String? { nil }
    public var needsWorkers: Bool { false }
}

/// Results that a stage cannot do without.
public struct Need: Sendable, Hashable {
    /// The method, such as `dkim`.
    public let method: String
    /// The stage that finds them.
    public let finder: StageName
    /// What follows where nothing finds any, for people.
    public let otherwise: String

    public init(_ method: String, from finder: StageName, otherwise: String) {
        self.method = method
        self.finder = finder
        self.otherwise = otherwise
    }
}

/// A stage's name: lower-case words with hyphens.
public struct StageName: Sendable, Hashable, Codable, ExpressibleByStringLiteral, CustomStringConvertible {
    public let text: String
    public init(stringLiteral value: String) { text = value }
    public init(_ text: String) { self.text = text }
    public var description: String { text }
}

/// A stage asked once when a client has connected.
public protocol ConnectStage: Stage {
    func connect(_ transaction: Transaction) async throws(StageFailure) -> Finding
}

/// A stage asked at every HELO, EHLO or LHLO.
public protocol HelloStage: Stage {
    func hello(_ transaction: Transaction) async throws(StageFailure) -> Finding
}

/// A stage asked at `MAIL FROM`; the envelope has no recipients yet.
public protocol SenderStage: Stage {
    func sender(_ transaction: Transaction) async throws(StageFailure) -> Finding
}

/// A stage asked at every `RCPT TO`.
public protocol RecipientStage: Stage {
    func recipient(_ recipient: Recipient, in transaction: Transaction) async throws(StageFailure) -> Finding
}

/// A stage asked when the whole message has arrived.
public protocol MessageStage: Stage {
    func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding
}

/// A stage could not decide. The chain then applies the stage's `on_failure`.
public struct StageFailure: Error, Hashable, Codable, Sendable {
    /// For the operator's log, never for the client.
    public var reason: String
    /// The deadline passed.
    public var timedOut: Bool

    public init(_ reason: String, timedOut: Bool = false) {
        self.reason = reason
        self.timedOut = timedOut
    }
}

extension KeyedDecodingContainer {
    /// The value of `key`, or `standard` where the file says nothing.
    ///
    /// A wrong value has been noted by the decoder with file, line and column; decoding goes on, so
    /// that all mistakes are told at once.
    public func value<Value: Decodable>(_ key: Key, default standard: Value) -> Value {
        (try? decodeIfPresent(Value.self, forKey: key)) ?? standard
    }
}

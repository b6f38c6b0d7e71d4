public import MailTypes

/// A word of `only` and `unless`: a small fixed vocabulary, not a language.
public enum Condition: Sendable, Hashable, CustomStringConvertible {
    /// A fact about the session or the envelope.
    public enum Plain: String, Sendable, Hashable, CaseIterable {
        /// The client has logged in.
        case authenticated
        /// The connection is encrypted.
        case tls
        /// The client is this machine.
        case loopback
        /// The connection came to a listener of that protocol.
        case smtp, submission, lmtp, milter
        /// Made by this server itself.
        case `internal`
        /// `MAIL FROM:<>`: a report.
        case nullSender = "null-sender"
        /// The client spoke before the greeting.
        case spokeEarly = "spoke-early"
        /// The client pipelined where it may not.
        case pipelinedWrongly = "pipelined-wrongly"
    }

    case plain(Plain)
    /// A stage before has found this: `spf.pass`.
    case result(method: String, AuthenticationResults.Result)

    /// The methods that stages know, each with all that it can come to.
    static let methods: KeyValuePairs<String, [AuthenticationResults.Result]> = [
        "spf": [.none, .pass, .fail, .softfail, .neutral, .temperror, .permerror],
        "dkim": [.none, .pass, .fail, .policy, .neutral, .temperror, .permerror],
        "dmarc": [.none, .pass, .fail, .temperror, .permerror],
        "arc": [.none, .pass, .fail, .temperror],
        "iprev": [.pass, .fail, .temperror, .permerror],
        "helo": [.pass, .fail, .neutral, .temperror],
    ]

    /// What `method` can come to; `nil` if nobody knows the method.
    public static func results(of method: some StringProtocol) -> [AuthenticationResults.Result]? {
        methods.first { $0.key == method }?.value
    }

    public init?(_ word: String) {
        if let plain = Plain(rawValue: word) {
            self = .plain(plain)
            return
        }
        let parts = word.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard
            parts.count == 2, let possible = Self.results(of: parts[0]),
            let result = AuthenticationResults.Result(rawValue: parts[1]), possible.contains(result)
        else { return nil }
        self = .result(method: parts[0], result)
    }

    /// Every word there is, for errors and documentation.
    public static let vocabulary: [String] =
        Plain.allCases.map(\.rawValue)
        + methods.flatMap { method, results in results.map { "\(method).\($0.rawValue)" } }

    /// Why a word that looks like one of the vocabulary can never hold: its method knows no such result.
    public static func impossibility(of word: String) -> String? {
        let parts = word.split(separator: ".", omittingEmptySubsequences: false)
        guard
            parts.count == 2, let possible = results(of: parts[0]),
            let result = AuthenticationResults.Result(rawValue: String(parts[1])), !possible.contains(result)
        else { return nil }
        let words = possible.map { "\"\(parts[0]).\($0.rawValue)\"" }.joined(separator: ", ")
        return "\"\(word)\" never holds: there are \(words)"
    }

    public var description: String {
        switch self {
        case .plain(let plain): plain.rawValue
        case .result(let method, let result): "\(method).\(result.rawValue)"
        }
    }

    func holds(in transaction: Transaction) -> Bool {
        switch self {
        case .plain(.authenticated): transaction.session.user != nil
        case .plain(.tls): transaction.session.tls != nil
        case .plain(.loopback): transaction.session.client.isLoopback
        case .plain(.smtp): transaction.session.language == .smtp
        case .plain(.submission): transaction.session.language == .submission
        case .plain(.lmtp): transaction.session.language == .lmtp
        case .plain(.milter): transaction.session.language == .milter
        case .plain(.internal): transaction.session.language == .internal
        case .plain(.nullSender): transaction.envelope.map { $0.sender == nil } ?? false
        case .plain(.spokeEarly): transaction.session.spokeEarly
        case .plain(.pipelinedWrongly): transaction.session.pipelinedWrongly
        // Of several signatures the best one counts: what is wrong with another takes nothing from it.
        case .result(let method, let result):
            transaction.authentication.contains(method, result)
                && (result == .pass || !transaction.authentication.contains(method, .pass))
        }
    }
}

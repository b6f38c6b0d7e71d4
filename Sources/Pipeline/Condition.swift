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
        case smtp, submission, lmtp
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

    static let methods = ["spf", "dkim", "dmarc", "arc", "iprev", "helo"]

    public init?(_ word: String) {
        if let plain = Plain(rawValue: word) {
            self = .plain(plain)
            return
        }
        let parts = word.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard
            parts.count == 2, Self.methods.contains(parts[0]),
            let result = AuthenticationResults.Result(rawValue: parts[1])
        else { return nil }
        self = .result(method: parts[0], result)
    }

    /// Every word there is, for errors and documentation.
    public static let vocabulary: [String] =
        Plain.allCases.map(\.rawValue)
        + methods.flatMap { method in
            AuthenticationResults.Result.allWords.map { "\(method).\($0)" }
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

extension AuthenticationResults.Result {
    static let allWords = ["none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror"]
}

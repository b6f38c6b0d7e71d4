public import MailTypes
public import Pipeline

/// Writes what was found of a message's sender into one Authentication-Results field. RFC 8601 §2.2, §4.
///
/// The one place where this server writes such a field: every other field in its name is forged, and taken out.
public struct Results: MessageStage {
    public static let name: StageName = "results"
    public static let effects: Effects = [.editsHeader]
    public static let judgesBy = written

    /// The methods that RFC 8601 §2.7 and RFC 8617 §4.2 know; what else stages have found is for conditions.
    static let written: Set = ["iprev", "spf", "dkim", "arc", "dmarc"]

    public struct Configuration: Decodable, Sendable {
        /// The name under which the field is written; empty: this server's.
        public var authservID: Name = .hostname
        /// Whether a login is told, to recipients of this server only. RFC 8601 §2.7.4.
        public var auth = true
        /// Whether ARC-Authentication-Results in this server's name go where no valid seal of its own covers them.
        public var stripARC = true

        public init() {}
    }

    /// In whose name the field is written.
    public enum Name: Sendable, Hashable {
        /// This server's.
        case hostname
        case own(DomainText)

        /// Empty for the server's.
        var text: String { if case .own(let domain) = self { domain.text } else { "" } }
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    /// Two in one name: the field of the first is forged to the second.
    public func remark(behind other: any Stage) -> String? {
        guard let first = (other as? Results)?.policy.authservID.text else { return nil }
        guard first.isEmpty || first.utf8.equalsIgnoringCase(policy.authservID.text.utf8) else { return nil }
        return "\(Self.name) takes out the Authentication-Results field that the other \(Self.name) has written"
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        var finding = Finding.none
        let forged = forgeries(in: message.header, transaction)
        if !forged.isEmpty {
            finding.edits.append(.removeFields(at: forged))
            finding.note = "took out \(forged.count) in our name or in nobody's"
        }
        let results = Self.results(in: transaction, behind: login(transaction))
        if !results.entries.isEmpty {
            let value = results.value(authservID: authservID(transaction))
            finding.edits.append(.prependField(name: "Authentication-Results", value: value))
        }
        return finding
    }

    /// What is written of what was found, in words that are fit for the header.
    static func results(
        in transaction: Transaction, behind login: [AuthenticationResults.Entry] = []
    ) -> AuthenticationResults {
        let isUTF8 = transaction.envelope?.parameters.smtpUTF8 ?? false
        let found = transaction.authentication.entries.filter { written.contains($0.method) }
        var results = AuthenticationResults()
        results.entries = (login + found).prefix(mostEntries).map { $0.tidied(isUTF8: isUTF8) }
        return results
    }

    /// More than any honest message has results.
    private static let mostEntries = 50

    private func authservID(_ transaction: Transaction) -> String {
        if case .own(let domain) = policy.authservID { domain.text } else { transaction.hostname }
    }

    private func forgeries(in header: Header, _ transaction: Transaction) -> [Int] {
        let names = [authservID(transaction), transaction.hostname]
        let chain = transaction.authentication.entries.last { $0.method == "arc" }
        return header.fields.indices.filter { place in
            let field = header.fields[place]
            if field.isNamed("Authentication-Results") { return AuthservID.isForged(field, for: names) }
            guard policy.stripARC, field.isNamed("ARC-Authentication-Results") else { return false }
            if AuthservID.claims(field, oneOf: names) { return !isSealed(field, by: names, sealers(in: chain)) }
            // Where the chain holds, its seal says whose it is; where it is broken, nobody needs its parts any more.
            let isBroken = chain?.result == .fail
            return isBroken && ParsedAuthenticationResults.source(of: field) == nil
        }
    }

    /// Who has sealed each set of a chain that holds, the first set first.
    private func sealers(in chain: AuthenticationResults.Entry?) -> [Substring] {
        guard let chain, chain.result == .pass else { return [] }
        return chain[ARC.chain]?.split(separator: ":", omittingEmptySubsequences: false) ?? []
    }

    /// Whether a set is our own: anybody may write our name into his, but nobody else seals for our domain.
    private func isSealed(_ field: HeaderField, by names: [String], _ sealers: [Substring]) -> Bool {
        guard let instance = ParsedAuthenticationResults(field).instance, instance >= 1, instance <= sealers.count
        else {
            return false
        }
        let sealer = String(sealers[instance - 1]).asciiLowercased
        return names.map(\.asciiLowercased).contains { $0 == sealer || $0.hasSuffix(".\(sealer)") }
    }

    /// Who has logged in. Strangers are not told the names of our mailboxes.
    private func login(_ transaction: Transaction) -> [AuthenticationResults.Entry] {
        guard policy.auth, let user = transaction.session.user else { return [] }
        let routes = transaction.recipients.flatMap(\.destinations).map(\.route)
        let isLocal = routes.allSatisfy { if case .mailbox = $0 { true } else { false } }
        guard isLocal, !routes.isEmpty else { return [] }
        let property = AuthenticationResults.Property("smtp.auth", user.mailbox.description)
        return [.init(method: "auth", result: .pass, properties: [property])]
    }
}

extension AuthenticationResults.Entry {
    /// Characters of a stranger's words that are repeated.
    private static let longestWords = 320

    /// The entry without novels, and without letters beyond ASCII in a message that must not have them: one of them in
    /// the header makes it a message of another kind. RFC 6532.
    fileprivate func tidied(isUTF8: Bool) -> Self {
        func tidy(_ text: String) -> String {
            let isShort = text.utf8.count <= Self.longestWords
            if isShort, isUTF8 || text.utf8.allSatisfy({ $0 < 0x80 }) { return text }
            let scalars = text.unicodeScalars.prefix(Self.longestWords)
            return String(String.UnicodeScalarView(scalars.map { isUTF8 || $0.isASCII ? $0 : "?" }))
        }
        var entry = self
        entry.reason = reason.map(tidy)
        entry.properties = properties.map { .init($0.name, tidy($0.value)) }
        return entry
    }
}

extension Results.Name: Decodable {
    public init(from decoder: any Decoder) throws {
        let isEmpty = try decoder.singleValueContainer().decode(String.self).isEmpty
        self = isEmpty ? .hostname : .own(try DomainText(from: decoder))
    }
}

extension Results.Configuration {
    enum CodingKeys: String, CodingKey {
        case authservID = "authserv_id"
        case auth
        case stripARC = "strip_arc"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        authservID = table.value(.authservID, default: authservID)
        auth = table.value(.auth, default: auth)
        stripARC = table.value(.stripARC, default: stripARC)
    }
}

public import MailTypes
public import Pipeline

/// Whether the header is one, and whether it lies in our name. RFC 5322 §3.6, RFC 8601 §5.
///
/// What may be read in two ways is refused, since the reader behind us may read it the other way.
/// Fields that only this server may write are taken out before any stage believes them, so this
/// stage comes first of those that are asked about the message.
public struct HeaderSanity: MessageStage {
    public static let name: StageName = "header"
    public static let effects: Effects = [.rejects, .scores, .editsHeader]

    let policy: Configuration
    private let stripped: FieldPatterns
    private let strippedFromUsers: FieldPatterns

    public init(_ configuration: Configuration) {
        policy = configuration
        stripped = FieldPatterns(configuration.strip)
        strippedFromUsers = FieldPatterns(configuration.stripSubmitted)
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let header = message.header
        let isOwn = transaction.session.isSubmitting
        let completes = policy.complete == .always || (policy.complete == .submission && isOwn)
        let checks = policy.faults(of: header, isCompleted: completes) + policy.faults(ofPartsOf: message)
        var finding = policy.finding(on: checks)
        guard finding.verdict == .continue else { return finding }

        let forged = forgeries(in: header, hostname: transaction.hostname, isOwn: isOwn)
        if !forged.isEmpty { finding.edits.append(.removeFields(at: forged)) }
        if completes { finding.edits += try await completion(of: header, transaction) }
        return finding
    }

    /// Our own field is no stranger's, but nothing in it says that it was written a moment ago.
    public func remark(behind other: any Stage) -> String? {
        guard let results = other as? Results, takesOut(results.policy.authservID.text) else { return nil }
        return "\(Self.name) takes out the Authentication-Results field that \(Results.name) has written; "
            + "let \(Results.name) be asked behind it"
    }

    /// Whether fields in that name go, from some messages at least; no name is this server's.
    private func takesOut(_ authservID: String) -> Bool {
        let field = HeaderField(name: "Authentication-Results", value: "")
        if stripped.match(field) || strippedFromUsers.match(field) { return true }
        let names = policy.ownNames.map(\.asciiLowercased)
        return policy.stripResults && (authservID.isEmpty || names.contains(authservID.asciiLowercased))
    }

    /// The places of fields that a stranger may not have written.
    private func forgeries(in header: Header, hostname: String, isOwn: Bool) -> [Int] {
        let names = [hostname] + policy.ownNames
        return header.fields.indices.filter { place in
            let field = header.fields[place]
            if stripped.match(field) || (isOwn && strippedFromUsers.match(field)) { return true }
            return policy.stripResults && field.isNamed("Authentication-Results")
                && AuthservID.isForged(field, for: names)
        }
    }

    /// What a message of a mail client must have before it goes out. RFC 6409 §8.
    private func completion(
        of header: Header, _ transaction: Transaction
    ) async throws(StageFailure) -> [Edit] {
        var edits: [Edit] = []
        if header["Date"] == nil {
            let now = try await transaction.services.now()
            edits.append(.appendField(name: "Date", value: MailDate(now).description))
        }
        if header["Message-ID"] == nil {
            let identifier = "<\(transaction.id)@\(transaction.hostname)>"
            edits.append(.appendField(name: "Message-ID", value: identifier))
        }
        return edits
    }
}

extension Session {
    /// Whether the message comes from somebody this server writes for.
    fileprivate var isSubmitting: Bool { user != nil || language == .submission || language == .internal }
}

/// Names of fields, each whole or with an asterisk for any end.
struct FieldPatterns: Sendable {
    private var names: Set<String> = []
    private var beginnings: [[UInt8]] = []

    init(_ patterns: [String]) {
        for pattern in patterns.map(\.asciiLowercased) {
            if pattern.utf8.last == UInt8(ascii: "*") {
                beginnings.append(Array(pattern.utf8.dropLast()))
            } else {
                names.insert(pattern)
            }
        }
    }

    func match(_ field: HeaderField) -> Bool {
        let name = field.nameBytes.map(\.asciiLowercased)
        return names.contains(String(decoding: name, as: UTF8.self)) || beginnings.contains { name.starts(with: $0) }
    }
}

public import MailTypes
public import Pipeline

/// Through which server mail leaves: that of the sender's post office, or everybody's.
///
/// What goes to the mail exchangers of its domain goes to the smarthost instead; mail for mailboxes of this server,
/// and what other stages have given a fixed route, is not affected, nor is mail for domains whose backup exchanger
/// this server is: while their best one is down, a smarthost would hand it back. Which one it is stands in the
/// directory (`sluice smarthost`), and so does the login, of which the route knows the name alone.
public struct Smarthost: MessageStage {
    public static let name: StageName = "smarthost"
    public static let effects: Effects = [.routes]

    public struct Configuration: Decodable, Sendable {
        /// Domains whose mail goes to their own exchangers all the same. One that begins with a dot stands for all
        /// below it.
        public var direct: [String] = []

        public init() {}
    }

    let policy: Configuration
    private let direct: Set<String>

    public init(_ configuration: Configuration) {
        policy = configuration
        direct = Set(configuration.direct.map(\.asciiLowercased))
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        var finding = Finding.none
        for recipient in transaction.recipients where recipient.destinations.contains(where: affects) {
            let office = try await postOffice(of: recipient, transaction)
            guard let host = try await transaction.services.smarthost(ofPostOffice: office) else { continue }
            var routed = recipient.destinations
            for place in routed.indices where affects(routed[place]) {
                guard try await !isBackup(routed[place], transaction.services) else { continue }
                routed[place].route = .host(host)
            }
            guard routed != recipient.destinations else { continue }
            finding.edits.append(.resolve(recipient.address, to: routed))
            finding.note = "leaves through \(host.name):\(host.port), for \(office ?? "everybody")"
        }
        return finding
    }

    /// Who has logged in is of his post office; what is forwarded, of that of the address that forwards it.
    private func postOffice(
        of recipient: Recipient, _ transaction: Transaction
    ) async throws(StageFailure) -> String? {
        let domain = transaction.session.user?.mailbox.domain ?? recipient.address.domain
        return try await transaction.services.hostedDomain(domain)?.postOffice
    }

    private func isBackup(_ destination: Destination, _ services: Services) async throws(StageFailure) -> Bool {
        guard case .exchanger(let domain) = destination.route else { return false }
        return try await services.relayDomain(domain)?.isBackup ?? false
    }

    /// Whether a copy would go to its domain's own exchangers, and so leaves through a smarthost instead.
    public func affects(_ destination: Destination) -> Bool {
        guard case .exchanger(let domain) = destination.route else { return false }
        guard !direct.isEmpty else { return true }
        if direct.contains(domain) { return false }
        var rest = domain[...]
        while let dot = rest.firstIndex(of: ".") {
            if direct.contains(String(rest[dot...])) { return false }
            rest = rest[rest.index(after: dot)...]
        }
        return true
    }
}

extension Smarthost.Configuration {
    enum CodingKeys: String, CodingKey {
        case direct
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        direct = table.value(.direct, default: direct)
    }
}

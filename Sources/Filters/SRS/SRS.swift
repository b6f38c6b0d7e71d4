public import MailTypes
public import Pipeline
public import struct Foundation.Date

/// Reverse-paths of mail that is forwarded: the Sender Rewriting Scheme.
///
/// A copy that goes on to another server because an alias, a group or a mailbox here says so leaves under a
/// reverse-path of this server, so that it passes SPF there. The path is signed and ends after some days; reports that
/// come back to it are sent on to whom it stands for. Copies for mailboxes of this server keep the sender's own path.
///
/// In the recipient phase it reads addresses that it has given out; it is asked before `recipients`, to whom they are
/// nobody's.
public struct SRS: RecipientStage, MessageStage, EquippedStage {
    public static let name: StageName = "srs"
    public static let effects: Effects = [.rejects, .routes, .relays]

    public struct Configuration: Decodable, Sendable {
        /// The domain of the paths; none: that of the recipient who forwards.
        public var domain: DomainText?
        /// Whether what comes back must be a report: have the null path.
        public var onlyReports = true
        /// How long a path is good for.
        public var days: BoundedInt<DayBounds> = 21
        /// Characters of a digest, of six bits each.
        public var digestLength: BoundedInt<DigestBounds> = 6

        public init() {}
    }

    /// A day's number comes again after 1024 days.
    public enum DayBounds: Bounds { public static let range = 1...365 }
    /// As few as libsrs2 has; as many as HMAC-SHA-1 gives.
    public enum DigestBounds: Bounds { public static let range = 4...27 }

    let policy: Configuration
    private var tools: StageTools?

    public init(_ configuration: Configuration) { policy = configuration }

    public func equipped(with tools: StageTools) throws -> SRS {
        var stage = self
        stage.tools = tools
        return stage
    }

    public func remark(behind other: any Stage) -> String? {
        guard other is Recipients else { return nil }
        return "srs is asked behind recipients, which refuses the addresses that it has given out: no report comes back"
    }

    // MARK: Reports that come back

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        let address = recipient.address
        guard recipient.destinations.isEmpty, SRSAddress.tagged(address.localPart) != nil,
            try await isOurs(address.domain, transaction)
        else { return .none }
        guard transaction.sender == nil || !policy.onlyReports else {
            let note = "the reverse-path is \(transaction.sender?.description ?? "")"
            return Self.refusal(.deliveryNotAuthorized, "Address takes reports only", ["only_reports"], note)
        }
        let now = try await transaction.services.now()
        let day = SRSDay.number(at: now.timeIntervalSince1970)
        let rewriting = try rewriting()
        var original = address
        do throws(SRSRewriting.Fault) {
            original = try rewriting.original(of: address.localPart, day: day)
        } catch { return try Self.refusal(of: error) }
        // Another one of ours: the message has been here twice.
        if SRSAddress.tagged(original.localPart) != nil, try await isOurs(original.domain, transaction) {
            do throws(SRSRewriting.Fault) {
                original = try rewriting.original(of: original.localPart, day: day)
            } catch { return try Self.refusal(of: error) }
        }
        let route: Route
        switch try await transaction.services.meaning(of: original) {
        case .foreign: route = .exchanger(domain: original.domain)
        case .mailbox(let mailbox): route = .mailbox(mailbox)
        case .atPartner(let host): route = .host(host)
        case .disabled, .expands, .redirects, .unknown, .unverified:
            let note = "\(original), whom it stands for, takes no mail here"
            return Self.refusal(.badDestinationMailbox, "No such user here", [], note)
        }
        return Finding(
            edits: [.resolve(address, to: [Destination(address: original, route: route)])],
            note: "stands for \(original)")
    }

    /// Whom an address stands for that this stage has given out; `nil` for all others. For reports that this server
    /// writes itself, which are not judged.
    public func original(of address: EmailAddress, at now: Date) -> EmailAddress? {
        guard SRSAddress.tagged(address.localPart) != nil, let rewriting = try? rewriting() else { return nil }
        return try? rewriting.original(of: address.localPart, day: SRSDay.number(at: now.timeIntervalSince1970))
    }

    private static func refusal(of fault: SRSRewriting.Fault) throws(StageFailure) -> Finding {
        switch fault {
        case .malformed, .forged:
            return refusal(
                .deliveryNotAuthorized, "Address was not given out here", [], "nobody here has signed it")
        case .expired(let age):
            let note = "it was given out \(age) days ago"
            return refusal(.deliveryNotAuthorized, "Address has expired", ["days"], note)
        case .unavailable(let reason): throw StageFailure("reverse-paths cannot be read: \(reason)")
        }
    }

    private static func refusal(
        _ condition: EnhancedStatusCode.Condition, _ text: String, _ keys: [String], _ note: String
    ) -> Finding {
        Finding(.reject(Reply(550, condition, text)), decidedBy: keys, note: note)
    }

    // MARK: Forwards

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard let sender = transaction.sender else { return .none }
        let forwards = try await forwards(in: transaction)
        guard !forwards.isEmpty else { return .none }
        if try await isOurs(sender.domain, transaction) {
            return Finding(note: "\(sender) is of this server and stays")
        }
        let now = try await transaction.services.now()
        let day = SRSDay.number(at: now.timeIntervalSince1970)
        let claim = "copies that go on leave under a path of this server"
        let rewriting: SRSRewriting
        do throws(StageFailure) { rewriting = try self.rewriting() } catch {
            guard tools?.mayLackKeys == true else { throw error }
            return Finding(note: KeyAbsence.note(claim, error.reason))
        }
        var finding = Finding(note: claim)
        for forward in forwards {
            let path: EmailAddress?
            do throws(SRSRewriting.Fault) {
                path = try rewriting.path(
                    for: sender, at: policy.domain?.text ?? forward.recipient.address.domain, day: day)
            } catch { throw StageFailure("no reverse-path can be made: \(error)") }
            guard let path else {
                finding.note = "\(sender) stays: what would stand for it is longer than a path may be"
                continue
            }
            // `relay` knows nothing of signed paths, and would refuse what comes back to such a one.
            guard !path.hasRoutingLocalPart else {
                finding.note = "\(sender) stays: its local part asks for routing, and no report would come back to it"
                continue
            }
            var destinations = forward.recipient.destinations
            for place in forward.places { destinations[place].reversePath = path }
            finding.edits.append(.resolve(forward.recipient.address, to: destinations))
        }
        return finding
    }

    /// A recipient with the places of those of its destinations that are elsewhere.
    private struct Forward {
        let recipient: Recipient
        let places: [Int]
    }

    private func forwards(in transaction: Transaction) async throws(StageFailure) -> [Forward] {
        var forwards: [Forward] = []
        for recipient in transaction.recipients {
            var places: [Int] = []
            for (place, destination) in recipient.destinations.enumerated() {
                guard destination.leaves, destination.address.key != recipient.address.key,
                    try await transaction.services.hostedDomain(destination.address.domain) == nil
                else { continue }
                places.append(place)
            }
            // A domain that is relayed as a whole, or a report on its way back, is no forward.
            guard !places.isEmpty, try await isOurs(recipient.address.domain, transaction) else { continue }
            forwards.append(Forward(recipient: recipient, places: places))
        }
        return forwards
    }

    private func isOurs(_ domain: String, _ transaction: Transaction) async throws(StageFailure) -> Bool {
        let own = [policy.domain?.text, transaction.hostname].compactMap { $0?.asciiLowercased }
        if own.contains(domain) { return true }
        return try await transaction.services.hostedDomain(domain) != nil
    }

    private func rewriting() throws(StageFailure) -> SRSRewriting {
        guard let tools, let source = tools.reversePathSecrets else { throw StageFailure.withoutTools }
        do throws(CryptographyFailure) {
            return SRSRewriting(
                secrets: try source.secrets(), digestLength: policy.digestLength.value, days: policy.days.value,
                cryptography: tools.cryptography)
        } catch { throw StageFailure("the secrets of reverse-paths cannot be read: \(error.reason)") }
    }
}

extension Destination {
    /// Whether its copy goes to another server.
    fileprivate var leaves: Bool {
        switch route {
        case .exchanger, .host: true
        case .mailbox, .discard: false
        }
    }
}

extension SRS.Configuration {
    enum CodingKeys: String, CodingKey {
        case domain, days
        case onlyReports = "only_reports"
        case digestLength = "digest_length"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        if let text: String = table.optional(.domain), !text.isEmpty { domain = table.optional(.domain) }
        onlyReports = table.value(.onlyReports, default: onlyReports)
        days = table.value(.days, default: days)
        digestLength = table.value(.digestLength, default: digestLength)
    }
}

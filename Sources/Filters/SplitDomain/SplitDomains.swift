import struct Foundation.Date
public import MailTypes
public import Pipeline

/// Domains of which another server has a part: whoever is not here is sought there, as the directory has it
/// (`sluice split-domain`).
///
/// In the recipient phase it takes what `recipients` has left, and asks the partner before whether it has the address,
/// so that nothing is taken that would come back. What the partner has not either is left to a catch-all, or refused.
/// From the partner itself nothing is sent back to it. In the message phase a message for the partner gets a mark; one
/// that comes with the mark of the same address goes round, and is refused.
public struct SplitDomains: RecipientStage, MessageStage, EquippedStage {
    public static let name: StageName = "split-domain"
    public static let effects: Effects = [.rejects, .tempfails, .routes, .claims, .prependsFields]

    let policy: Configuration
    private var tools: StageTools?

    public init(_ configuration: Configuration) { policy = configuration }

    public func equipped(with tools: StageTools) throws -> SplitDomains {
        var stage = self
        stage.tools = tools
        return stage
    }

    public func remark(behind other: any Stage) -> String? {
        guard other is CatchAll else { return nil }
        return "split-domain is asked behind \(CatchAll.name), which takes what a split domain's partner might have"
    }

    // MARK: Whose address it is

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        guard recipient.destinations.isEmpty, recipient.unclaimed != nil,
            let split = try await transaction.services.splitDomain(recipient.address.domain)
        else { return .none }
        let address = EmailAddress(localPart: recipient.address.localPart, domain: split.name)
        guard !address.hasRoutingLocalPart else {
            let reply = Reply(550, .deliveryNotAuthorized, "Address is not accepted")
            return Finding(.reject(reply), note: "the local part asks for routing")
        }
        let client = transaction.session.client
        guard !split.isPartner(client) || transaction.session.language == .internal else {
            return Finding(note: "\(client) is the partner, and seeks it here")
        }
        let existence = try await existence(of: address, split, transaction)
        switch policy.consequence(of: existence) {
        case .relay(let note):
            let destination = Destination(address: address, route: .host(split.host))
            return Finding(edits: [.resolve(recipient.address, to: [destination])], note: note)
        case .leave(let note): return Finding(note: note)
        case .wait(let reason):
            let reply = Reply(451, .noAnswer, "Cannot learn just now whether there is such a user; please come back")
            return Finding(.tempfail(reply), decidedBy: ["partner_down"], note: reason)
        }
    }

    /// Whether the partner has the address, as far as that is to be known.
    private func existence(
        of address: EmailAddress, _ split: SplitDomain, _ transaction: Transaction
    ) async throws(StageFailure) -> Existence {
        guard split.asksPartner else { return .unasked("who exists there is not asked") }
        let (services, now) = (transaction.services, try await transaction.services.now())
        let key = "\(split.name) \(address.key)"
        if try await services.visits(.peek(table: Self.known, key: key, at: now)) != nil { return .remembered }
        if try await services.visits(.peek(table: Self.unknown, key: key, at: now)) != nil { return .missed }
        // Two servers that ask each other would do so for ever; and nothing comes back that nobody has sent.
        guard transaction.sender != nil else { return .unasked("the partner is not asked for a report's sake") }
        switch try await services.callout(CalloutQuestion(host: split.host, address: address)) {
        case .accepted:
            _ = try await services.visits(
                .visit(table: Self.known, key: key, at: now, lifetime: policy.knownFor))
            return .accepted
        case .refused(let reply) where reply.isAboutAddress:
            _ = try await services.visits(
                .visit(table: Self.unknown, key: key, at: now, lifetime: policy.unknownFor))
            return .refused(reply)
        case .refused(let reply): return .open("the partner says: \(reply)")
        case .unreachable(let reason): return .open("the partner cannot be asked: \(reason)")
        case .notAsked: return .unasked("the partner is not asked now")
        }
    }

    /// The tables of the memory.
    static let known = "split-domain.known"
    static let unknown = "split-domain.unknown"

    // MARK: Loops

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let addresses = try await handedOver(in: transaction)
        guard !addresses.isEmpty else { return .none }
        let now = Int((try await transaction.services.now()).timeIntervalSince1970)
        let claim = "\(addresses.count == 1 ? "1 address" : "\(addresses.count) addresses") handed to a partner, marked"
        let marks: HopMarks
        do throws(StageFailure) { marks = try self.marks() } catch {
            guard tools?.mayLackKeys == true else { throw error }
            return Finding(note: KeyAbsence.note(claim, error.reason))
        }
        do throws(CryptographyFailure) {
            // A user may send again what lies in his mailbox; a loop has no password.
            if transaction.session.user == nil,
                let address = try marks.returned(addresses, in: message.header, at: now)
            {
                let reply = Reply(554, .routingLoop, "Message was handed to a partner for this address before")
                return Finding(.reject(reply), note: "it comes back for \(address), with a mark of this server")
            }
            let value = try marks.value(for: addresses, at: now)
            return Finding(edits: [.prependField(name: "\(HopMarks.field)", value: value)], note: claim)
        } catch { throw StageFailure("a mark cannot be made or read: \(error.reason)") }
    }

    /// The addresses whose copies go to partners of their domains, each once.
    private func handedOver(in transaction: Transaction) async throws(StageFailure) -> [EmailAddress] {
        var addresses: [EmailAddress] = []
        var seen: Set<String> = []
        for destination in transaction.recipients.flatMap(\.destinations) {
            guard case .host(let host) = destination.route,
                try await transaction.services.splitDomain(destination.address.domain)?.host == host
            else { continue }
            if seen.insert(destination.address.key).inserted { addresses.append(destination.address) }
        }
        return addresses
    }

    private func marks() throws(StageFailure) -> HopMarks {
        guard let tools, let source = tools.reversePathSecrets else { throw StageFailure.withoutTools }
        do throws(CryptographyFailure) {
            return HopMarks(
                secrets: try source.secrets(), lifetime: Int(policy.markLifetime.seconds),
                cryptography: tools.cryptography)
        } catch { throw StageFailure("the secrets of marks cannot be read: \(error.reason)") }
    }
}

extension SplitDomains {
    public struct Configuration: Decodable, Sendable {
        /// What becomes of mail while the partner cannot be asked.
        public enum PartnerDown: String, Decodable, Sendable, CaseIterable {
            case tempfail
            /// It is taken, and comes back to its sender if the partner does not have the address.
            case accept
        }

        public var partnerDown = PartnerDown.tempfail
        /// How long it is believed that the partner has an address.
        public var knownFor: Interval = "1d"
        /// How long it is believed that it has not.
        public var unknownFor: Interval = "10m"
        /// How long a mark is good for. A loop takes seconds, unless a server on it is down.
        public var markLifetime: Interval = "5d"

        public init() {}
    }

    /// Whether the partner has an address.
    enum Existence: Hashable {
        /// Just asked: yes.
        case accepted
        /// Just asked: no.
        case refused(Reply)
        /// Asked before: yes.
        case remembered
        /// Asked before: no.
        case missed
        /// Not asked, and nothing is to be found out; why.
        case unasked(String)
        /// Asked in vain; why.
        case open(String)
    }

    enum Consequence: Hashable {
        /// It goes to the partner.
        case relay(note: String)
        /// Nobody has it, as far as this stage is concerned.
        case leave(note: String)
        case wait(reason: String)
    }
}

// The whole policy, apart from directory, memory and network.
extension SplitDomains.Configuration {
    func consequence(of existence: SplitDomains.Existence) -> SplitDomains.Consequence {
        switch existence {
        case .accepted: .relay(note: "the partner has it")
        case .remembered: .relay(note: "the partner has it, as was asked before")
        case .unasked(let reason): .relay(note: "sought at the partner: \(reason)")
        case .refused(let reply): .leave(note: "the partner does not have it: \(reply)")
        case .missed: .leave(note: "the partner does not have it, as was asked before")
        case .open(let reason) where partnerDown == .accept: .relay(note: reason)
        case .open(let reason): .wait(reason: reason)
        }
    }

    enum CodingKeys: String, CodingKey {
        case partnerDown = "partner_down"
        case knownFor = "known_for"
        case unknownFor = "unknown_for"
        case markLifetime = "mark_lifetime"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        partnerDown = table.value(.partnerDown, default: partnerDown)
        knownFor = table.value(.knownFor, default: knownFor)
        unknownFor = table.value(.unknownFor, default: unknownFor)
        markLifetime = table.value(.markLifetime, default: markLifetime)
    }
}

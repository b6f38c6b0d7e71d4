import MailTypes
public import Pipeline

/// Mailboxes that are full, told while the sender is on the line.
///
/// A recipient is refused when every mailbox that he stands for is full, by what was found there a moment ago; where
/// one of them has room, or he stands for somebody elsewhere too, the message is taken. Delivery looks again and has
/// the last word: a mailbox may fill meanwhile. What a client has declared as the message's size is believed when it
/// is too much (RFC 1870 §6.1). It runs behind the stages that route.
public struct Quota: RecipientStage {
    public static let name: StageName = "quota"
    public static let effects: Effects = [.rejects, .tempfails]

    public struct Configuration: Decodable, Sendable {
        /// What becomes of mail for a full mailbox.
        public enum Full: String, Decodable, Sendable, CaseIterable {
            case reject
            /// The sender's server tries for days, and the message arrives if there is room by then.
            case tempfail
        }

        public var full = Full.reject

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        let size = max(1, transaction.envelope?.parameters.size ?? 1)
        var worst = Finding.none
        for destination in recipient.destinations {
            // One copy that can be delivered is worth the message.
            guard case .mailbox(let mailbox) = destination.route,
                let finding = policy.finding(
                    on: mailbox, try await transaction.services.fill(of: mailbox, for: size), size: size)
            else { return .none }
            // Of several, one that may have room again decides.
            if worst == .none || finding.verdict.isTemporary { worst = finding }
        }
        return worst
    }
}

extension Verdict {
    fileprivate var isTemporary: Bool { if case .tempfail = self { true } else { false } }
}

// The whole policy, apart from directory and mailboxes.
extension Quota.Configuration {
    /// `nil`: it has room, as far as anybody knows.
    func finding(on mailbox: EmailAddress, _ fill: MailboxFill, size: Int) -> Finding? {
        guard let quota = fill.quota else { return nil }
        guard size <= quota else {
            return Finding(
                .reject(Reply(552, .messageTooLongForMailbox, "Message is larger than the mailbox")),
                note: "\(size) octets, and \(mailbox) may hold \(quota)")
        }
        guard let octets = fill.octets, octets > quota - size else { return nil }
        return full(mailbox, octets, quota, fill)
    }

    private func full(_ mailbox: EmailAddress, _ octets: Int, _ quota: Int, _ fill: MailboxFill) -> Finding {
        let note = "\(octets) of \(quota) octets are used in \(mailbox)"
        // Of a mailbox that nobody could look at again, its owner may have made room: that is no last word.
        guard full == .reject, case .measured = fill else {
            return Finding(
                .tempfail(Reply(452, .mailboxFull, "Mailbox is full")), decidedBy: ["full"], note: note)
        }
        return Finding(.reject(Reply(552, .mailboxFull, "Mailbox is full")), decidedBy: ["full"], note: note)
    }

    enum CodingKeys: String, CodingKey {
        case full
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        full = table.value(.full, default: full)
    }
}

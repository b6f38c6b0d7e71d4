import MailTypes
public import Pipeline

/// Addresses that take no mail.
///
/// This is what a new stage looks like, whole and working, and in no chain: docs/writing-a-stage.md leads from a copy
/// of it to a stage of your own. Here stands what the stage does, for whoever reads its name in the registry.
public struct Template: RecipientStage {
    public static let name: StageName = "template"
    /// What its findings may contain, beside `continue`: the chain refuses anything else.
    public static let effects: Effects = [.rejects]

    /// The table of the stage's name in its file. The values here are the defaults.
    public struct Configuration: Decodable, Sendable {
        /// Local parts that are refused, in lower case.
        public var refuse: [String] = []

        public init() {}
    }

    let policy: Configuration

    public init(_ configuration: Configuration) { policy = configuration }

    /// A stage whose values make it do nothing says so: then no lint warns of what it could do.
    public var currentEffects: Effects { policy.refuse.isEmpty ? [] : Self.effects }

    /// What is allowed and can hardly be meant, for `sluice check`.
    public var remarks: [String] {
        policy.refuse.filter { $0 != $0.asciiLowercased }.map { name in
            "refuse has \"\(name)\", and is compared in lower case: write \"\(name.asciiLowercased)\""
        }
    }

    /// One method for each phase whose protocol the stage conforms to. The world is asked through
    /// `transaction.services` only; a stage that cannot decide throws a `StageFailure`, and `on_failure` decides.
    public func recipient(
        _ recipient: Recipient, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        policy.finding(on: recipient.address)
    }
}

// The policy apart, so that a test needs no transaction.
extension Template.Configuration {
    func finding(on address: EmailAddress) -> Finding {
        guard refuse.contains(address.localPart.asciiLowercased) else { return .none }
        // One clear sentence that says nothing of the policy behind it; the note is for the trace.
        let reply = Reply(550, .badDestinationMailbox, "No such user here")
        return Finding(.reject(reply), decidedBy: ["refuse"], note: "\(address.localPart) is on the list")
    }
}

extension Template.Configuration {
    enum CodingKeys: String, CodingKey {
        case refuse
    }

    /// Each key has its default, and a wrong value does not keep the others from being read: all
    /// mistakes come at once.
    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        refuse = table.value(.refuse, default: refuse)
    }
}

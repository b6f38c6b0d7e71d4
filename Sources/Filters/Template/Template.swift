import MailTypes
public import Pipeline

/// What a new stage looks like: copy this folder, change the name, and write one line into
/// `Registry.swift`. docs/filters.md tells what else belongs to a stage.
///
/// This one refuses recipients whose local part is on a list.
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

    /// One method for each phase whose protocol the stage conforms to. The world is asked through
    /// `transaction.services` only; a stage that cannot decide throws.
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

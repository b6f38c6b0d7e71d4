public import MailTypes

/// The ordered chain of stages that every message goes through. A value: a transaction keeps the one
/// it began with, whatever is loaded meanwhile.
public struct Chain: Sendable {
    public let links: [Link]
    public let onMixed: OnMixed

    private let byPhase: [Phase: [Link]]
    /// The number of the last stage that takes recipients whose address nobody has.
    private let lastClaim: Int?

    public init(_ links: [Link], onMixed: OnMixed = .split) {
        self.links = links.sorted { $0.number < $1.number }
        self.onMixed = onMixed
        let active = self.links
        lastClaim = active.last { $0.claims && !$0.words.isObserved }?.number
        byPhase = Dictionary(
            uniqueKeysWithValues: Phase.allCases.map { phase in (phase, active.filter { $0.asks(in: phase) }) })
    }

    /// Whether any stage takes part in `phase`; where none does, nobody needs to be asked.
    public func asks(in phase: Phase) -> Bool { !links(in: phase).isEmpty }

    func links(in phase: Phase) -> [Link] { byPhase[phase] ?? [] }

    /// Whether some stage behind `link` takes recipients whose address nobody has.
    func claimsFollow(_ link: Link) -> Bool { lastClaim.map { link.number < $0 } ?? false }

    /// The stages of one kind that have a say on a report to that domain, as they are configured for it.
    ///
    /// Their conditions are asked about mail that this server makes itself: `internal` and `null-sender` hold.
    public func stages<Kind: Stage>(_ kind: Kind.Type, onReportsTo domain: String, _ source: any ServiceSource)
        -> [Kind]
    {
        let session = Session(language: .internal, client: "127.0.0.1")
        let id = TransactionID(milliseconds: 0, random: 0)
        var transaction = Transaction(id: id, hostname: "", session: session, services: Services(source))
        transaction.envelope = Envelope(sender: nil)
        return links.compactMap { link in
            guard let stage = link.variant(for: domain).stage as? Kind, !link.words.isObserved else { return nil }
            return link.obstacle(in: transaction) == nil ? stage : nil
        }
    }
}

/// What happens to a recipient whose policy differs from those already taken in the transaction,
/// where one reply must serve them all.
public enum OnMixed: String, Sendable, Hashable, Codable, CaseIterable {
    /// It is asked to come in a transaction of its own: `451 4.5.3`.
    case split
    /// All are taken, and whom the message would be refused gets it as junk.
    case junk
}

/// What the chain does when a stage cannot decide.
public enum FailurePolicy: String, Sendable, Hashable, Codable, CaseIterable {
    /// Nothing passes unjudged: `451`, come back later.
    case tempfail
    /// Goes on as if the stage were not there, and marks the message.
    case `continue`
    /// Takes the message, for a person to look at.
    case quarantine
}

/// One stage at its place in the chain: one file of `filters.d`.
///
/// Never changed, and handed on at each question: a reference costs less than a copy of all that it has.
public final class Link: Sendable {
    public let number: Int
    /// The file's name, for people: `30-greylist.toml`.
    public let file: String
    public let name: StageName
    /// The stage as the file configures it for everybody.
    public let base: StageVariant
    /// The stage as it is configured for single domains.
    public let domains: [String: StageVariant]
    public let words: Words
    /// The options that stand in each domain's own table.
    private let ownOptions: [String: Set<String>]
    /// Of domains whose tables say the same, the first in order.
    private let equals: [String: String]

    /// The chain's own words in the file.
    public struct Words: Sendable {
        public var only: [Condition] = []
        public var unless: [Condition] = []
        public var onFailure: FailurePolicy = .tempfail
        public var timeout: Interval = "30s"
        /// Judged and traced, not applied.
        public var isObserved = false
        public init() {}
    }

    public init(
        number: Int, file: String, base: StageVariant, domains: [String: StageVariant] = [:], words: Words = Words()
    ) {
        self.number = number
        self.file = file
        self.name = type(of: base.stage).name
        self.base = base
        self.domains = domains
        self.words = words
        ownOptions = domains.mapValues { variant in
            Set(variant.values.filter { base.values[$0.key] != $0.value }.keys)
        }
        var first: [[String: String]: String] = [:]
        var equals: [String: String] = [:]
        for (domain, variant) in domains.sorted(by: { $0.key < $1.key }) {
            let own = variant.values.filter { base.values[$0.key] != $0.value }.mapValues(\.value)
            // Of a variant that does not say what it has nobody knows what it is equal to.
            equals[domain] = own.isEmpty ? domain : first[own, default: domain]
            if first[own] == nil { first[own] = domain }
        }
        self.equals = equals
    }

    /// When the stage is asked.
    public var phases: Set<Phase> { base.phases }

    func asks(in phase: Phase) -> Bool { phases.contains(phase) }

    fileprivate var claims: Bool { type(of: base.stage).effects.contains(.claims) && asks(in: .recipient) }

    /// Whether what it names for a recipient is what it judges by, and not only what a copy looks like.
    var judgesByRecipient: Bool {
        let effects = type(of: base.stage).effects
        return effects.contains(.distinguishesRecipients) && !effects.contains(.dividesCopies) && !changesOnly
    }

    func variant(for domain: String) -> StageVariant { domains.isEmpty ? base : domains[domain] ?? base }

    /// Whether it changes copies and nothing more: recipients for whom it has other values get copies of their own, and
    /// need not come in a transaction of their own, since one reply serves them all.
    var changesOnly: Bool {
        type(of: base.stage).effects.isSubset(of: [.editsHeader, .editsBody, .distinguishesRecipients])
    }

    /// Whose values hold for a domain's mail: itself or one whose table says the same; `nil` for everybody's. Where
    /// this is the same, one verdict serves both.
    func valueScope(for domain: String) -> String? { equals[domain] }

    func ownOptions(of variant: StageVariant) -> Set<String> {
        variant.scope.flatMap { ownOptions[$0] } ?? []
    }

    /// The condition that keeps the stage out of this transaction, if any does.
    func obstacle(in transaction: Transaction) -> String? {
        if let met = words.unless.first(where: { $0.holds(in: transaction) }) { return "unless \(met)" }
        if !words.only.isEmpty, !words.only.contains(where: { $0.holds(in: transaction) }) {
            return "only \(words.only.map(\.description).joined(separator: ", "))"
        }
        return nil
    }
}

/// A stage with one set of values, and where each value comes from.
public final class StageVariant: Sendable {
    public let stage: any Stage
    /// The stage as each phase asks it, where it takes part: to find out at each question costs more than most answers.
    let connect: (any ConnectStage)?
    let hello: (any HelloStage)?
    let sender: (any SenderStage)?
    let recipient: (any RecipientStage)?
    let message: (any MessageStage)?
    /// The domain whose own values these are; `nil` for everybody's.
    public let scope: String?
    /// The origin of each option of the stage.
    public let values: [String: ValueOrigin]
    let phases: Set<Phase>

    public init(_ stage: any Stage, scope: String? = nil, values: [String: ValueOrigin] = [:]) {
        self.stage = stage
        connect = stage as? any ConnectStage
        hello = stage as? any HelloStage
        sender = stage as? any SenderStage
        recipient = stage as? any RecipientStage
        message = stage as? any MessageStage
        self.scope = scope
        self.values = values
        phases = StageVariant.phases(of: type(of: stage))
    }

    /// The phases a kind of stage takes part in: those whose protocols it conforms to.
    public static func phases(of kind: any Stage.Type) -> Set<Phase> {
        var phases: Set<Phase> = []
        if kind is any ConnectStage.Type { phases.insert(.connect) }
        if kind is any HelloStage.Type { phases.insert(.hello) }
        if kind is any SenderStage.Type { phases.insert(.sender) }
        if kind is any RecipientStage.Type { phases.insert(.recipient) }
        if kind is any MessageStage.Type { phases.insert(.message) }
        return phases
    }
}

/// A value that an option has, and who said so.
public struct ValueOrigin: Sendable, Hashable, Codable {
    /// As a person would write it.
    public var value: String
    /// `filters.d/30-greylist.toml:9:12`, or `default`.
    public var origin: String

    public init(value: String, origin: String) {
        self.value = value
        self.origin = origin
    }
}

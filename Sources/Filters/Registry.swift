public import Pipeline

/// One kind of stage: what `stage =` in a file of `filters.d` may name.
public struct StageKind: Sendable {
    public let name: StageName
    public let effects: Effects
    /// When it is asked: the phases whose protocols it conforms to.
    public let phases: Set<Phase>
    /// One line for lists of stages.
    public let summary: String
    /// What its table in `filters.d` is decoded into.
    public let configuration: any (Decodable & Sendable).Type
    /// Makes a stage of a decoded ``configuration``; `nil` if it is a value of another type.
    public let assemble: @Sendable (Any) throws -> (any Stage)?
    /// Makes a stage from its table in `filters.d`.
    public let make: @Sendable (any Decoder) throws -> any Stage

    init<Kind: Stage>(_ kind: Kind.Type, _ summary: String) {
        name = Kind.name
        effects = Kind.effects
        phases = StageVariant.phases(of: Kind.self)
        self.summary = summary
        configuration = Kind.Configuration.self
        assemble = { try ($0 as? Kind.Configuration).map(Kind.init) }
        make = { try Kind(Kind.Configuration(from: $0)) }
    }
}

/// The one table of all stages that this program knows.
public enum Registry {
    public static let all: [StageKind] = [
        StageKind(Access.self, "Who may connect at all, by address"),
        StageKind(EarlyTalker.self, "Clients that speak before they may"),
        StageKind(Iprev.self, "Whether the client's address has a name that leads back to it"),
        StageKind(Rate.self, "How much a client, sender, user or recipient may within a time"),
        StageKind(Helo.self, "Whether the client's name for itself can be its own"),
        StageKind(Size.self, "How large a message may be"),
        StageKind(Senders.self, "Under which names users who have logged in may send"),
        StageKind(RelayDomains.self, "Domains whose mail goes to another server as a whole"),
        StageKind(Transport.self, "Fixed routes of whole domains"),
        StageKind(SRS.self, "Reverse-paths of mail that is forwarded, and the reports that come back to them"),
        StageKind(Relay.self, "Who may send to other servers"),
        StageKind(Recipients.self, "What a local address stands for: mailbox, alias, group"),
        StageKind(Smarthost.self, "Through which server mail leaves, for everybody or a post office"),
        StageKind(SplitDomains.self, "Domains of which another server has a part: who is not here is sought there"),
        StageKind(CatchAll.self, "Mail for addresses that nobody has, to one that its domain names"),
        StageKind(Quota.self, "Mailboxes that are full, told while the sender is on the line"),
        StageKind(SPF.self, "Whether a client may send for the sender's domain"),
        StageKind(DKIMVerify.self, "Which signatures on a message are valid"),
        StageKind(ARC.self, "Whether a chain of seals holds, and whether its sealers are trusted"),
        StageKind(ClamAV.self, "Whether a message carries a virus, coming or going"),
        StageKind(DNSBL.self, "What lists in DNS know of the client and of the domains in a message"),
        StageKind(DMARC.self, "Whether a message is of its From domain, and what the owner wishes if not"),
        StageKind(Results.self, "The one Authentication-Results field"),
        StageKind(Greylist.self, "Strangers come back later"),
        StageKind(SendLimits.self, "How much a mailbox and its post office may send before they are blocked"),
        StageKind(Spam.self, "How much in a message speaks for spam, by rules"),
        StageKind(Rspamd.self, "What rspamd says of a message, as a further source of score"),
        StageKind(Spamassassin.self, "What SpamAssassin says of a message, as a further source of score"),
        StageKind(Policy.self, "What a policy server says, as Postfix asks one"),
        StageKind(Milter.self, "Another program that judges and changes mail, over the milter protocol"),
        StageKind(TraceFields.self, "Our Received field, and the guard against loops"),
        StageKind(HeaderSanity.self, "Whether the header is one, and whether it lies in our name"),
        StageKind(SenderLists.self, "Senders that are allowed or blocked, for everybody, a domain or a mailbox"),
        StageKind(ScoreVerdict.self, "What follows from the score: a delay, the Junk folder, a refusal"),
        StageKind(FooterStage.self, "Footers below what own users send to others, in plain text and HTML"),
        StageKind(DKIMSign.self, "What this server's users write, signed in their domain's name"),
        StageKind(ARCSealing.self, "What goes on to other servers, sealed with what was found here"),
    ]

    /// The kind of that name, if there is one.
    public static func kind(named name: String) -> StageKind? { all.first { $0.name.text == name } }
}

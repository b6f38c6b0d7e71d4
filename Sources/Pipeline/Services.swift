public import MailTypes
public import struct Foundation.Date

/// Whatever answers questions: the living world, or the record of what it once said.
public protocol ServiceSource: Sendable {
    /// The answer, if it is at hand without waiting: most directory questions are.
    func immediate(_ question: Question) -> Answer?
    /// The answer, if need be after a while.
    func answer(_ question: Question) async throws(StageFailure) -> Answer
}

extension ServiceSource {
    public func immediate(_ question: Question) -> Answer? { nil }
}

/// The only door from a stage to the world. Each question and answer becomes a ``Fact`` of the
/// transaction, so that it can be judged again later with no world at all.
public struct Services: Sendable {
    private let source: any ServiceSource
    private let record: FactRecord
    /// Every question is answered by then, or the stage has failed.
    let deadline: ContinuousClock.Instant?

    public init(_ source: any ServiceSource, record: FactRecord = FactRecord()) {
        self.init(source: source, record: record, deadline: nil)
    }

    private init(source: any ServiceSource, record: FactRecord, deadline: ContinuousClock.Instant?) {
        self.source = source
        self.record = record
        self.deadline = deadline
    }

    func until(_ deadline: ContinuousClock.Instant?) -> Services {
        Services(source: source, record: record, deadline: deadline)
    }

    /// What was asked and answered so far.
    public var facts: [Fact] { record.facts }
    var factCount: Int { record.count }

    // MARK: Questions

    public func now() async throws(StageFailure) -> Date {
        guard case .time(let date) = try await ask(.time) else { throw .mismatch }
        return date
    }

    public func meaning(of address: EmailAddress) async throws(StageFailure) -> AddressMeaning {
        guard case .directory(.address(let meaning)) = try await ask(.directory(.address(address))) else {
            throw .mismatch
        }
        return meaning
    }

    public func hostedDomain(_ name: String) async throws(StageFailure) -> HostedDomain? {
        guard case .directory(.domain(let domain)) = try await ask(.directory(.domain(name))) else { throw .mismatch }
        return domain
    }

    public func may(_ mailbox: EmailAddress, sendAs address: EmailAddress) async throws(StageFailure) -> Bool {
        let question = DirectoryQuestion.maySend(mailbox: mailbox, as: address)
        guard case .directory(.maySend(let may)) = try await ask(.directory(question)) else { throw .mismatch }
        return may
    }

    /// What is known of a mailbox that sends; `nil` if there is no such one.
    public func sendStanding(of mailbox: EmailAddress) async throws(StageFailure) -> SendStanding? {
        guard case .directory(.sendStanding(let found)) = try await ask(.directory(.sendStanding(mailbox))) else {
            throw .mismatch
        }
        return found
    }

    public func signing(for domain: String) async throws(StageFailure) -> SigningDomain? {
        guard case .directory(.signing(let signing)) = try await ask(.directory(.signing(domain))) else {
            throw .mismatch
        }
        return signing
    }

    /// The server through which mail of a post office leaves; without one of its own, or for `nil`, everybody's.
    public func smarthost(ofPostOffice name: String?) async throws(StageFailure) -> RelayHost? {
        guard case .directory(.smarthost(let host)) = try await ask(.directory(.smarthost(postOffice: name))) else {
            throw .mismatch
        }
        return host
    }

    /// Where all mail for a domain goes, if that is another server.
    public func relayDomain(_ name: String) async throws(StageFailure) -> RelayDomain? {
        guard case .directory(.relayDomain(let found)) = try await ask(.directory(.relayDomain(name))) else {
            throw .mismatch
        }
        return found
    }

    /// Who else has a part of this domain, or of the one that it is an alias of.
    public func splitDomain(_ name: String) async throws(StageFailure) -> SplitDomain? {
        guard case .directory(.splitDomain(let found)) = try await ask(.directory(.splitDomain(name))) else {
            throw .mismatch
        }
        return found
    }

    /// Whether another server would take mail for an address.
    public func callout(_ question: CalloutQuestion) async throws(StageFailure) -> CalloutReport {
        guard case .callout(let report) = try await ask(.callout(question)) else { throw .mismatch }
        return report
    }

    /// How full a mailbox is, for a message of this size.
    public func fill(of mailbox: EmailAddress, for size: Int) async throws(StageFailure) -> MailboxFill {
        guard case .mailboxRoom(let fill) = try await ask(.mailboxRoom(mailbox, size: size)) else { throw .mismatch }
        return fill
    }

    /// What the directory has of thresholds for this scope, or the nearest around it that it has any for.
    public func thresholds(for scope: PolicyScope) async throws(StageFailure) -> SetThresholds? {
        guard case .directory(.thresholds(let found)) = try await ask(.directory(.thresholds(scope))) else {
            throw .mismatch
        }
        return found
    }

    /// Which of this scope and those around it have allow or block lists, the narrowest first.
    public func listScopes(of scope: PolicyScope) async throws(StageFailure) -> [PolicyScope] {
        guard case .directory(.listScopes(let found)) = try await ask(.directory(.listScopes(scope))) else {
            throw .mismatch
        }
        return found
    }

    /// The entries of lists that are about a message.
    public func listed(_ probe: ListProbe) async throws(StageFailure) -> [ListEntry] {
        guard case .directory(.listed(let found)) = try await ask(.directory(.listed(probe))) else { throw .mismatch }
        return found
    }

    /// The lists of this scope and those around it that have entries which go by a message's author, in the order of
    /// their precedence.
    public func authorLists(of scope: PolicyScope) async throws(StageFailure) -> [SenderList] {
        guard case .directory(.authorLists(let found)) = try await ask(.directory(.authorLists(scope))) else {
            throw .mismatch
        }
        return found
    }

    /// The footers that the directory has for mail from this domain: its post office's, if it is hosted here, and
    /// everybody's.
    public func footers(for domain: String) async throws(StageFailure) -> [SetFooter] {
        guard case .directory(.footers(let found)) = try await ask(.directory(.footers(domain))) else {
            throw .mismatch
        }
        return found
    }

    /// Notes that an entry of a list has changed what becomes of a message.
    public func noteUse(ofListEntry id: Int64) async throws(StageFailure) {
        let now = try await now()
        _ = try await visits(
            .visit(table: ListUse.table, key: ListUse.key(of: id), at: now, lifetime: ListUse.lifetime))
    }

    public func visits(_ question: MemoryQuestion) async throws(StageFailure) -> Visits? {
        guard case .memory(.visit(let visits)) = try await ask(.memory(question)) else { throw .mismatch }
        return visits
    }

    public func count(_ question: MemoryQuestion) async throws(StageFailure) -> Int {
        guard case .memory(.count(let count)) = try await ask(.memory(question)) else { throw .mismatch }
        return count
    }

    public func dns(_ name: String, _ type: DNSQuestion.RecordType) async throws(StageFailure) -> DNSAnswer {
        guard case .dns(let answer) = try await ask(.dns(DNSQuestion(name, type))) else { throw .mismatch }
        return answer
    }

    /// What is to be said of each DKIM-Signature field of the message; `most` of them are looked at.
    public func signatures(on message: Message, most: Int) async throws(StageFailure) -> [SignatureReport] {
        guard case .signatures(let reports) = try await ask(.signatures(MessageHandle(message), most: most)) else {
            throw .mismatch
        }
        return reports
    }

    /// What libspf2 makes of a domain's SPF policy; what it asks DNS for is no fact of its own.
    public func senderPolicy(_ question: SenderPolicyQuestion) async throws(StageFailure) -> SenderPolicyReport {
        guard case .senderPolicy(let report) = try await ask(.senderPolicy(question)) else { throw .mismatch }
        return report
    }

    /// What a virus scanner finds in the message.
    public func scan(_ message: Message, by engine: ScanEngine) async throws(StageFailure) -> ScanReport {
        guard case .scan(let report) = try await ask(.scan(MessageHandle(message), by: engine)) else { throw .mismatch }
        return report
    }

    /// The longest end of `domain` under which anybody may register names, itself if it is one: `co.uk` for
    /// `mail.example.co.uk`. `nil` for what is no domain.
    public func publicSuffix(of domain: String) async throws(StageFailure) -> String? {
        guard case .publicSuffix(let suffix) = try await ask(.publicSuffix(domain)) else { throw .mismatch }
        return suffix
    }

    /// `domain` in lower case and A-labels, as DNS has it; `nil` if it has no such form. RFC 5890 §2.3.
    public func asciiDomain(_ domain: String) async throws(StageFailure) -> String? {
        if domain.utf8.allSatisfy({ $0 < 0x80 }) { return domain.asciiLowercased }
        guard case .asciiDomain(let ascii) = try await ask(.asciiDomain(domain)) else { throw .mismatch }
        return ascii
    }

    /// What lessons say of a message of these tokens, from the widest scope to the narrowest.
    public func lessons(_ tokens: [UInt64], scopes: [LessonScope]) async throws(StageFailure) -> LessonAnswer {
        let question = LessonQuestion(tokens, scopes: scopes)
        guard case .lessons(let answer) = try await ask(.lessons(question)) else { throw .mismatch }
        return answer
    }

    /// Those of `scopes` that have lessons.
    public func lessonScopes(among scopes: [LessonScope]) async throws(StageFailure) -> [LessonScope] {
        guard case .lessonScopes(let found) = try await ask(.lessonScopes(scopes)) else { throw .mismatch }
        return found
    }

    func ask(_ question: Question) async throws(StageFailure) -> Answer {
        let answer: Answer
        if let immediate = source.immediate(question) {
            answer = immediate
        } else {
            do {
                answer = try await Deadline.limit(deadline) { [source] () async throws(StageFailure) in
                    try await source.answer(question)
                }
            } catch { answer = .failure(error) }
        }
        record.append(Fact(question.recorded, answer))
        if case .failure(let failure) = answer { throw failure }
        return answer
    }
}

extension StageFailure {
    /// A service answered another question than the one that was asked: our own bug, told as a failure.
    static let mismatch = StageFailure("a service answered another question than the one asked")
}

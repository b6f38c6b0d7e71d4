public import MailTypes
public import Pipeline
import struct Foundation.Date

/// Signs what this server's own users write, in their domain's name. RFC 6376 §3, §5; RFC 8463; RFC 8301.
///
/// The author's domain decides whose keys sign: one key, or an RSA and an Ed25519 key together. Nothing that edits
/// the message may come behind it.
public struct DKIMSign: MessageStage, EquippedStage {
    public static let name: StageName = "dkim-sign"
    public static let effects: Effects = [.editsHeader, .signs]

    let policy: Configuration
    private let networks: NetworkSet
    private let plan: SigningPlan
    private var tools: (cryptography: any SignatureCryptography, keys: [String: [Signer]])?

    /// An active key under its selector's name.
    struct Signer: Sendable {
        let selector: String
        let key: any SigningKey
    }

    public init(_ configuration: Configuration) {
        policy = configuration
        networks = NetworkSet(configuration.networks)
        plan = SigningPlan(configuration.headers, oversigned: configuration.oversign)
    }

    /// Without a domain it does nothing.
    public var currentEffects: Effects { policy.domains.isEmpty ? [] : Self.effects }

    public var remarks: [String] {
        var remarks: [String] = []
        for (name, domain) in policy.domains.sorted(by: { $0.key < $1.key }) where domain.settings(in: policy).length {
            remarks.append("`length`: whatever is appended to a signed message of \(name) verifies as \(name)'s own")
        }
        if policy.minKeyBits.value < Configuration().minKeyBits.value, !policy.domains.isEmpty {
            remarks.append("`min_key_bits`: RSA keys of less than 2048 bits are within reach of attackers")
        }
        return remarks
    }

    public func equipped(with tools: StageTools) throws -> DKIMSign {
        if let name = SigningPlan.unfit(policy.headers + policy.oversign).first {
            throw SignatureFault("`headers` or `oversign` names \"\(name)\", which changes on the way or is no field")
        }
        guard plan.names.contains(where: { $0.asciiLowercased == "from" }) else {
            throw SignatureFault("`headers` lacks From, without which a signature is none")
        }
        var keys: [String: [Signer]] = [:]
        var mistakes: [String] = []
        for (name, domain) in policy.domains.sorted(by: { $0.key < $1.key }) {
            do throws(SignatureFault) {
                keys[name] = try signers(of: name, domain, tools)
            } catch { mistakes.append(error.description) }
        }
        guard mistakes.isEmpty else { throw SignatureFault(mistakes.joined(separator: "; ")) }
        var stage = self
        stage.tools = (tools.cryptography, keys)
        return stage
    }

    /// The active keys: one, or one of each kind.
    private func signers(
        of name: String, _ domain: DomainSigning, _ tools: StageTools
    ) throws(SignatureFault) -> [Signer] {
        guard domain.sign else { return [] }
        guard (1...2).contains(domain.active.count) else {
            throw SignatureFault("\(name) needs one active selector, or two of which one is RSA and one Ed25519")
        }
        var signers: [Signer] = []
        for selector in domain.active {
            let key = try tools.key(
                domain: name, selector: selector.asciiLowercased, leastBits: policy.minKeyBits.value)
            guard domain.settings(in: policy).algorithm.allows(key.algorithm) else {
                throw SignatureFault("the key \(selector) of \(name) is for \(key.algorithm.rawValue)")
            }
            signers.append(Signer(selector: selector.asciiLowercased, key: key))
        }
        guard Set(signers.map(\.key.algorithm)).count == signers.count else {
            throw SignatureFault(
                "\(name) has two active selectors of one kind; only an RSA and an Ed25519 key go together")
        }
        return signers
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard !policy.domains.isEmpty else { return .none }
        guard let author = Authors.only(of: message.header) else {
            return Finding(note: "not signed: there is not exactly one author")
        }
        guard let (name, domain) = policy.signing(for: author.domain) else {
            return Finding(note: "not signed: no keys for \(author.domain)")
        }
        let settings = domain.settings(in: policy)
        guard domain.sign else { return Finding(decidedBy: ["domains"], note: "not signed: \(name) does not sign") }
        if let obstacle = try await obstacle(to: author, in: transaction) {
            return Finding(decidedBy: [obstacle.key], note: "not signed: \(obstacle.reason)")
        }
        guard let tools, let signers = tools.keys[name] else { throw StageFailure.withoutTools }
        let now = try await transaction.services.now()
        let draft = DKIMDraft(
            domain: name, identity: settings.identity ? author : nil, settings: settings,
            names: plan.names(for: message.header), time: Int(now.timeIntervalSince1970),
            expires: policy.expires.seconds > 0 ? Int(policy.expires.seconds) : nil)
        do throws(CryptographyFailure) {
            let values = try await draft.values(for: message, by: signers, tools.cryptography)
            return Finding(
                edits: values.map { .prependField(name: DKIMDraft.fieldName, value: $0) }, decidedBy: ["domains"],
                note: "signed as \(name) (\(signers.map(\.selector).joined(separator: ", ")))")
        } catch { throw StageFailure("signing failed: \(error.reason)") }
    }

    /// Why nobody signs for this client and author.
    private func obstacle(
        to author: EmailAddress, in transaction: Transaction
    ) async throws(StageFailure) -> (key: String, reason: String)? {
        let session = transaction.session
        if session.language == .internal || networks.contains(session.client) { return nil }
        guard let user = session.user?.mailbox else { return ("networks", "\(session.client) has not logged in") }
        switch policy.users {
        case .none: return ("users", "users' mail is not signed")
        case .any: return nil
        case .entitled:
            let may = try await transaction.services.may(user, sendAs: author)
            return may ? nil : ("users", "\(user) may not write as \(author)")
        }
    }
}

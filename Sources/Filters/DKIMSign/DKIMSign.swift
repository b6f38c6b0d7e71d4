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

    public let policy: Configuration
    private let networks: NetworkSet
    private let plan: SigningPlan
    private var tools: StageTools?
    /// The keys of the domains that the file names.
    private var filed: [String: Signers] = [:]

    /// An active key under its selector's name.
    struct Signer: Sendable {
        let selector: String
        let key: any SigningKey
    }

    /// Who signs.
    private struct Signers {
        var names: [String]
        var ready: [Signer] = []
        /// Why they cannot, where they need not.
        var absence: String?
    }

    public init(_ configuration: Configuration) {
        policy = configuration
        networks = NetworkSet(configuration.networks)
        plan = SigningPlan(configuration.headers, oversigned: configuration.oversign)
    }

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
        guard policy.expires.seconds == 0 || policy.expires.seconds >= 1 else {
            throw SignatureFault("`expires` is \(policy.expires), and counts in seconds; \"0s\" is no end")
        }
        var keys: [String: Signers] = [:]
        var mistakes: [String] = []
        for (name, domain) in policy.domains.sorted(by: { $0.key < $1.key }) {
            do throws(SignatureFault) {
                keys[name] = try signers(of: name, domain, tools)
            } catch { mistakes.append(error.description) }
        }
        guard mistakes.isEmpty else { throw SignatureFault(mistakes.joined(separator: "; ")) }
        var stage = self
        stage.tools = tools
        stage.filed = keys
        return stage
    }

    /// The active keys: one, or one of each kind.
    private func signers(
        of name: String, _ domain: DomainSigning, _ tools: StageTools
    ) throws(SignatureFault) -> Signers {
        var all = Signers(names: domain.active.map(\.asciiLowercased))
        guard domain.sign else { return all }
        guard (1...2).contains(domain.active.count) else {
            throw SignatureFault("\(name) needs one active selector, or two of which one is RSA and one Ed25519")
        }
        var signers: [Signer] = []
        for selector in domain.active {
            let key: any SigningKey
            do throws(SignatureFault) {
                key = try tools.key(
                    domain: name, selector: selector.asciiLowercased, leastBits: policy.minKeyBits.value)
            } catch {
                guard tools.mayLackKeys else { throw error }
                all.absence = error.description
                return all
            }
            guard domain.settings(in: policy).algorithm.allows(key.algorithm) else {
                throw SignatureFault("the key \(selector) of \(name) is for \(key.algorithm.rawValue)")
            }
            signers.append(Signer(selector: selector.asciiLowercased, key: key))
        }
        guard Set(signers.map(\.key.algorithm)).count == signers.count else {
            throw SignatureFault(
                "\(name) has two active selectors of one kind; only an RSA and an Ed25519 key go together")
        }
        all.ready = signers
        return all
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        let stranger = stranger(in: transaction.session)
        // Most of what comes in from outside: the directory is not asked of any name that somebody writes.
        if stranger != nil, policy.domains.isEmpty { return .none }
        guard let author = Authors.only(of: message.header) else {
            return Finding(note: "not signed: there is not exactly one author")
        }
        if let stranger { return stranger.finding }
        let domain = try await transaction.services.asciiDomain(author.domain) ?? author.domain
        let kept = try await transaction.services.signing(for: domain)
        guard let signatory = policy.signatory(for: domain, kept) else {
            return Finding(note: "not signed: no keys for \(author.domain)")
        }
        guard signatory.signs else { return signatory.finding("not signed: \(signatory.silence)") }
        if let obstacle = try await obstacle(to: author, in: transaction) { return obstacle.finding }
        // In i= the domain is as in d=. RFC 8616 §5.
        let identity = EmailAddress(localPart: author.localPart, domain: domain)
        return try await sign(message, of: identity, by: signatory, in: transaction)
    }

    private func sign(
        _ message: Message, of author: EmailAddress, by signatory: Signatory, in transaction: Transaction
    ) async throws(StageFailure) -> Finding {
        guard let tools else { throw StageFailure.withoutTools }
        let signers = try signers(of: signatory, tools)
        guard !signers.names.isEmpty else {
            return signatory.finding("not signed: \(signatory.name) has no active key")
        }
        let now = try await transaction.services.now()
        var finding = signatory.finding("signed as \(signatory.name) (\(signers.names.joined(separator: ", ")))")
        if let absence = signers.absence {
            finding.note = finding.note.map { KeyAbsence.note($0, absence) }
            return finding
        }
        let draft = DKIMDraft(
            domain: signatory.name, identity: signatory.settings.identity ? author : nil,
            settings: signatory.settings, names: plan.names(for: message.header),
            time: Int(now.timeIntervalSince1970),
            expires: policy.expires.seconds > 0 ? Int(policy.expires.seconds) : nil)
        do throws(CryptographyFailure) {
            let values = try await draft.values(for: message, by: signers.ready, tools.cryptography)
            finding.edits = values.map { .prependField(name: DKIMDraft.fieldName, value: $0) }
            return finding
        } catch { throw StageFailure("signing failed: \(error.reason)") }
    }

    /// The keys that sign now.
    private func signers(of signatory: Signatory, _ tools: StageTools) throws(StageFailure) -> Signers {
        switch signatory.keys {
        case .file:
            guard let signers = filed[signatory.name] else { throw StageFailure.withoutTools }
            return signers
        case .directory(let active):
            let allowed = active.filter { signatory.settings.algorithm.allows($0.algorithm) }
            guard allowed.isEmpty == active.isEmpty else {
                throw StageFailure(
                    "no active key of \(signatory.name) is for \(signatory.settings.algorithm.rawValue)")
            }
            var signers = Signers(names: allowed.map(\.name))
            for selector in allowed {
                do throws(CryptographyFailure) {
                    signers.ready.append(try tools.signer(selector, of: signatory.name))
                } catch {
                    guard tools.mayLackKeys else {
                        throw StageFailure(
                            "the active key \(selector.name) of \(signatory.name) cannot be used: \(error.reason)")
                    }
                    signers.absence = error.reason
                }
            }
            return signers
        }
    }

    /// Why nobody signs for this client and author.
    private struct Obstacle {
        let key: String
        let reason: String

        var finding: Finding { Finding(decidedBy: [key], note: "not signed: \(reason)") }
    }

    /// Why nothing of this client's is signed, whoever wrote it.
    private func stranger(in session: Session) -> Obstacle? {
        if session.language == .internal || networks.contains(session.client) { return nil }
        guard session.user != nil else {
            return Obstacle(key: "networks", reason: "\(session.client) has not logged in")
        }
        return policy.users == .none ? Obstacle(key: "users", reason: "users' mail is not signed") : nil
    }

    private func obstacle(
        to author: EmailAddress, in transaction: Transaction
    ) async throws(StageFailure) -> Obstacle? {
        let session = transaction.session
        if session.language == .internal || networks.contains(session.client) { return nil }
        guard policy.users == .entitled, let user = session.user?.mailbox else { return nil }
        let may = try await transaction.services.may(user, sendAs: author)
        return may ? nil : Obstacle(key: "users", reason: "\(user) may not write as \(author)")
    }
}

extension StageTools {
    /// An active key of the directory; its file must hold the very key whose public half the directory knows, which
    /// is the one in DNS.
    fileprivate func signer(
        _ selector: SigningDomain.Selector, of domain: String
    ) throws(CryptographyFailure) -> DKIMSign.Signer {
        let key = try readKeys.key(domain: domain, selector: selector.name, from: keys, cryptography)
        guard SelectorRecord.base64(key.publicKey) == selector.publicKey else {
            throw CryptographyFailure("its file holds another key than the directory knows")
        }
        return DKIMSign.Signer(selector: selector.name, key: key)
    }
}

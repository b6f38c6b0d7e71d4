public import MailTypes
public import Pipeline
import struct Foundation.Date

/// Seals messages that go on to other servers, with what was found here. RFC 8617 §5.1.
///
/// It passes on what the stage `arc` has found of the chain when the message came; where that stage was not asked,
/// as for mail that begins here, nothing is sealed.
public struct ARCSealing: MessageStage, EquippedStage {
    public static let name: StageName = "arc-seal"
    public static let effects: Effects = [.editsHeader, .signs]
    public static let judgesBy = Results.written

    public struct Configuration: Decodable, Sendable {
        /// Which messages are sealed.
        public enum Scope: String, Decodable, Sendable, CaseIterable {
            /// Those of which a copy leaves this server.
            case forwarded
            case all
        }

        /// Whose seal it is; without one nothing is sealed.
        public var domain = ""
        /// The name of the key.
        public var selector = ""
        public var recipients = Scope.forwarded
        /// Fields that are signed, as often as they are there.
        public var headers = [
            "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
            "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "List-ID", "List-Unsubscribe",
            "List-Unsubscribe-Post", "List-Post", "DKIM-Signature",
        ]
        /// A smaller RSA key is refused.
        public var minKeyBits: BoundedInt<KeyBitsBounds> = 2048

        public init() {}
    }

    public let policy: Configuration
    private let plan: SigningPlan
    private var tools: (cryptography: any SignatureCryptography, key: any SigningKey)?
    /// Why there is no key, where there need not be one.
    private var absence: String?

    public init(_ configuration: Configuration) {
        policy = configuration
        plan = SigningPlan(configuration.headers)
    }

    /// Without a key it does nothing.
    public var currentEffects: Effects { policy.domain.isEmpty ? [] : Self.effects }

    public func equipped(with tools: StageTools) throws -> ARCSealing {
        guard policy.domain.isEmpty == policy.selector.isEmpty else {
            throw SignatureFault("`domain` and `selector` belong together")
        }
        if let name = SigningPlan.unfit(policy.headers).first {
            throw SignatureFault("`headers` names \"\(name)\", which changes on the way or is no field")
        }
        guard plan.names.contains(where: { $0.asciiLowercased == "from" }) else {
            throw SignatureFault("`headers` lacks From")
        }
        guard !policy.domain.isEmpty else { return self }
        var stage = self
        do throws(SignatureFault) {
            let key = try tools.key(
                domain: policy.domain.asciiLowercased, selector: policy.selector, leastBits: policy.minKeyBits.value)
            stage.tools = (tools.cryptography, key)
        } catch {
            guard tools.mayLackKeys else { throw error }
            stage.absence = error.description
        }
        return stage
    }

    public func message(_ message: Message, in transaction: Transaction) async throws(StageFailure) -> Finding {
        guard !policy.domain.isEmpty else { return .none }
        guard policy.recipients == .all || transaction.recipients.contains(where: \.leavesThisServer) else {
            return Finding(decidedBy: ["recipients"], note: "not sealed: no copy leaves this server")
        }
        guard let found = transaction.authentication.entries.last(where: { $0.method == "arc" }) else {
            return Finding(note: "not sealed: the stage arc has not looked at it")
        }
        guard let status = ChainStatus(rawValue: found.result.rawValue) else {
            return Finding(note: "not sealed: the chain is \(found.result.rawValue)")
        }
        guard let next = Self.nextInstance(after: message.header, status) else {
            return Finding(note: "not sealed: the chain has ended before")
        }
        guard message.header["From"] != nil else { return Finding(note: "not sealed: there is no From field to sign") }
        let claim = "sealed as \(policy.domain), set \(next), cv=\(status.rawValue)"
        if let absence { return Finding(decidedBy: ["domain", "selector"], note: KeyAbsence.note(claim, absence)) }
        guard let tools else { throw StageFailure.withoutTools }
        let now = try await transaction.services.now()
        let sealer = Sealer(
            policy: policy, plan: plan, cryptography: tools.cryptography, key: tools.key,
            time: Int(now.timeIntervalSince1970))
        let fields = try await sealer.fields(for: message, status, instance: next, in: transaction)
        return Finding(
            edits: fields.map { .prependField(name: $0.kind.name, value: $0.value) },
            decidedBy: ["domain", "selector"], note: claim)
    }

    /// One more than the highest there is. `nil` where a sealer has called the chain broken already, where it is
    /// full, or where it is not what it was when it came. RFC 8617 §5.1.
    private static func nextInstance(after header: Header, _ status: ChainStatus) -> Int? {
        if status == .none { return header.fields.contains { ARCField($0) != nil } ? nil : 1 }
        if let chain = try? ARCChain(header) {
            guard chain.sets.last?.seal.status != .fail else { return nil }
            return chain.sets.count < ARCChain.mostSets ? chain.sets.count + 1 : nil
        }
        // No chain at all, only fields of one: what has a number is left behind.
        guard status == .fail else { return nil }
        let hasEnded = header.fields(named: "ARC-Seal").contains { field in
            (try? MessageSignature.tags(of: field))?.text("cv") == ChainStatus.fail.rawValue
        }
        if hasEnded { return nil }
        let instances = header.fields.compactMap { field -> Int? in
            switch ARCField(field) {
            case nil: nil
            case .results: ARCField.resultsInstance(field.rawValue)
            case .signature, .seal:
                (try? MessageSignature.tags(of: field)).flatMap { try? ARCField.instance($0) }
            }
        }
        let highest = instances.max() ?? 0
        return highest < ARCChain.mostSets ? highest + 1 : nil
    }
}

extension Recipient {
    /// Whether a copy goes to another server.
    fileprivate var leavesThisServer: Bool {
        destinations.contains { destination in
            switch destination.route {
            case .exchanger, .host: true
            case .mailbox, .discard: false
            }
        }
    }
}

/// Makes the three fields of a set. RFC 8617 §5.1.
struct Sealer {
    struct Field {
        let kind: ARCField
        let value: String
        var made: HeaderField { HeaderField(name: kind.name, value: value) }
    }

    let policy: ARCSealing.Configuration
    let plan: SigningPlan
    let cryptography: any SignatureCryptography
    let key: any SigningKey
    let time: Int

    /// In the order in which they are put on top of the header.
    func fields(
        for message: Message, _ status: ChainStatus, instance: Int, in transaction: Transaction
    ) async throws(StageFailure) -> [Field] {
        let found = Results.results(in: transaction).value(authservID: transaction.hostname)
        let results = Field(kind: .results, value: "i=\(instance); \(found)")
        do throws(CryptographyFailure) {
            let digest = try await BodyDigest.of(message.body, .relaxed, cryptography)
            let signature = try signature(of: message.header, digest, instance)
            let seal = try seal(over: message.header, results, signature, status, instance)
            return [results, signature, seal]
        } catch { throw StageFailure("sealing failed: \(error.reason)") }
    }

    private func signature(
        of header: Header, _ digest: BodyDigest, _ instance: Int
    ) throws(CryptographyFailure) -> Field {
        var writer = begin(instance)
        let names = plan.names(for: header)
        writer.add("c", "relaxed/relaxed")
        writer.add(signed: names)
        writer.add("bh", digest.value)
        let octets = SignedFields.canonicalized(names, of: header, .relaxed)
        let value = try writer.signed(octets, name: ARCField.signature.name, .relaxed, by: key)
        return Field(kind: .signature, value: value)
    }

    /// Over all sets; of a broken chain only over the new one, since nobody could say what the others are.
    /// RFC 8617 §5.1.1, §5.1.2.
    private func seal(
        over header: Header, _ results: Field, _ signature: Field, _ status: ChainStatus, _ instance: Int
    ) throws(CryptographyFailure) -> Field {
        var octets: [UInt8] = []
        if status == .pass, let chain = try? ARCChain(header) {
            for set in chain.sets {
                for field in [set.results, set.signature.field, set.seal.field] {
                    HeaderCanonicalization.append(field, .relaxed, to: &octets)
                }
            }
        }
        HeaderCanonicalization.append(results.made, .relaxed, to: &octets)
        HeaderCanonicalization.append(signature.made, .relaxed, to: &octets)
        var writer = begin(instance)
        writer.add("cv", status.rawValue)
        return Field(kind: .seal, value: try writer.signed(octets, name: ARCField.seal.name, .relaxed, by: key))
    }

    private func begin(_ instance: Int) -> SignatureWriter {
        var writer = SignatureWriter()
        writer.add("i", "\(instance)")
        writer.add("a", key.algorithm.rawValue)
        writer.add("d", policy.domain.asciiLowercased)
        writer.add("s", policy.selector)
        writer.add("t", "\(time)")
        return writer
    }
}

extension ARCSealing.Configuration {
    enum CodingKeys: String, CodingKey {
        case domain, selector, recipients, headers
        case minKeyBits = "min_key_bits"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        domain = table.value(.domain, default: domain)
        selector = table.value(.selector, default: selector)
        recipients = table.value(.recipients, default: recipients)
        headers = table.value(.headers, default: headers)
        minKeyBits = table.value(.minKeyBits, default: minKeyBits)
    }
}

import MailTypes
import Pipeline

/// What a sealer found of the chain before it. RFC 8617 §4.4.
enum ChainStatus: String, Sendable, Hashable {
    case none, pass, fail
}

/// A seal over all sets up to its own: ARC-Seal. RFC 8617 §4.1.3.
struct ARCSeal: Sendable, Hashable {
    let base: SignatureBase
    let field: HeaderField
    let status: ChainStatus

    init(_ field: HeaderField, _ tags: TagList) throws(SignatureFault) {
        self.field = field
        base = try SignatureBase(tags)
        guard let status = tags.text("cv").flatMap(ChainStatus.init) else {
            throw SignatureFault("cv= is missing, or not known")
        }
        self.status = status
        guard tags["h"] == nil else { throw SignatureFault("there is an h=, which a seal must not have") }
    }
}

/// What one intermediary has added: its results, its signature over the message, its seal. RFC 8617 §4.2.
struct ARCSet: Sendable, Hashable {
    let instance: Int
    let results: HeaderField
    let signature: MessageSignature
    let seal: ARCSeal

    /// Who has sealed.
    var sealer: String { seal.base.domain }
}

/// The sets of a message in order, the oldest first. RFC 8617 §4.2.
struct ARCChain: Sendable, Hashable {
    /// Instances are at most this. RFC 8617 §4.2.1.
    static let mostSets = 50

    let sets: [ARCSet]

    /// The three fields of a set as they are found.
    private struct Parts {
        var results: HeaderField?
        var signature: MessageSignature?
        var seal: ARCSeal?
    }

    /// `nil`: there is no field of ARC at all. Throws if the fields make no chain. RFC 8617 §5.2.
    init?(_ header: Header) throws(SignatureFault) {
        var parts: [Int: Parts] = [:]
        for field in header.fields {
            guard let kind = ARCField(field) else { continue }
            do throws(SignatureFault) {
                let instance = try Self.put(field, kind, into: &parts)
                guard instance <= Self.mostSets else { throw SignatureFault("i= is more than \(Self.mostSets)") }
            } catch { throw SignatureFault("\(kind.name): \(error)") }
        }
        if parts.isEmpty { return nil }
        var sets: [ARCSet] = []
        for instance in 1...parts.count {
            guard
                let part = parts[instance], let results = part.results, let signature = part.signature,
                let seal = part.seal
            else { throw SignatureFault("set \(instance) is not whole") }
            sets.append(ARCSet(instance: instance, results: results, signature: signature, seal: seal))
        }
        self.sets = sets
    }

    private static func put(
        _ field: HeaderField, _ kind: ARCField, into parts: inout [Int: Parts]
    ) throws(SignatureFault) -> Int {
        let twice = SignatureFault("there are two of one instance")
        switch kind {
        case .results:
            guard let instance = ARCField.resultsInstance(field.rawValue) else {
                throw SignatureFault("i= is not first")
            }
            guard parts[instance]?.results == nil else { throw twice }
            parts[instance, default: Parts()].results = field
            return instance
        case .signature:
            let tags = try MessageSignature.tags(of: field)
            let instance = try ARCField.instance(tags)
            guard parts[instance]?.signature == nil else { throw twice }
            parts[instance, default: Parts()].signature = try MessageSignature(field, .arc, tags)
            return instance
        case .seal:
            let tags = try MessageSignature.tags(of: field)
            let instance = try ARCField.instance(tags)
            guard parts[instance]?.seal == nil else { throw twice }
            parts[instance, default: Parts()].seal = try ARCSeal(field, tags)
            return instance
        }
    }

    /// What the seal at `place` covers: all sets up to it, each as results, signature, seal. RFC 8617 §5.1.1.
    func sealedOctets(at place: Int) -> [UInt8] {
        var octets: [UInt8] = []
        for set in sets.prefix(place + 1) {
            HeaderCanonicalization.append(set.results, .relaxed, to: &octets)
            HeaderCanonicalization.append(set.signature.field, .relaxed, to: &octets)
            if set.instance == place + 1 {
                HeaderCanonicalization.appendSignature(set.seal.field, .relaxed, to: &octets)
            } else {
                HeaderCanonicalization.append(set.seal.field, .relaxed, to: &octets)
            }
        }
        return octets
    }
}

/// The three fields of a set. RFC 8617 §4.1.
enum ARCField: CaseIterable {
    case results, signature, seal

    var name: String {
        switch self {
        case .results: "ARC-Authentication-Results"
        case .signature: "ARC-Message-Signature"
        case .seal: "ARC-Seal"
        }
    }

    init?(_ field: HeaderField) {
        guard let kind = Self.allCases.first(where: { field.isNamed($0.name) }) else { return nil }
        self = kind
    }

    // instance = [CFWS] %s"i" [CFWS] "=" [CFWS] 1*2DIGIT [CFWS]
    static func instance(_ tags: TagList) throws(SignatureFault) -> Int {
        guard let instance = tags["i"]?.decimal(digits: 2), instance > 0 else {
            throw SignatureFault("i= is missing, or no instance")
        }
        return instance
    }

    // arc-authres-header = instance ";" authres-payload
    static func resultsInstance(_ value: ArraySlice<UInt8>) -> Int? {
        let beginning = value.prefix { $0 != UInt8(ascii: ";") }
        guard beginning.endIndex < value.endIndex else { return nil }
        let words = beginning.split(separator: UInt8(ascii: "="), omittingEmptySubsequences: false)
        guard
            words.count == 2, Array(words[0].trimmingFoldingSpace) == [UInt8(ascii: "i")],
            let instance = words[1].trimmingFoldingSpace.decimal(digits: 2), instance > 0
        else { return nil }
        return instance
    }
}

import Foundation
import MailTypes
import Pipeline

/// What a chain of seals is worth. RFC 8617 §5.2.
struct ARCOutcome: Sendable, Hashable {
    /// `none`, `pass`, `fail` or `temperror`.
    var result: AuthenticationResults.Result
    var reason: String?
    /// The sets, the oldest first; empty where they make no chain.
    var sets: [ARCSet] = []
    /// The lowest instance whose signature still holds without a break; 0 if all of them do. RFC 8617 §5.2, step 5.
    var oldestPass: Int?
}

/// Validates the chain of one message. RFC 8617 §5.2.
struct ARCValidation {
    private let message: Message
    private let mostSets: Int
    private var verifier: SignatureVerifier
    /// Seconds since 1970, once somebody had to know.
    private var now: Int?

    init(_ message: Message, _ verifier: SignatureVerifier, mostSets: Int) {
        self.message = message
        self.mostSets = mostSets
        self.verifier = verifier
    }

    mutating func outcome() async throws(StageFailure) -> ARCOutcome {
        let chain: ARCChain
        do throws(SignatureFault) {
            guard let found = try ARCChain(message.header) else { return ARCOutcome(result: .none) }
            chain = found
        } catch { return ARCOutcome(result: .fail, reason: "\(error)") }
        guard chain.sets.count <= mostSets else {
            return ARCOutcome(result: .fail, reason: "there are more than \(mostSets) sets")
        }
        if let trouble = try await trouble(of: chain) {
            return ARCOutcome(result: trouble.result, reason: trouble.reason, sets: chain.sets)
        }
        let oldest = try await oldestPass(of: chain)
        return ARCOutcome(result: .pass, sets: chain.sets, oldestPass: oldest)
    }

    private mutating func trouble(
        of chain: ARCChain
    ) async throws(StageFailure) -> (result: AuthenticationResults.Result, reason: String)? {
        guard let newest = chain.sets.last else { return nil }
        if newest.seal.status == .fail { return (.fail, "the sealer of set \(newest.instance) has found it broken") }
        for set in chain.sets where set.seal.status != (set.instance == 1 ? .none : .pass) {
            return (.fail, "set \(set.instance) says cv=\(set.seal.status.rawValue)")
        }
        switch try await check(newest.signature) {
        case .pass: break
        case .fail(let reason): return (.fail, "signature \(newest.instance): \(reason)")
        case .unknown(let reason): return (.temperror, "signature \(newest.instance): \(reason)")
        }
        for place in chain.sets.indices.reversed() {
            switch try await check(chain.sets[place].seal, of: chain.sealedOctets(at: place)) {
            case .pass: continue
            case .fail(let reason): return (.fail, "seal \(place + 1): \(reason)")
            case .unknown(let reason): return (.temperror, "seal \(place + 1): \(reason)")
            }
        }
        return nil
    }

    private mutating func oldestPass(of chain: ARCChain) async throws(StageFailure) -> Int {
        var oldest = chain.sets.count
        for set in chain.sets.dropLast().reversed() {
            guard case .pass = try await check(set.signature) else { return oldest }
            oldest = set.instance
        }
        return 0
    }
}

// What holds for the times of DKIM's signatures holds for those over a message. RFC 8617 §4.1.2, RFC 6376 §3.5.
extension ARCValidation {
    /// Seconds that a sealer's clock may be ahead of ours: as many as for DKIM.
    static let mostAhead = 300

    private mutating func check(_ signature: MessageSignature) async throws(StageFailure) -> SignatureOutcome {
        if let fault = try await fault(of: signature.base.time, signature.expiry) { return .fail(fault) }
        return try await verifier.check(signature)
    }

    /// A seal never expires: it has a `t=` and no `x=`, which is as any other unknown tag there. RFC 8617 §4.1.3.
    private mutating func check(_ seal: ARCSeal, of octets: [UInt8]) async throws(StageFailure) -> SignatureOutcome {
        if let fault = try await fault(of: seal.base.time, nil) { return .fail(fault) }
        return try await verifier.check(seal.base, of: octets)
    }

    private mutating func fault(of time: Int?, _ expiry: Int?) async throws(StageFailure) -> String? {
        guard time != nil || expiry != nil else { return nil }
        let now = try await readClock()
        if let expiry, expiry < now { return "it has expired" }
        if let time, time - Self.mostAhead > now { return "its t= lies ahead of us" }
        return nil
    }

    private mutating func readClock() async throws(StageFailure) -> Int {
        if let now { return now }
        let read = Int(try await verifier.services.now().timeIntervalSince1970)
        now = read
        return read
    }
}

/// Whose word is taken for what the message was before it was changed. RFC 8617 §7.2.1, §9.
enum ARCTrust {
    /// What a trusted sealer has seen of DMARC.
    struct Verdict: Sendable, Hashable {
        var sealer: String
        var result: AuthenticationResults.Result
    }

    /// The verdict of one of the trusted sealers that a passing chain ends with: of the first that has found a pass,
    /// otherwise of the first that has looked.
    ///
    /// All sealers behind that one must be trusted, too: a set can be taken from one message and put on another by
    /// whoever comes after it. A verdict that does not name today's author's domain says nothing. Nor does any where
    /// the last signature leaves From (RFC 6376 §5.4) or the end of the body (§8.2) open: a chain holds without, and
    /// proves nothing of what an author says.
    static func verdict(of outcome: ARCOutcome, trusted: Set<String>, author: [String]) -> Verdict? {
        guard outcome.result == .pass, !author.isEmpty, let last = outcome.sets.last?.signature, last.signs("From"),
            last.length == nil
        else { return nil }
        let run = outcome.sets.reversed().prefix { trusted.contains($0.sealer) }
        let verdicts = run.reversed().compactMap { verdict(of: $0, on: author) }
        return verdicts.first { $0.result == .pass } ?? verdicts.first
    }

    private static func verdict(of set: ARCSet, on author: [String]) -> Verdict? {
        let results = ParsedAuthenticationResults(set.results).results.entries.filter { $0.method == "dmarc" }
        guard
            results.count == 1, let found = results.first,
            // Some write the whole address.
            let seen = found["header.from"]?.asciiLowercased.utf8.split(separator: UInt8(ascii: "@")).last,
            author.contains(where: { $0.utf8.elementsEqual(seen) })
        else { return nil }
        return Verdict(sealer: set.sealer, result: found.result)
    }
}

import MailTypes
import Pipeline

/// What came out for one domain of the From field.
struct DMARCOutcome: Sendable, Hashable {
    var domain: String
    /// `none`: there is no record. `permerror`: there are several, or it cannot be read.
    var result: AuthenticationResults.Result
    /// What the owner wishes for this message, which has failed.
    var wish: DMARCRecord.Policy?
    /// The domain has neither addresses nor mail exchangers, and nothing speaks for it.
    var isUnknown = false
    /// In words, for header and trace.
    var reason: String?
    /// The record that held, the domain it stands at, and what has passed for an aligned domain: `spf`, `dkim`.
    var record: DMARCRecord?
    var place: String?
    var proofs: Set<String> = []
}

/// Finds a domain's policy, and whether anything proves that the message is the domain's. RFC 7489 §6.6.
struct DMARCEvaluation: Sendable {
    let identifiers: [DMARCIdentifier]
    /// 0 to 99, one number per message: below a record's `pct` the policy is meant for it. RFC 7489 §6.6.4.
    let sample: Int
    let services: Services

    private enum Discovery {
        case found(DMARCRecord, at: String)
        case nothing
        case broken(String)
    }

    func outcome(for written: String) async -> DMARCOutcome {
        do throws(StageFailure) {
            guard let domain = try await services.asciiDomain(written) else {
                let reason = "\(written) is no domain"
                return DMARCOutcome(domain: written, result: .permerror, isUnknown: true, reason: reason)
            }
            return try await judge(domain)
        } catch {
            return DMARCOutcome(domain: written, result: .temperror, reason: error.reason)
        }
    }

    private func judge(_ domain: String) async throws(StageFailure) -> DMARCOutcome {
        let alignment = try await DMARCAlignment(of: domain, services: services)
        switch try await discover(domain, alignment.organization) {
        case .broken(let reason):
            return DMARCOutcome(domain: domain, result: .permerror, reason: reason)
        case .nothing:
            let isProven = try await !proofs(alignment, .relaxed, .relaxed).isEmpty
            let isUnknown = isProven ? false : await isMissing(domain)
            let reason = isUnknown ? "no such domain" : nil
            return DMARCOutcome(domain: domain, result: .none, isUnknown: isUnknown, reason: reason)
        case .found(let record, let place):
            var outcome = try await judge(alignment, by: record, at: place)
            (outcome.record, outcome.place) = (record, place)
            return outcome
        }
    }

    private func judge(
        _ alignment: DMARCAlignment, by record: DMARCRecord, at place: String
    ) async throws(StageFailure) -> DMARCOutcome {
        let domain = alignment.domain
        let proofs = try await self.proofs(alignment, record.spfAlignment, record.dkimAlignment)
        guard proofs.isEmpty else { return DMARCOutcome(domain: domain, result: .pass, proofs: proofs) }
        // A later attempt might prove it. RFC 7489 §11.2.
        if try await !self.proofs(alignment, record.spfAlignment, record.dkimAlignment, .temperror).isEmpty {
            return DMARCOutcome(domain: domain, result: .temperror, reason: "SPF or DKIM had no answer from DNS")
        }
        let isUnknown = place == domain ? false : await isMissing(domain)
        var wish = place == domain ? record.policy : record.subdomainPolicy ?? record.policy
        if isUnknown, let missing = record.missingPolicy { wish = missing }
        return DMARCOutcome(
            domain: domain, result: .fail, wish: sample < record.percentage ? wish : wish.milder, isUnknown: isUnknown,
            reason: explanation)
    }

    // MARK: - Proof

    /// The methods that have come to `result` for an aligned domain.
    private func proofs(
        _ alignment: DMARCAlignment, _ spf: DMARCRecord.Alignment, _ dkim: DMARCRecord.Alignment,
        _ result: AuthenticationResults.Result = .pass
    ) async throws(StageFailure) -> Set<String> {
        var proofs: Set<String> = []
        for identifier in identifiers where identifier.result == result && !proofs.contains(identifier.method) {
            let mode = identifier.method == "spf" ? spf : dkim
            if try await alignment.holds(for: identifier.domain, mode) { proofs.insert(identifier.method) }
        }
        return proofs
    }

    /// What SPF and DKIM have found, for who must mend it.
    private var explanation: String {
        let passed = identifiers.filter { $0.result == .pass }
        guard passed.isEmpty else {
            let names = passed.prefix(Self.longestExplanation).map { "\($0.method)=pass for \($0.domain)" }
            return names.joined(separator: ", ") + ", not aligned"
        }
        let found = identifiers.prefix(Self.longestExplanation).map { "\($0.method)=\($0.result.rawValue)" }
        return found.isEmpty ? "neither SPF nor DKIM" : found.joined(separator: ", ")
    }

    /// Identifiers that an explanation names.
    private static let longestExplanation = 4

    // MARK: - Policy

    /// RFC 7489 §6.6.3.
    private func discover(_ domain: String, _ organization: String?) async throws(StageFailure) -> Discovery {
        var place = domain
        var records = try await self.records(of: domain)
        if records.isEmpty, let organization, organization != domain {
            place = organization
            records = try await self.records(of: organization)
        }
        guard let text = records.first else { return .nothing }
        guard records.count == 1 else { return .broken("_dmarc.\(place) has \(records.count) records") }
        do throws(DMARCRecord.SyntaxError) {
            return .found(try DMARCRecord(text), at: place)
        } catch {
            return .broken("the record of _dmarc.\(place) \(error.isMissing ? "lacks" : "is wrong at") \(error.tag)")
        }
    }

    private func records(of domain: String) async throws(StageFailure) -> [[UInt8]] {
        guard case .records(let records, _) = try await services.dns("_dmarc.\(domain)", .txt) else { return [] }
        return records.compactMap { record in
            if case .text(let octets) = record, DMARCRecord.isRecord(octets) { octets } else { nil }
        }
    }

    /// Neither mail exchangers nor addresses; where DNS does not answer it is taken to be there. RFC 7489 §A.4.
    private func isMissing(_ domain: String) async -> Bool {
        for type in [DNSQuestion.RecordType.mx, .a, .aaaa] {
            switch try? await services.dns(domain, type) {
            case .noName: return true
            case .records, nil: return false
            case .noData: continue
            }
        }
        return true
    }
}

extension DMARCRecord.Policy {
    /// For those messages that the policy is not meant for. RFC 7489 §6.6.4.
    fileprivate var milder: Self { self == .reject ? .quarantine : .none }
}

extension TransactionID {
    /// A number from 0 to 99 that is this message's own, and the same whenever it is judged.
    var sample: Int {
        // FNV-1a, and one more turn so that every bit counts: the id's chance, spread.
        let hash = text.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let mixed = (hash ^ (hash >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        return Int((mixed ^ (mixed >> 33)) % 100)
    }
}

import MailTypes
import Pipeline
import struct Foundation.Date

/// Who is checked. RFC 7208 §2.3, §2.4.
struct SPFIdentity: Sendable, Hashable {
    var client: IPAddress
    /// The HELO or EHLO name, as it was said.
    var hello: String
    /// The sender's local part; `postmaster` for a HELO identity. RFC 7208 §4.3.
    var localPart: String
    /// The domain whose policy is asked first.
    var domain: String
    /// This server, for `%{r}`.
    var receiver: String

    /// Whether the domain can have a policy at all: several labels of 1 to 63 octets, 253 in all, none of them a
    /// U-label, and no address literal. RFC 7208 §4.3.
    var isCheckable: Bool {
        let labels = domain.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let named = labels.last?.isEmpty ?? false ? labels.dropLast() : labels[...]
        return named.count > 1 && domain.utf8.count <= 253 && domain.utf8.allSatisfy { $0 < 0x80 }
            && domain.utf8.first != UInt8(ascii: "[") && named.allSatisfy { (1...63).contains($0.count) }
    }
}

/// What came out.
struct SPFOutcome: Sendable, Hashable {
    var result: AuthenticationResults.Result
    /// What decided: a term of a record, or what is wrong.
    var reason: String?
    /// The words of the domain's owner for a `fail`. RFC 7208 §6.2.
    var explanation: String?
    /// A pass that nearly everybody would have: `+all`, or a network with hardly a bit.
    var permitsAnybody = false
    /// Who says so, where it is not the record.
    var authority: String?

    /// The identity is not of a kind that is checked. RFC 7208 §4.3.
    static let noName = SPFOutcome(result: .none, reason: "no domain name")
}

/// One check: check_host(). RFC 7208 §4.
///
/// DNS is asked through the services, so a check can be repeated from what was answered.
struct SPFEvaluation {
    /// The end of a check before its time.
    enum Stop: Error, Hashable {
        case temporary(String)
        case permanent(String)
    }

    let identity: SPFIdentity
    let services: Services
    let limits: SPFLimits
    private var lookups = 0
    private var voidLookups = 0
    /// What passes has matched a term that nearly everybody matches.
    private var permitsAnybody = false
    /// `%{p}`, once it was asked for.
    private var clientName: [UInt8]?

    /// What was found on one level: the domain whose record matched, and its `exp=`.
    private struct Match {
        var result: AuthenticationResults.Result
        var term: String
        var domain: String
        var explanation: MacroString?
    }

    init(_ identity: SPFIdentity, services: Services, limits: SPFLimits = SPFLimits()) {
        self.identity = identity
        self.services = services
        self.limits = limits
    }

    mutating func outcome() async -> SPFOutcome {
        guard identity.isCheckable else { return .noName }
        do throws(Stop) {
            guard let match = try await check(identity.domain) else {
                return SPFOutcome(result: .none, reason: "no record")
            }
            var outcome = SPFOutcome(result: match.result, reason: match.term)
            outcome.permitsAnybody = match.result == .pass && permitsAnybody
            if match.result == .fail, let explanation = match.explanation {
                outcome.explanation = await explain(explanation, for: match.domain)
            }
            return outcome
        } catch {
            switch error {
            case .temporary(let reason): return SPFOutcome(result: .temperror, reason: reason)
            case .permanent(let reason): return SPFOutcome(result: .permerror, reason: reason)
            }
        }
    }

    // MARK: - Records

    /// The match of a domain's policy; `nil` where it has none. Recursion ends with the lookups. RFC 7208 §4.4 to §4.7.
    private mutating func check(_ domain: String) async throws(Stop) -> Match? {
        guard let record = try await record(of: domain) else { return nil }
        for directive in record.directives where try await matches(directive.mechanism, domain) {
            if directive.result == .pass, directive.mechanism.isForAnybody { permitsAnybody = true }
            return Match(
                result: directive.result, term: directive.text, domain: domain, explanation: record.explanation)
        }
        guard let redirect = record.redirect else {
            return Match(result: .neutral, term: "no mechanism matches", domain: domain)
        }
        try countLookup("redirect")
        let target = try await name(redirect, domain)
        guard let match = try await check(target) else { throw .permanent("redirect=\(target) has no record") }
        return match
    }

    private mutating func record(of domain: String) async throws(Stop) -> SPFRecord? {
        let texts = try await texts(domain)
        guard texts.reduce(0, { $0 + $1.count }) <= limits.text else {
            throw .permanent("\(domain) has more than \(limits.text) octets of text")
        }
        let found = texts.filter(SPFRecord.isRecord)
        guard found.count < 2 else { throw .permanent("\(domain) has \(found.count) records") }
        guard let text = found.first else { return nil }
        do throws(SPFRecord.SyntaxError) {
            return try SPFRecord(text)
        } catch {
            throw .permanent("\(domain): cannot be read at \(error.term)")
        }
    }

    private func texts(_ name: String) async throws(Stop) -> [[UInt8]] {
        try await ask(name, .txt).compactMap { if case .text(let octets) = $0 { octets } else { nil } }
    }

    // MARK: - Mechanisms

    /// RFC 7208 §5.
    private mutating func matches(_ mechanism: SPFRecord.Mechanism, _ domain: String) async throws(Stop) -> Bool {
        if let target = mechanism.target, target.needsLocalPart, identity.localPart.utf8.contains(where: { $0 >= 0x80 })
        {
            // No name in DNS can be of such a local part. RFC 8616 §4.
            return false
        }
        switch mechanism {
        case .all: return true
        case .nobody: return false
        case .network(let base, let bits): return isClient(in: base, bits: bits)
        case .include(let target): return try await includes(target, domain)
        case .a(let target, let prefixes):
            try countLookup("a")
            let host = try await name(target, domain)
            return try await addresses(host, isVoidCounted: true).contains { isClient(near: $0, prefixes) }
        case .mx(let target, let prefixes): return try await exchanges(target, domain, prefixes)
        case .ptr(let target):
            try countLookup("ptr")
            let wanted = try await name(target, domain)
            return try await validatedNames().contains { Self.isName($0, within: wanted) }
        case .exists(let target):
            try countLookup("exists")
            // Of type A whatever the client has. RFC 7208 §5.7.
            return try await !asked(name(target, domain), .a).isEmpty
        }
    }

    /// RFC 7208 §5.2.
    private mutating func includes(_ target: MacroString, _ domain: String) async throws(Stop) -> Bool {
        try countLookup("include")
        let included = try await name(target, domain)
        guard let match = try await check(included) else { throw .permanent("include:\(included) has no record") }
        return match.result == .pass
    }

    /// RFC 7208 §5.4.
    private mutating func exchanges(
        _ target: MacroString?, _ domain: String, _ prefixes: SPFRecord.Prefixes
    ) async throws(Stop) -> Bool {
        try countLookup("mx")
        let records = try await asked(name(target, domain), .mx)
        guard records.count <= limits.names else { throw .permanent("more than \(limits.names) MX hosts") }
        for case .exchanger(_, let host) in records {
            let addresses = try await addresses(host, isVoidCounted: false)
            if addresses.contains(where: { isClient(near: $0, prefixes) }) { return true }
        }
        return false
    }

    private func isClient(near address: IPAddress, _ prefixes: SPFRecord.Prefixes) -> Bool {
        isClient(in: address, bits: address.isIPv6 ? prefixes.ipv6 : prefixes.ipv4)
    }

    private func isClient(in base: IPAddress, bits: Int) -> Bool {
        identity.client.isIPv6 == base.isIPv6 && identity.client.network(bits: bits) == base.network(bits: bits)
    }

    /// The client's names whose addresses lead back to it. What fails is passed over. RFC 7208 §5.5.
    private func validatedNames() async throws(Stop) -> [String] {
        guard let records = try? await ask(identity.client.reverseName, .ptr) else { return [] }
        var validated: [String] = []
        for case .name(let name) in records.prefix(limits.names) {
            let found = (try? await ask(name, identity.client.addressType)) ?? []
            if found.contains(.address(identity.client)) { validated.append(name.withoutFinalDot) }
        }
        return validated
    }

    private static func isName(_ name: String, within domain: String) -> Bool {
        let (name, domain) = (name.asciiLowercased, domain.asciiLowercased)
        return name == domain || name.hasSuffix(".\(domain)")
    }

    // MARK: - DNS

    private mutating func countLookup(_ term: String) throws(Stop) {
        lookups += 1
        guard lookups <= limits.lookups else { throw .permanent("more than \(limits.lookups) lookups, at \(term)") }
    }

    private mutating func addresses(_ host: String, isVoidCounted: Bool) async throws(Stop) -> [IPAddress] {
        let type = identity.client.addressType
        let records = isVoidCounted ? try await asked(host, type) : try await ask(host, type)
        return records.compactMap { if case .address(let address) = $0 { address } else { nil } }
    }

    /// Asks for a term, and counts an answer with nothing in it. RFC 7208 §4.6.4.
    private mutating func asked(_ name: String, _ type: DNSQuestion.RecordType) async throws(Stop) -> [DNSRecord] {
        let records = try await ask(name, type)
        if records.isEmpty {
            voidLookups += 1
            guard voidLookups <= limits.voidLookups else {
                throw .permanent("more than \(limits.voidLookups) lookups without an answer, at \(name)")
            }
        }
        return records
    }

    private func ask(_ name: String, _ type: DNSQuestion.RecordType) async throws(Stop) -> [DNSRecord] {
        do throws(StageFailure) {
            guard case .records(let records, _) = try await services.dns(name.withoutFinalDot, type) else { return [] }
            return records
        } catch {
            throw .temporary("\(name) \(type): \(error.reason)")
        }
    }

    // MARK: - Macros

    /// The name that a term is about: its own, or the current domain. RFC 7208 §4.8.
    private mutating func name(_ target: MacroString?, _ domain: String) async throws(Stop) -> String {
        guard let target else { return domain }
        let octets = try await expand(target, domain, asName: true)
        // From the left labels go until it is short enough. RFC 7208 §7.3.
        var name = String(decoding: octets, as: UTF8.self).withoutFinalDot[...]
        while name.utf8.count > 253 {
            guard let dot = name.firstIndex(of: ".") else { break }
            name = name[name.index(after: dot)...]
        }
        // What is too long still has no record, and need not be kept whole in the trace.
        return String(name.prefix(254))
    }

    /// The explanation of a `fail`; whatever goes wrong, there is none. RFC 7208 §6.2.
    private mutating func explain(_ target: MacroString, for domain: String) async -> String? {
        guard let host = try? await name(target, domain), let texts = try? await texts(host), texts.count == 1,
            let text = MacroString(texts[0], for: .explanation),
            let octets = try? await expand(text, domain, asName: false),
            octets.allSatisfy({ $0 < 0x80 })
        else { return nil }
        return String(decoding: octets, as: UTF8.self)
    }

    /// Octets of an expansion that are made: of a name the last, of an explanation the first. A record of 64 KiB could
    /// ask for megabytes.
    private static let longestExpansion = 4096

    private mutating func expand(_ string: MacroString, _ domain: String, asName: Bool) async throws(Stop) -> [UInt8] {
        if string.needsClientName, clientName == nil { clientName = try await findClientName(domain) }
        var parts: [[UInt8]] = []
        var count = 0
        for piece in asName ? string.pieces.reversed() : string.pieces {
            let part: [UInt8] =
                switch piece {
                case .literal(let text): text
                case .macro(let macro): macro.transformed(try await value(macro.letter, domain))
                }
            parts.append(part)
            count += part.count
            if count >= Self.longestExpansion { break }
        }
        return Array((asName ? parts.reversed() : parts).joined())
    }

    /// RFC 7208 §7.2.
    private func value(_ letter: UInt8, _ domain: String) async throws(Stop) -> [UInt8] {
        switch letter {
        case UInt8(ascii: "s"): Array("\(identity.localPart)@\(identity.domain)".utf8)
        case UInt8(ascii: "l"): Array(identity.localPart.utf8)
        case UInt8(ascii: "o"): Array(identity.domain.utf8)
        case UInt8(ascii: "d"): Array(domain.utf8)
        case UInt8(ascii: "i"): identity.client.dottedDigits
        case UInt8(ascii: "p"): clientName ?? Array("unknown".utf8)
        case UInt8(ascii: "v"): Array((identity.client.isIPv6 ? "ip6" : "in-addr").utf8)
        case UInt8(ascii: "h"): Array(identity.hello.utf8)
        case UInt8(ascii: "c"): Array(identity.client.description.utf8)
        case UInt8(ascii: "r"): Array(identity.receiver.utf8)
        case UInt8(ascii: "t"): Array(try await seconds().utf8)
        default: []
        }
    }

    private func seconds() async throws(Stop) -> String {
        do throws(StageFailure) {
            return String(Int(try await services.now().timeIntervalSince1970))
        } catch {
            throw .temporary(error.reason)
        }
    }

    /// A validated name of the client: the domain itself if it is one, else one below it, else any. RFC 7208 §7.3.
    private mutating func findClientName(_ domain: String) async throws(Stop) -> [UInt8] {
        try countLookup("%{p}")
        let names = try await validatedNames()
        let chosen =
            names.first { $0.asciiLowercased == domain.asciiLowercased }
            ?? names.first { Self.isName($0, within: domain) } ?? names.first
        return Array((chosen ?? "unknown").utf8)
    }
}

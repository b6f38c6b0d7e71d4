import MailTypes
public import Pipeline

/// What a domain publishes as its MTA-STS policy. RFC 8461 §3.2.
public struct MTASTSPolicy: Sendable, Hashable {
    public enum Mode: String, Sendable, Hashable, Codable {
        case enforce, testing, none
    }

    /// As its TXT record names it. RFC 8461 §3.1.
    public var id: String
    public var mode: Mode
    /// How long it may be used after it was fetched, in seconds.
    public var maxAge: Int
    /// Patterns of exchangers: a name, or `*.` and one.
    public var exchangers: [String]
    /// As it was published, line by line, without unknown ones.
    public var lines: [String]

    /// Octets of a policy that are read; real ones have some hundred. RFC 8461 §3.3 asks for at most 64 KB.
    public static let largest = 64 << 10
    /// A year: longer ones count as that. RFC 8461 §3.2.
    static let longestAge = 31_557_600
    /// Patterns that are kept.
    private static let mostExchangers = 500

    /// Why it is none.
    public struct Malformed: Error, Hashable, Sendable {
        public let reason: String
    }

    /// Reads the text of a policy. Unknown keys are passed over; of a key that must not be repeated the first counts.
    public init(_ octets: [UInt8], id: String) throws(Malformed) {
        var values: [String: String] = [:]
        var exchangers: [String] = []
        var lines: [String] = []
        for line in octets.split(whereSeparator: { $0 == .lf || $0 == .cr }) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
                if line.allSatisfy(\.isBlank) { continue }
                throw Malformed(reason: "a line without a colon")
            }
            guard line.allSatisfy({ $0.isBlank || $0.isVisible }) else {
                throw Malformed(reason: "a line that is not ASCII")
            }
            let key = Self.text(line[..<colon]).asciiLowercased
            let value = Self.text(line[(colon + 1)...])
            guard ["version", "mode", "max_age", "mx"].contains(key) else { continue }
            if key == "mx" {
                guard exchangers.count < Self.mostExchangers else { throw Malformed(reason: "too many mx") }
                exchangers.append(value.asciiLowercased)
            } else if values[key] == nil {
                values[key] = value
            } else {
                continue
            }
            lines.append("\(key): \(value)")
        }
        guard values["version"] == "STSv1" else { throw Malformed(reason: "no version: STSv1") }
        guard let mode = values["mode"].flatMap(Mode.init(rawValue:)) else { throw Malformed(reason: "no known mode") }
        guard let digits = values["max_age"], (1...10).contains(digits.utf8.count),
            digits.utf8.allSatisfy(\.isDigit), let age = Int(digits)
        else { throw Malformed(reason: "no max_age") }
        guard mode == .none || !exchangers.isEmpty else { throw Malformed(reason: "no mx") }
        self.id = id
        self.mode = mode
        self.maxAge = min(age, Self.longestAge)
        self.exchangers = exchangers
        self.lines = lines
    }

    /// Whether a host is one of its exchangers; `*.` stands for one label. RFC 8461 §4.1.
    public func allows(_ host: String) -> Bool {
        let host = host.asciiLowercased
        let parent = host.firstIndex(of: ".").map { host[$0...] }
        return exchangers.contains { pattern in
            pattern.hasPrefix("*.") ? parent.map { $0 == pattern.dropFirst() } ?? false : pattern == host
        }
    }

    private static func text(_ octets: ArraySlice<UInt8>) -> String {
        let start = octets.drop(while: \.isBlank)
        let end = start.lastIndex { !$0.isBlank }.map { $0 + 1 } ?? start.startIndex
        return String(decoding: start[start.startIndex..<end], as: UTF8.self)
    }
}

/// The `id` of a TXT record at `_mta-sts`. RFC 8461 §3.1.
public enum MTASTSRecord {
    /// The id, if there is just one record of MTA-STS and it has one.
    public static func id(in texts: [[UInt8]]) -> String? {
        let records = texts.filter { text in
            text.starts(with: "v=STSv1".utf8) && (text.dropFirst(7).first { !$0.isBlank } ?? 0) == UInt8(ascii: ";")
        }
        guard records.count == 1, let record = records.first else { return nil }
        for field in record.split(separator: UInt8(ascii: ";")) {
            let parts = field.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].filter({ !$0.isBlank }).elementsEqual("id".utf8) else { continue }
            let id = parts[1].filter { !$0.isBlank }
            let isFine = (1...32).contains(id.count) && id.allSatisfy { $0.isDigit || $0.isLetter }
            return isFine ? String(decoding: id, as: UTF8.self) : nil
        }
        return nil
    }
}

extension UInt8 {
    fileprivate var isLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) }
}

/// What is known of a domain's MTA-STS policy.
public enum MTASTSFinding: Sendable, Hashable {
    /// It has none.
    case none
    case policy(MTASTSPolicy)
    /// It says that it has one, which cannot be had, and none is kept; in the words of reports, and for people.
    case failure(PolicyFault, String)

    public enum PolicyFault: Sendable, Hashable {
        /// It could not be fetched.
        case fetch
        /// What was fetched is none.
        case invalid
        /// The web server has no certificate for it.
        case web

        /// In the words of reports. RFC 8460 §4.3.2.2.
        public var result: TLSFailure.Result {
            switch self {
            case .fetch: .policyFetch
            case .invalid: .policyInvalid
            case .web: .policyWeb
            }
        }
    }

    /// Why a host may not be spoken to.
    func obstacle(to host: String, of domain: String, isRequired: Bool) -> Reply? {
        switch self {
        case .policy(let policy) where policy.mode == .enforce:
            if policy.allows(host) { return nil }
            return Reply(
                451, .securityOther,
                "\(host) is not an exchanger of \(domain) by its MTA-STS policy \(policy.id)")
        case .policy, .none, .failure:
            guard isRequired else { return nil }
            let reason = if case .failure(_, let text) = self { ": \(text)" } else { "" }
            return Reply(
                451, .securityOther, "MTA-STS is required for \(domain), which has no policy in force\(reason)")
        }
    }

    /// What there is of it, for reports: a policy that cannot be had has no lines.
    func published(_ domain: String) -> PublishedPolicy {
        switch self {
        case .none: PublishedPolicy(.none, domain: domain)
        case .policy(let policy):
            PublishedPolicy(.sts, domain: domain, text: policy.lines, exchangers: policy.exchangers)
        case .failure: PublishedPolicy(.sts, domain: domain)
        }
    }

    /// What is wrong with it, or with a host by it.
    func faults(of host: String) -> [TLSFailure] {
        switch self {
        case .none: []
        case .failure(let fault, let reason): [TLSFailure(fault.result, reason: reason)]
        case .policy(let policy):
            policy.mode == .none || policy.allows(host)
                ? [] : [TLSFailure(.other, reason: "\(host) is no mx of the policy")]
        }
    }
}

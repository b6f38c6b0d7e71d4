public import Pipeline
public import struct Foundation.Date

/// A pair of keys that a domain signs with, or did, or will: its public half. RFC 6376 §3.1.
public struct SelectorEntry: Sendable, Hashable, Codable {
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// Made, and has never signed.
        case prepared
        case active
        /// Has signed: its record stays published as long as such mail is on its way.
        case retired
    }

    public var domain: String
    /// In lower case.
    public var name: String
    public var algorithm: SignatureAlgorithm
    public var bits: Int
    /// `p=`, in base64.
    public var publicKey: String
    /// `t=y`
    public var isTest: Bool
    /// `g=`
    public var granularity: String?
    /// `n=`
    public var notes: String?
    public var state: State
    public var created: Date
    /// When it was activated last.
    public var activated: Date?
    /// When it was retired last; `nil` while it is active.
    public var retired: Date?

    /// The name of its TXT record. RFC 6376 §3.6.2.1.
    public var recordName: String { "\(name)._domainkey.\(domain)" }
}

/// A selector that is to be kept.
public struct NewSelector: Sendable, Hashable {
    public var name: String
    public var algorithm: SignatureAlgorithm
    public var bits: Int
    /// `p=`, in base64.
    public var publicKey: String
    public var isTest = false
    public var granularity: String?
    public var notes: String?

    public init(name: String, algorithm: SignatureAlgorithm, bits: Int, publicKey: String) {
        self.name = name
        self.algorithm = algorithm
        self.bits = bits
        self.publicKey = publicKey
    }
}

/// All that the directory knows of a domain's signatures.
public struct SigningEntry: Sendable, Hashable, Codable {
    public var domain: String
    /// Whether mail of the domain is taken; otherwise none is signed.
    public var isEnabled: Bool
    public var settings: SigningSettings
    /// In the order in which they were made.
    public var selectors: [SelectorEntry]

    /// Whether the directory says who signs, rather than the stage's file: from the first activation on.
    public var counts: Bool { selectors.contains { $0.state != .prepared } }

    /// Why a selector must not be activated: words that go on from its name.
    public func obstacle(toActivating selector: SelectorEntry) -> String? {
        guard selector.state != .active else { return "signs for \(domain) already" }
        guard let only = settings.algorithm, only != selector.algorithm else { return nil }
        return "is for \(selector.algorithm.rawValue), and \(domain) signs with \(only.rawValue) alone"
            + " (sluice dkim settings)"
    }
}

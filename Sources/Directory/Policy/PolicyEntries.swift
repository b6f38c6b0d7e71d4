public import Pipeline
public import struct Foundation.Date

/// Thresholds that the directory has for somebody, and who set them.
public struct ThresholdsEntry: Sendable, Hashable, Codable {
    public var scope: PolicyScope
    public var thresholds: Thresholds
    public var author: String
    public var changed: Date
    /// The entry of the audit log that made them so.
    public var audit: Int64

    public init(scope: PolicyScope, thresholds: Thresholds, author: String, changed: Date, audit: Int64) {
        self.scope = scope
        self.thresholds = thresholds
        self.author = author
        self.changed = changed
        self.audit = audit
    }
}

/// A list's entry that is to be made, as a person typed it.
public struct NewListEntry: Sendable, Hashable {
    public var action: ListEntry.Action
    /// A domain, an address, an IP address or a network.
    public var sender: String
    public var match = ListEntry.Match.headerFrom
    public var needs = ListEntry.Proof.none
    public var reason: String?
    public var ends: Date?

    public init(_ action: ListEntry.Action, _ sender: String) {
        self.action = action
        self.sender = sender
    }
}

/// What the audit log shows of thresholds.
struct ThresholdsRecord: Codable {
    var `defer`: Double
    var junk: Double
    var reject: Double

    init(_ thresholds: Thresholds) {
        self.defer = thresholds.defer
        junk = thresholds.junk
        reject = thresholds.reject
    }
}

/// What the audit log shows of a list's entry.
struct ListRecord: Codable {
    var entry: Int64
    var list: String
    var sender: String
    var match: String?
    var needs: String
    var reason: String?
    var ends: Date?

    init(_ entry: ListEntry) {
        self.entry = entry.id
        list = entry.action.rawValue
        sender = entry.sender.description
        match = entry.sender.isNetwork ? nil : entry.match.rawValue
        needs = entry.needs.rawValue
        reason = entry.reason
        ends = entry.ends
    }
}

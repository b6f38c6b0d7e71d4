public import Foundation
import MailTypes
public import Pipeline

/// What one domain's owner is told of a day's sessions with its exchangers. RFC 8460 §4.
public struct TLSReport: Sendable {
    /// Who reports, and of which time.
    public struct Cover: Sendable {
        public var organization: String
        /// Where somebody may ask more.
        public var contact: String
        public var begin: Date
        /// The last second.
        public var end: Date

        public init(organization: String, contact: String, begin: Date, end: Date) {
            self.organization = organization
            self.contact = contact
            self.begin = begin
            self.end = end
        }
    }

    public let domain: String
    /// One for each policy that was found in that time, those with the most sessions first.
    public let tallies: [TLSTally]

    public init(domain: String, tallies: [TLSTally]) {
        self.domain = domain
        self.tallies = tallies.sorted {
            ($1.sessions, $0.policy.kind.rawValue, $0.policy.domain, $0.policy.text.joined())
                < ($0.sessions, $1.policy.kind.rawValue, $1.policy.domain, $1.policy.text.joined())
        }
    }

    /// The reports of many domains, those with the most sessions first.
    public static func reports(on tallies: [TLSTally]) -> [TLSReport] {
        Dictionary(grouping: tallies, by: \.domain).map { TLSReport(domain: $0.key, tallies: $0.value) }
            .sorted { ($1.sessions, $0.domain) < ($0.sessions, $1.domain) }
    }

    public var succeeded: Int { tallies.reduce(0) { $0 + $1.succeeded } }
    public var failed: Int { tallies.reduce(0) { $0 + $1.failed } }
    public var sessions: Int { succeeded + failed }

    /// The name of this report, which no other report of the same server has.
    public func id(_ cover: Cover) -> String {
        "\(Int(cover.begin.timeIntervalSince1970)).\(Int(cover.end.timeIntervalSince1970)).\(domain)"
    }

    /// The report as it is sent, before it is compressed. RFC 8460 §4.4.
    public func json(_ cover: Cover) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(Document(self, cover)))
    }
}

extension TLSTally {
    public var sessions: Int { succeeded + failed }

    /// Failures in an order, the most frequent first.
    public var sortedFailures: [(failure: TLSFailure, count: Int)] {
        func order(_ failure: TLSFailure) -> [String] {
            let addresses = [failure.address, failure.source].map { $0?.description ?? "" }
            return [failure.result.rawValue, failure.host ?? "", failure.reason ?? "", failure.hello ?? ""] + addresses
        }
        return failures.map { (failure: $0.key, count: $0.value) }.sorted { left, right in
            if left.count != right.count { return left.count > right.count }
            return order(left.failure).lexicographicallyPrecedes(order(right.failure))
        }
    }
}

/// The report with the names that RFC 8460 §4.4 gives its parts.
private struct Document: Encodable {
    let organizationName: String
    let dateRange: Range
    let contactInfo: String
    let reportID: String
    let policies: [Entry]

    enum CodingKeys: String, CodingKey {
        case organizationName = "organization-name"
        case dateRange = "date-range"
        case contactInfo = "contact-info"
        case reportID = "report-id"
        case policies
    }

    init(_ report: TLSReport, _ cover: TLSReport.Cover) {
        organizationName = cover.organization
        dateRange = Range(begin: cover.begin.formatted(.iso8601), end: cover.end.formatted(.iso8601))
        contactInfo = cover.contact
        reportID = report.id(cover)
        policies = report.tallies.map(Entry.init)
    }

    struct Range: Encodable {
        let begin: String
        let end: String

        enum CodingKeys: String, CodingKey {
            case begin = "start-datetime"
            case end = "end-datetime"
        }
    }

    struct Entry: Encodable {
        let policy: Policy
        let summary: Summary
        /// Left away where nothing has failed.
        let failures: [Failure]?

        enum CodingKeys: String, CodingKey {
            case policy, summary
            case failures = "failure-details"
        }

        init(_ tally: TLSTally) {
            policy = Policy(tally.policy)
            summary = Summary(succeeded: tally.succeeded, failed: tally.failed)
            let all = tally.sortedFailures.map { Failure($0.failure, $0.count) }
            failures = all.isEmpty ? nil : all
        }
    }

    struct Policy: Encodable {
        let kind: String
        /// Left away where there is none.
        let text: [String]?
        let domain: String
        let exchangers: [String]?

        enum CodingKeys: String, CodingKey {
            case kind = "policy-type"
            case text = "policy-string"
            case domain = "policy-domain"
            case exchangers = "mx-host"
        }

        init(_ policy: PublishedPolicy) {
            kind = policy.kind.rawValue
            text = policy.text.isEmpty ? nil : policy.text
            domain = policy.domain
            exchangers = policy.exchangers.isEmpty ? nil : policy.exchangers
        }
    }

    struct Summary: Encodable {
        let succeeded: Int
        let failed: Int

        enum CodingKeys: String, CodingKey {
            case succeeded = "total-successful-session-count"
            case failed = "total-failure-session-count"
        }
    }

    struct Failure: Encodable {
        let result: String
        let source: String?
        let host: String?
        let hello: String?
        let address: String?
        let count: Int
        let reason: String?

        enum CodingKeys: String, CodingKey {
            case result = "result-type"
            case source = "sending-mta-ip"
            case host = "receiving-mx-hostname"
            case hello = "receiving-mx-helo"
            case address = "receiving-ip"
            case count = "failed-session-count"
            case reason = "failure-reason-code"
        }

        init(_ failure: TLSFailure, _ count: Int) {
            result = failure.result.rawValue
            source = failure.source?.description
            host = failure.host
            hello = failure.hello
            address = failure.address?.description
            self.count = count
            reason = failure.reason
        }
    }
}

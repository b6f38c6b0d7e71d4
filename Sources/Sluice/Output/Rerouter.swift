import Directory
import Foundation
import MailTypes
import Pipeline
import Queue

/// Finds the routes that recipients of queued messages would get by the chain and the directory as they are now.
struct Rerouter {
    let trial: RouteTrial

    init(directory: MailDirectory, chain: Chain, hostname: String) {
        trial = RouteTrial(directory: directory, chain: chain, hostname: hostname)
    }

    /// What a queue is to change of one message, and what people are told of it.
    struct Plan {
        /// As ``MailQueue/reroute(_:_:now:)`` takes it.
        var changes: [Int: [QueueRecipient]] = [:]
        var report: RerouteReport
    }

    func plan(_ listing: QueueListing) async throws(StageFailure) -> Plan {
        var plan = Plan(report: RerouteReport(id: listing.id.description))
        // A copy that somebody in the message gets anyway is not added for somebody else.
        var present = Set(listing.recipients.map { Copy(key: $0.recipient.address.key, route: $0.recipient.route) })
        for (number, one) in listing.recipients.enumerated() {
            switch one.progress.status {
            case .delivered, .failed: continue
            case .claimed: plan.report.add(number, one.recipient, .busy)
            case .waiting:
                switch try await way(of: one.recipient, from: listing.sender) {
                case .refused(let reason): plan.report.add(number, one.recipient, .kept, reason: reason)
                case .found(var copies):
                    let rest = copies.dropFirst().filter { present.insert(Copy($0)).inserted }
                    copies = Array(copies.prefix(1)) + rest
                    guard copies != [one.recipient] else {
                        plan.report.add(number, one.recipient, .same)
                        continue
                    }
                    plan.changes[number] = copies
                    plan.report.add(number, one.recipient, .changed, after: copies)
                }
            }
        }
        return plan
    }

    private struct Copy: Hashable {
        var key: String
        var route: Route

        init(key: String, route: Route) { (self.key, self.route) = (key, route) }
        init(_ recipient: QueueRecipient) { self.init(key: recipient.address.key, route: recipient.route) }
    }

    private enum Way {
        case found([QueueRecipient])
        case refused(String)
    }

    /// From the address that the recipient has by now, after aliases and groups: whoever left those since has his copy
    /// all the same, and nobody gets a second one.
    private func way(
        of recipient: QueueRecipient, from sender: EmailAddress?
    ) async throws(StageFailure) -> Way {
        let session = try await session(of: recipient, from: sender)
        let trace = await trial.judge(to: recipient.address, from: sender, session)
        let refusal = trace.replies.first { !$0.isPositive } ?? trace.refused.first?.reply
        if let refusal { return .refused("\(refusal)") }
        let destinations = trace.recipients.flatMap(\.destinations)
        guard !destinations.isEmpty else { return .refused("no stage has a route for it") }
        // The sender's path is the whole message's, and no stage has seen the copy that would leave under another.
        guard destinations.allSatisfy({ $0.reversePath == nil || $0.reversePath == sender }) else {
            return .refused("it would leave under another reverse-path")
        }
        return .found(
            destinations.map {
                QueueRecipient(
                    $0.address, said: recipient.said, route: $0.route, disposition: recipient.disposition)
            })
    }

    /// As the sender's mailbox, if it is one here; what an address here sends on, as that; all else as what this
    /// server writes itself: that it was taken is decided.
    private func session(
        of recipient: QueueRecipient, from sender: EmailAddress?
    ) async throws(StageFailure) -> Session {
        if let user = try await trial.mailbox(of: sender) {
            return RouteTrial.session(.submission, Self.client, of: user)
        }
        let said = recipient.said.address
        if said.key != recipient.address.key, try await trial.hosts(said.domain) {
            return RouteTrial.session(.submission, Self.client, of: said)
        }
        return RouteTrial.session(.internal, Self.client, of: nil)
    }

    /// Of a network for documentation: nobody's.
    private static let client: IPAddress = "192.0.2.1"
}

/// What has become of the routes of one message, for people and programs.
struct RerouteReport: Codable, Sendable {
    enum Outcome: String, Codable, Sendable {
        case changed
        /// The route is the one that it has.
        case same
        /// It would be refused now, or cannot be changed here; it keeps its route.
        case kept
        /// It is being tried just now.
        case busy
    }

    struct Recipient: Codable, Sendable {
        /// Its place in the message.
        var number: Int
        var address: String
        var before: String
        /// Each with the address there, where that is another one.
        var after: [String]
        var outcome: Outcome
        var reason: String?
    }

    var id: String
    /// Those who wait, or are being tried.
    var recipients: [Recipient] = []

    init(id: String) { self.id = id }

    mutating func add(
        _ number: Int, _ old: QueueRecipient, _ outcome: Outcome, after: [QueueRecipient] = [], reason: String? = nil
    ) {
        let after = after.map {
            $0.address == old.address ? $0.route.words : "\($0.address) by \($0.route.words)"
        }
        recipients.append(
            Recipient(
                number: number, address: old.address.description, before: old.route.words, after: after,
                outcome: outcome, reason: reason))
    }

    /// Whoever was to be changed, and was not, was taken for an attempt in between.
    mutating func note(changed: [Int]) {
        for place in recipients.indices
        where recipients[place].outcome == .changed && !changed.contains(recipients[place].number) {
            recipients[place].outcome = .busy
            recipients[place].after = []
        }
    }

    func count(_ outcome: Outcome) -> Int { recipients.count { $0.outcome == outcome } }

    var text: String {
        let lines = recipients.map { one in
            let words =
                switch one.outcome {
                case .changed: "\(one.before) -> \(one.after.joined(separator: ", "))"
                case .same: "\(one.before), as before"
                case .kept: "keeps \(one.before): \(one.reason ?? "")"
                case .busy: "\(one.before), is being tried just now"
                }
            return "  \(Terminal.harmless(one.address))  \(Terminal.harmless(words))"
        }
        return ([Terminal.styled(id, .bold)] + lines).joined(separator: "\n")
    }
}

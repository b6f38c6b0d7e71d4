import Logging
import MailTypes
import NIOCore
import Protocols
import Queue

/// Delivers works of one destination, one after the other, over one connection where it can.
///
/// Confined to one task.
final class RemoteWorker {
    private let destination: QueueDestination
    private let surroundings: RemoteSurroundings
    private let policy = DeliveryFailurePolicy.self
    private var connection: SMTPConnection?
    /// What the open connection is good enough for.
    private var need = SecurityNeed.usual
    /// What the admin asked of exchangers when it was opened.
    private var tlsPolicy: TLSPolicy?
    /// Messages over the open connection.
    private var delivered = 0
    /// Why there is no host for the destination, while that is believed.
    private var nowhere: (failure: RoutingFailure, until: ContinuousClock.Instant)?

    /// How long a worker believes that a destination has no hosts.
    private static let memory = Duration.seconds(60)

    init(_ destination: QueueDestination, _ surroundings: RemoteSurroundings) {
        self.destination = destination
        self.surroundings = surroundings
    }

    var isConnected: Bool { connection?.isOpen ?? false }

    func close() {
        connection?.quit()
        connection = nil
    }

    /// One attempt for each recipient of a work.
    /// - Returns: what came of it; `trouble`: why no host can be talked to just now, if it is so.
    func attempt(_ message: QueuedMessage, _ claimed: [Work.Recipient]) async -> (
        attempts: [Attempt], trouble: Reply?
    ) {
        var round = Round(message: message, claimed: claimed)
        if round.glance.received > surroundings.options.maxReceived {
            return (claimed.map { Attempt(claimed: $0, result: .failed(policy.tooManyHops)) }, nil)
        }
        if let connection, connection.isOpen, need >= round.need, tlsPolicy == tlsPolicyNow {
            // The server may have got tired of the connection meanwhile: that is nobody's failure.
            var waiting = round.groups
            await transact(over: connection, &round, &waiting, isReused: true)
        }
        // What was said over it to others is theirs alone.
        guard let open = round.remaining.first else { return (round.attempts(), nil) }
        let policyBefore = tlsPolicyNow
        let targets: [Target]
        do throws(RoutingFailure) {
            targets = try await findTargets(for: round.need)
        } catch {
            let reply = policy.reply(on: error)
            round.note(.init(reply: reply, triesNextHost: false), host: nil)
            // What is final is so for everything that waits: it fares likewise, one message after the other.
            return (round.attempts(), reply.isTemporary ? reply : nil)
        }
        var hasSpoken = false
        var unspoken: Set<String> = []
        for target in targets where !round.remaining.isEmpty {
            var waiting = round.groups
            if let obstacle = target.decision?.obstacle {
                close()
                // It has one reason, however many addresses.
                if unspoken.insert(target.name).inserted { surroundings.report(unspoken: target) }
                let verdict = DeliveryFailurePolicy.Verdict(reply: obstacle, triesNextHost: true)
                round.note(verdict, for: waiting.flatMap(\.self), host: target.host)
                continue
            }
            do throws(SMTPClientFailure) {
                repeat {
                    close()
                    let connection = try await surroundings.connect(to: target)
                    hasSpoken = true
                    self.connection = connection
                    need = round.need
                    tlsPolicy = policyBefore
                    delivered = 0
                    await transact(over: connection, &round, &waiting, isReused: false)
                } while isFull && !waiting.isEmpty
            } catch {
                let verdict = policy.verdict(on: error, need: round.need)
                round.note(verdict, for: waiting.flatMap(\.self), host: target.host)
            }
        }
        let attempts = round.attempts()
        let untold = attempts.first { $0.claimed.number == open }
        // What one message needs more than others says nothing about those.
        guard !hasSpoken, round.need == .usual, case .deferred(let reply) = untold?.result else {
            return (attempts, nil)
        }
        return (attempts, reply)
    }

    /// What the admin asks of exchangers: a reload may have changed it.
    private var tlsPolicyNow: TLSPolicy? {
        guard case .exchanger(let domain) = destination else { return nil }
        return surroundings.hooks.tlsPolicy(domain)
    }

    /// The hosts of the destination. That there are none for good is not asked for again for a while, so that many
    /// messages to a domain which is not there end with one look.
    private func findTargets(for need: SecurityNeed) async throws(RoutingFailure) -> [Target] {
        if let nowhere, nowhere.until > .now { throw nowhere.failure }
        do throws(RoutingFailure) {
            return try await surroundings.finder.targets(of: destination, need: need)
        } catch {
            if policy.reply(on: error).isPermanent { nowhere = (error, .now + Self.memory) }
            throw error
        }
    }

    // MARK: Transactions

    /// The open connection has had as many messages as it may have.
    private var isFull: Bool { delivered >= surroundings.options.maxMessagesPerConnection }

    /// Hands the message to one group after the other, until the connection ends or is full.
    /// - Parameter waiting: groups that are to come; what is left of them has not been tried.
    private func transact(
        over connection: SMTPConnection, _ round: inout Round, _ waiting: inout [ArraySlice<Int>], isReused: Bool
    ) async {
        var most = min(surroundings.options.maxRecipients, connection.maxRecipients ?? .max)
        while !isFull, connection.isOpen, let next = waiting.popLast() {
            let group = Array(next.prefix(most))
            if group.count < next.count { waiting.append(next.dropFirst(group.count)) }
            let result = await connection.deliver(round.transaction(for: group), round.content(for: group))
            delivered += 1
            for (number, outcome) in zip(group, result.outcomes) {
                if isReused, outcome.isStaleConnection { continue }
                round.note(outcome, for: number, host: connection.host, reports: result.passedDSN)
            }
            let left = zip(group, result.outcomes).filter(\.1.isTooMany).map(\.0)
            // RFC 5321 §4.5.3.1.10. Each transaction must bring the message to somebody, so this ends.
            guard !left.isEmpty, result.outcomes.contains(where: \.isAccepted) else { continue }
            waiting.insert(left[...], at: 0)
            most = group.count - left.count
        }
        if isFull || !connection.isOpen { close() }
    }
}

/// One attempt under way: who has an outcome, and what the hosts said to the others.
private struct Round {
    let message: QueuedMessage
    let glance: HeaderGlance
    private let claimed: [Work.Recipient]
    private var settled: [Int: Attempt] = [:]
    private var verdicts: [Int: (verdict: DeliveryFailurePolicy.Verdict, host: RemoteHost?)] = [:]

    init(message: QueuedMessage, claimed: [Work.Recipient]) {
        self.message = message
        self.claimed = claimed.filter { message.recipients.indices.contains($0.number) }
        glance = HeaderGlance(message.content)
    }

    /// REQUIRETLS outweighs the field. RFC 8689 §4.1.
    var need: SecurityNeed {
        if message.parameters.requireTLS { return .proven }
        return glance.wantsNoTLS ? .none : .usual
    }

    /// Who is still to be tried, by their places in the message.
    var remaining: [Int] {
        claimed.map(\.number).filter { settled[$0] == nil && verdicts[$0]?.verdict.triesNextHost != false }
    }

    /// Who is still to be tried, the first group last: those of one group get the same content.
    var groups: [ArraySlice<Int>] {
        var groups: [[Int]] = []
        var places: [String: Int] = [:]
        for number in remaining {
            let mark = mark(of: number) ?? ""
            if let place = places[mark] {
                groups[place].append(number)
            } else {
                places[mark] = groups.count
                groups.append([number])
            }
        }
        return groups.reversed().map { $0[...] }
    }

    /// The address here that is forwarded, by which a copy that comes back is known. Whoever gets the copy is reached
    /// by that address, and learns of no other.
    private func mark(of number: Int) -> String? {
        let recipient = message.recipients[number]
        guard recipient.said.address.key != recipient.address.key else { return nil }
        let mark = recipient.said.address.description
        // A mark is not worth a copy that a server without SMTPUTF8 could not take.
        return mark.isASCII || needsUTF8(envelope(for: [number])) ? mark : nil
    }

    /// What those of one group get.
    func content(for numbers: [Int]) -> [Bytes] {
        guard let first = numbers.first, let mark = mark(of: first) else { return [message.content] }
        return [Bytes(Array(HeaderField(name: "Delivered-To", value: mark).raw)), message.content]
    }

    private func envelope(for numbers: [Int]) -> Envelope {
        let recipients = numbers.map { number in
            let recipient = message.recipients[number]
            return EnvelopeRecipient(recipient.address, parameters: recipient.said.parameters)
        }
        var parameters = message.parameters
        if parameters.body == .binaryMIME, message.content.isLines { parameters.body = .eightBitMIME }
        return Envelope(sender: message.sender, parameters: parameters, recipients: recipients)
    }

    private func needsUTF8(_ envelope: Envelope) -> Bool {
        let addresses = [envelope.sender].compactMap(\.self) + envelope.recipients.map(\.address)
        return envelope.parameters.smtpUTF8 && glance.hasUTF8
            || addresses.contains { !($0.localPart + $0.domain).isASCII }
    }

    func transaction(for numbers: [Int]) -> SMTPTransaction {
        let envelope = envelope(for: numbers)
        let size = content(for: numbers).reduce(0) { $0 + $1.count }
        return SMTPTransaction(envelope: envelope, size: size, needsUTF8: needsUTF8(envelope))
    }

    mutating func note(
        _ outcome: SMTPTransactionResult.Outcome, for number: Int, host: RemoteHost, reports: Bool
    ) {
        switch outcome {
        case .accepted(let reply):
            guard let recipient = claimed.first(where: { $0.number == number }) else { return }
            settled[number] = Attempt(claimed: recipient, result: .relayed(reply, reports: reports), host: host)
        case .refused(let reply, let phase):
            note(DeliveryFailurePolicy.verdict(on: reply, in: phase), for: number, host: host)
        case .broken(let failure):
            note(DeliveryFailurePolicy.verdict(on: failure), for: number, host: host)
        }
    }

    /// The same for everybody who is still to be tried.
    mutating func note(_ verdict: DeliveryFailurePolicy.Verdict, host: RemoteHost?) {
        for number in remaining { note(verdict, for: number, host: host) }
    }

    mutating func note(_ verdict: DeliveryFailurePolicy.Verdict, for numbers: [Int], host: RemoteHost?) {
        for number in numbers { note(verdict, for: number, host: host) }
    }

    private mutating func note(_ verdict: DeliveryFailurePolicy.Verdict, for number: Int, host: RemoteHost?) {
        var verdict = verdict
        // While one host says "later", another's "never" is not the last word.
        if let before = verdicts[number], before.verdict.reply.isTemporary, verdict.triesNextHost {
            verdict.reply = verdict.reply.isTemporary ? verdict.reply : before.verdict.reply
        }
        verdicts[number] = (verdict, host)
    }

    func attempts() -> [Attempt] {
        claimed.map { recipient in
            if let attempt = settled[recipient.number] { return attempt }
            guard let (verdict, host) = verdicts[recipient.number] else {
                let reply = Reply(451, .noAnswer, "No host could be reached")
                return Attempt(claimed: recipient, result: .deferred(reply))
            }
            let reply = verdict.reply
            return Attempt(
                claimed: recipient, result: reply.isPermanent ? .failed(reply) : .deferred(reply), host: host)
        }
    }
}

extension String {
    fileprivate var isASCII: Bool { utf8.allSatisfy { $0 < 0x80 } }
}

extension SMTPTransactionResult.Outcome {
    fileprivate var isAccepted: Bool { if case .accepted = self { true } else { false } }

    fileprivate var isTooMany: Bool {
        guard case .refused(let reply, let phase) = self else { return false }
        return DeliveryFailurePolicy.isTooManyRecipients(reply, in: phase)
    }

    /// The server had ended the session before it heard of the message.
    fileprivate var isStaleConnection: Bool {
        switch self {
        case .accepted: false
        case .refused(let reply, let phase): reply.code == 421 && (phase == .reset || phase == .mail)
        case .broken(let failure): failure.phase == .reset || failure.phase == .mail
        }
    }
}

extension Bytes {
    /// Whether every CR and LF is half of a pair and there is no NUL: what is called BINARYMIME is often only lines.
    fileprivate var isLines: Bool {
        withUnsafeBytes { octets in
            var previous = UInt8(0)
            for octet in octets {
                if octet == 0 || (octet == .lf) != (previous == .cr) { return false }
                previous = octet
            }
            return previous != .cr
        }
    }
}

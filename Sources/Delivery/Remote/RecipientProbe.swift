import MailTypes
public import NIOCore
public import Pipeline
import Protocols
import Queue
import Synchronization

/// Asks other servers whether they would take mail for an address, and sends none: MAIL with the null path, RCPT, QUIT.
public final class RecipientProbe: Sendable {
    private let surroundings: RemoteSurroundings
    private let options: DeliveryOptions
    /// How many are being asked.
    private let underWay = Mutex(0)

    /// Questions at once; whoever asks more is told that nobody can be reached.
    static let most = 64
    /// How long one step of a session may take: a client waits for the answer.
    private static let patience: Interval = "5s"
    /// After which no further host is asked.
    private static let wholePatience = Duration.seconds(8)

    /// - Parameter options: Those of delivery, of which the time limits are shortened.
    public init(
        hostname: String, options: DeliveryOptions, hooks: DeliveryHooks, group: any EventLoopGroup
    ) {
        var options = options
        options.connectTimeout = Self.patience
        options.greetingTimeout = Self.patience
        options.helloTimeout = Self.patience
        options.handshakeTimeout = Self.patience
        options.mailTimeout = Self.patience
        options.recipientTimeout = Self.patience
        self.options = options
        surroundings = RemoteSurroundings(
            hostname: hostname, options: options, hooks: hooks,
            finder: HostFinder(hostname: hostname, options: options, hooks: hooks),
            tls: TLSContexts(trustRoots: options.trustRoots), limits: SMTPTimeLimits(options), group: group)
    }

    /// The first host that says anything of the address decides.
    public func ask(_ question: CalloutQuestion) async -> CalloutReport {
        let isPlace = underWay.withLock { count in
            guard count < Self.most else { return false }
            count += 1
            return true
        }
        guard isPlace else { return .unreachable("\(Self.most) questions wait already") }
        defer { underWay.withLock { $0 -= 1 } }
        let targets: [Target]
        do throws(RoutingFailure) {
            targets = try await surroundings.finder.targets(of: question.destination)
        } catch { return .unreachable("\(DeliveryFailurePolicy.reply(on: error))") }
        var last = CalloutReport.unreachable("it has no host")
        let end = ContinuousClock.now + Self.wholePatience
        // Another backup may take everything: only a domain's best exchangers know who exists there.
        for target in targets where target.preference == targets.first?.preference && ContinuousClock.now < end {
            last = await ask(target, about: question.address)
            if case .unreachable = last { continue }
            return last
        }
        return last
    }

    private func ask(_ target: Target, about address: EmailAddress) async -> CalloutReport {
        let connection: SMTPConnection
        do throws(SMTPClientFailure) { connection = try await surroundings.connect(to: target) } catch {
            return .unreachable("\(DeliveryFailurePolicy.verdict(on: error).reply)")
        }
        defer { connection.quit() }
        let envelope = Envelope(sender: nil, recipients: [EnvelopeRecipient(address)])
        let isUTF8 = !(address.localPart + address.domain).utf8.allSatisfy { $0 < 0x80 }
        let result = await connection.deliver(SMTPTransaction(probing: envelope, needsUTF8: isUTF8), [])
        guard let outcome = result.outcomes.first else { return .unreachable("it has said nothing of the address") }
        switch outcome {
        case .accepted: return .accepted
        case .refused(let reply, .recipient) where reply.isPermanent: return .refused(reply)
        case .refused(let reply, let phase): return .unreachable("\(reply) (\(phase.rawValue))")
        case .broken(let failure): return .unreachable("\(DeliveryFailurePolicy.verdict(on: failure).reply)")
        }
    }
}

extension CalloutQuestion {
    fileprivate var destination: QueueDestination {
        host.map(QueueDestination.host) ?? .exchanger(domain: address.domain)
    }
}

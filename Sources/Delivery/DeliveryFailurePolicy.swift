import MailTypes
import Protocols

/// All policy on failed deliveries: what is final, what is tried again, and whether another host may do better.
///
/// | what happened | recipient | next host |
/// |---|---|---|
/// | no connection, no greeting, TLS failed | deferred, 4.4.1 / 4.4.2 / 4.7.5 | yes |
/// | 4yz or 5yz to greeting, EHLO, STARTTLS, AUTH | deferred: it is about us or the host, not the message | yes |
/// | 521 or 556 greeting: takes no mail at all, RFC 7504 | failed | yes |
/// | 4yz to MAIL, RCPT, DATA; 421 anywhere before the content | deferred | yes |
/// | 4yz after the final dot | deferred | no |
/// | 452 or 552 to RCPT for too many recipients, when others were accepted | another transaction at once | no |
/// | 552 to RCPT without a reason of its own: too many recipients, RFC 5321 §4.5.3.1.10 | deferred | no |
/// | 5yz to MAIL, RCPT, DATA, content | failed | no |
/// | connection lost while the content flows, or after the final dot | deferred: better twice than never | no |
/// | the next server has no REQUIRETLS, or no TLS for a message that needs it, RFC 8689 §4.2.1 | failed | yes |
/// | nonsense instead of a reply | deferred, 4.5.0 | yes, before the content |
enum DeliveryFailurePolicy {
    struct Verdict: Sendable, Hashable {
        /// What the sender and the log are told; a 4yz code means: try again.
        var reply: Reply
        var triesNextHost: Bool
    }

    /// The server refused a recipient, or the transaction.
    static func verdict(on reply: Reply, in phase: SMTPPhase) -> Verdict {
        let isEarly = phase != .content && phase != .final
        if reply.isTemporary { return Verdict(reply: reply, triesNextHost: isEarly) }
        if reply.isPermanent {
            if isTooManyRecipients(reply, in: phase) {
                return Verdict(reply: reply.asTemporary(452), triesNextHost: false)
            }
            // Another exchanger may have what this one lacks. RFC 8689 §4.2.1.
            return Verdict(reply: reply, triesNextHost: reply.condition == .requireTLSNeeded && isEarly)
        }
        // A yes where none belongs.
        return Verdict(
            reply: Reply(451, .protocolOther, "Unexpected reply in \(phase.rawValue): \(reply)"), triesNextHost: isEarly
        )
    }

    /// The server takes no more recipients in this transaction: 452, or 552 of an older server; another reason may be
    /// given with it. RFC 5321 §4.5.3.1.10.
    static func isTooManyRecipients(_ reply: Reply, in phase: SMTPPhase) -> Bool {
        phase == .recipient && (reply.code == 452 || reply.code == 552)
            && (reply.condition == nil || reply.condition == .tooManyRecipients)
    }

    /// The session broke, or never began.
    static func verdict(on failure: SMTPClientFailure, need: SecurityNeed = .usual) -> Verdict {
        let isEarly = failure.phase != .content && failure.phase != .final
        if case .noTLS = failure.reason, need == .proven {
            let reply = Reply(550, .encryptionNeeded, "REQUIRETLS, and the server does not offer TLS")
            return Verdict(reply: reply, triesNextHost: true)
        }
        if case .refused(let reply) = failure.reason {
            if failure.phase == .greeting, reply.code == 521 || reply.code == 556 {
                return Verdict(reply: reply, triesNextHost: true)
            }
            return Verdict(reply: reply.asTemporary(451), triesNextHost: isEarly)
        }
        return Verdict(reply: reply(on: failure), triesNextHost: isEarly)
    }

    private static func reply(on failure: SMTPClientFailure) -> Reply {
        let place = failure.phase.rawValue
        let silence: EnhancedStatusCode.Condition = failure.phase == .connect ? .noAnswer : .badConnection
        switch failure.reason {
        case .refused(let reply): return reply.asTemporary(451)
        case .malformed(let text):
            return Reply(451, .protocolOther, "The server does not speak SMTP (\(place)): \(text)")
        case .closed: return Reply(451, .badConnection, "The server closed the connection (\(place))")
        case .injectedPlaintext: return Reply(451, .securityOther, "Plaintext followed the reply to STARTTLS")
        case .noTLS: return Reply(451, .encryptionNeeded, "TLS is required, and the server does not offer it")
        case .noLogin: return Reply(451, .authTooWeak, "The server offers no way to log in that is safe here")
        case .lostLogin(let text): return Reply(451, .securityOther, text)
        case .handshake(let text): return Reply(451, .securityOther, "TLS failed: \(text)")
        case .timedOut: return Reply(451, silence, "No answer in time (\(place))")
        case .network(let text): return Reply(451, silence, "\(text) (\(place))")
        }
    }

    /// A domain, or the hosts for it, cannot be found.
    static func reply(on failure: RoutingFailure) -> Reply {
        switch failure {
        case .noDomain(let name): Reply(550, .badDestinationSystem, "The domain \(name) does not exist")
        case .nullMX(let name): Reply(556, .nullMX, "The domain \(name) accepts no mail")
        case .loop(let name): Reply(554, .routingLoop, "Mail for \(name) would come back to this server")
        case .noHost(let name): Reply(550, .unableToRoute, "No mail exchanger of \(name) has a usable address")
        case .relayHostIsOwn(let name):
            Reply(451, .routingLoop, "The relay host \(name) is this server itself")
        case .relayHostUnknown(let name): Reply(451, .unableToRoute, "The relay host \(name) has no address")
        case .hosted(let name): Reply(451, .unableToRoute, "\(name) is hosted here; its mail does not leave by its MX")
        case .backupIsBest(let name):
            Reply(451, .routingLoop, "This server is the best exchanger of \(name), and is to be its backup")
        case .backupLost(let name, let reason):
            Reply(451, .unableToRoute, "\(name), whose backup this server is: \(reason)")
        case .noAnswer(let reason): Reply(451, .directoryFailure, "Name service: \(reason)")
        }
    }

    /// A mailbox cannot be written to. The disk's troubles are nobody's reason to lose mail.
    static func reply(on error: SystemError) -> Reply {
        error.isOutOfSpace
            ? Reply(452, .systemFull, "Insufficient system storage")
            : Reply(451, .systemOther, "The mailbox cannot be written to")
    }

    /// What the mailbox may hold is used up. It is final: its owner may be away for longer than a queue waits, and
    /// who has written learns of it while it can still help.
    static let mailboxFull = Reply(552, .mailboxFull, "Mailbox is full")
    static let tooManyHops = Reply(554, .routingLoop, "Too many Received fields: a mail loop")
    static let deliveredBefore = Reply(
        554, .routingLoop, "The message has been delivered to this mailbox before: a mail loop")

    /// Time is up for a recipient that was deferred with `reply`.
    static func expired(_ reply: Reply) -> Reply {
        Reply(554, .deliveryTimeExpired, lines: ["Delivery time expired; the last problem was: \(reply)"])
    }
}

/// Why there is no host to deliver to.
enum RoutingFailure: Error, Hashable {
    /// NXDOMAIN.
    case noDomain(String)
    /// RFC 7505.
    case nullMX(String)
    /// The best exchanger is this server, and the domain is not its own.
    case loop(String)
    /// No exchanger has an address that may be connected to.
    case noHost(String)
    /// The admin's relay host cannot be found: the admin's mistake, which is put right some day.
    case relayHostUnknown(String)
    /// It is this server: likewise.
    case relayHostIsOwn(String)
    /// The domain is this server's own.
    case hosted(String)
    /// This server is to be a backup of the domain, and no exchanger is better: the domain's DNS or our own entry is
    /// wrong, which is put right some day.
    case backupIsBest(String)
    /// Likewise, where nobody takes the domain's mail by what DNS says.
    case backupLost(String, reason: String)
    /// DNS does not know for now.
    case noAnswer(String)
}

extension RoutingFailure {
    /// What the same means for a domain whose backup this server is. Mail that was taken for it is not sent back for
    /// what its owner will put right.
    var ofBackup: RoutingFailure {
        switch self {
        case .loop(let name): .backupIsBest(name)
        case .noDomain(let name): .backupLost(name, reason: "the domain does not exist")
        case .nullMX(let name): .backupLost(name, reason: "the domain accepts no mail")
        case .noHost(let name): .backupLost(name, reason: "no mail exchanger has a usable address")
        default: self
        }
    }
}

extension Reply {
    /// The same, said for now.
    fileprivate func asTemporary(_ code: Int) -> Reply {
        isTemporary ? self : Reply(code, condition ?? .protocolOther, lines: ["The server said: \(self)"])
    }
}

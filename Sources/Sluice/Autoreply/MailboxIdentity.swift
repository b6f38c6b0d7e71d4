import Delivery
import MailTypes
import Pipeline
import Queue

/// Which addresses are a mailbox's own, as the directory says.
struct MailboxIdentity: Sendable {
    typealias Lookup = @Sendable (EmailAddress) async throws(StageFailure) -> AddressMeaning

    private let mailbox: EmailAddress
    private let meaning: Lookup

    /// Aliases of one another that are followed.
    private static let depth = 10

    init(_ mailbox: EmailAddress, meaning: @escaping Lookup) {
        self.mailbox = mailbox
        self.meaning = meaning
    }

    /// Whether this address is the mailbox's and nobody else's: its own, with a detail, in a domain's other name, or an
    /// alias of it alone. What stands for several has others who answer; a group is a list.
    func owns(_ address: EmailAddress) async throws(StageFailure) -> Bool {
        var address = address
        for _ in 0..<Self.depth {
            // Whoever gets postmaster's mail is not postmaster.
            if address.localPart.asciiLowercased == "postmaster" { return false }
            switch try await meaning(address) {
            case .mailbox(let found), .redirects(let found, _, _): return found.key == mailbox.key
            case .expands(let members, let kind):
                guard kind != .group, members.count == 1, let next = members.first else { return false }
                address = next
            case .disabled, .unknown, .atPartner, .unverified, .foreign: return false
            }
        }
        return false
    }

    /// Why a message is not for this mailbox in the sense of RFC 5230 §4.5, or is from its own owner.
    func refusal(
        of sender: EmailAddress, _ copy: MailboxCopy, _ header: Header, _ reply: Autoreply
    ) async throws(StageFailure) -> AutoreplyRefusal? {
        if try await owns(sender) { return AutoreplyRefusal(.itself, "<\(sender)> is the mailbox's own address") }
        let said = copy.recipient.said.address
        if try await isUnclaimed(said) {
            if reply.answersCatchAll { return nil }
            return AutoreplyRefusal(.notAddressed, "<\(said)> came by the catch-all")
        }
        for address in AutoreplyPolicy.addressees(in: header) where try await owns(address) { return nil }
        return AutoreplyRefusal(.notAddressed, "To and Cc name no address of the mailbox")
    }

    /// Whether nobody has this address here.
    private func isUnclaimed(_ address: EmailAddress) async throws(StageFailure) -> Bool {
        var address = address
        for _ in 0..<Self.depth {
            switch try await meaning(address) {
            case .unknown: return true
            case .expands(let members, .domainAlias):
                guard let next = members.first else { return false }
                address = next
            default: return false
            }
        }
        return false
    }
}

import Delivery
import Directory
import Foundation
import MailTypes
import NIOPosix

/// Runs a mailbox's program on each message that has come to lie there.
final class DeliveryEvents: MailboxFollower {
    private let desk: EventDesk
    private let directory: MailDirectory
    /// Whether it is run for bulk and system mail as well.
    private let runsOnBulk: Bool
    private let reporter: EventReporter

    init(_ desk: EventDesk, _ directory: MailDirectory, runsOnBulk: Bool, reporter: EventReporter) {
        self.desk = desk
        self.directory = directory
        self.runsOnBulk = runsOnBulk
        self.reporter = reporter
    }

    func concerns(_ mailbox: EmailAddress) -> Bool { directory.hasDeliveryEvent(mailbox) }

    func follow(_ copy: MailboxCopy) async {
        let message = EventMessage(copy)
        let program: String?
        do {
            program = try await NIOThreadPool.singleton.runIfActive { [directory] in
                try directory.deliveryEvent(of: copy.mailbox)
            }
        } catch {
            return reporter.note(.delivery, "-", message, .dropped("\(error)"))
        }
        guard let program else { return }
        if !runsOnBulk, let mark = message.mark(message.header) {
            return reporter.noteBulk(.delivery, program, message, mark)
        }
        reporter.note(.delivery, program, message, await desk.run(.delivery, program, on: message))
    }
}

/// Several who act on mail in mailboxes, one after another.
struct MailboxFollowers: MailboxFollower {
    let all: [any MailboxFollower]

    func concerns(_ mailbox: EmailAddress) -> Bool { all.contains { $0.concerns(mailbox) } }

    func follow(_ copy: MailboxCopy) async {
        for follower in all where follower.concerns(copy.mailbox) { await follower.follow(copy) }
    }
}

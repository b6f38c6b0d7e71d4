import Foundation
import MailTypes
import Queue

/// What queue tests are made of.
enum Sample {
    static let directory = "/queue"
    static let start = Date(timeIntervalSince1970: 1_800_000_000)

    static func id(_ number: Int, copy: Int = 0) -> QueueID {
        QueueID(TransactionID(milliseconds: 1_800_000_000_000 + UInt64(number), random: UInt32(number)), copy: copy)
    }

    static func submission(
        _ number: Int, copy: Int = 0, to recipients: [QueueRecipient]? = nil, size: Int = 300, at date: Date = start
    ) -> Submission {
        var submission = Submission(
            id: id(number, copy: copy), sender: "anna@sender.example",
            recipients: recipients ?? [local("bob@here.example")], content: content(number, size), received: date)
        submission.arrival = "mx.sender.example [192.0.2.7]"
        return submission
    }

    /// Different for each number, in two pieces.
    static func content(_ number: Int, _ size: Int = 300) -> [Bytes] {
        let header = Array("Subject: message \(number)\r\n\r\n".utf8)
        let body = (0..<max(size - header.count, 0)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ number) }
        return [Bytes(header), Bytes(body)]
    }

    static func octets(_ number: Int, _ size: Int = 300) -> [UInt8] { content(number, size).flatMap(\.array) }

    static func local(_ address: EmailAddress) -> QueueRecipient { QueueRecipient(address, route: .mailbox(address)) }

    static func remote(_ address: EmailAddress) -> QueueRecipient {
        QueueRecipient(address, route: .exchanger(domain: address.domain))
    }

    static var options: QueueOptions {
        var options = QueueOptions()
        options.segmentSize = 16 * 1024
        options.inlineLimit = 4096
        options.lazyDelay = "1ms"
        options.reserve = 0
        options.inodeReserve = 0
        return options
    }

    static func open(
        _ disk: MemoryDisk, _ options: QueueOptions = options, now: Date = start
    ) throws -> (MailQueue, RecoveryReport) {
        try MailQueue.open(directory, files: disk, options: options, now: now)
    }
}

extension MailQueue {
    /// Settles and waits until it is durable.
    func settle(_ id: QueueID, _ outcomes: [RecipientOutcome], at now: Date = Sample.start) async throws {
        let result = await withCheckedContinuation { continuation in
            settle(id, outcomes, now: now) { continuation.resume(returning: $0) }
        }
        try result.get()
    }

    /// Every id in the queue.
    var ids: [QueueID] { list(limit: .max).map(\.id) }
}

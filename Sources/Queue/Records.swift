import MailTypes

/// The flags of an accepted record.
struct AcceptedFlags: OptionSet {
    let rawValue: UInt8
    /// More messages of the same commit follow.
    static let more = Self(rawValue: 1)
    /// The content is in a body file.
    static let bodyFile = Self(rawValue: 2)
    /// Copied forward by compaction, with the progress of its recipients.
    static let copied = Self(rawValue: 4)
}

/// One recipient's progress as records hold it.
struct StoredProgress: Equatable {
    var status = RecipientProgress.Status.waiting
    var attempts = 0
    /// When the next attempt is due, Unix milliseconds.
    var due: Int64 = 0
    /// When the last attempt ended, or the message was received.
    var since: Int64 = 0
    /// Seconds that count against the patience of ``RetrySchedule``, up to `since`.
    var age: UInt32 = 0
    var warned = false
    var reply: Reply?
}

/// An accepted record without its content.
struct AcceptedRecord {
    var id: QueueID
    var received: Int64
    var contentCount: Int
    /// Of the body file; 0 if there is none.
    var contentChecksum: UInt32 = 0
    var flags: AcceptedFlags = []
    var sender: EmailAddress?
    var parameters = MailParameters()
    var arrival = ""
    var holdReason: String?
    var recipients: [QueueRecipient] = []
    /// Only in a copied record.
    var progress: [StoredProgress] = []
    var crashes: UInt8 = 0

    static let fixedCount = 40

    /// Reads the record; `content` is where its inline content begins in the payload.
    init(
        _ payload: UnsafeRawBufferPointer, flags: UInt8
    ) throws(ByteReader.Malformed) {
        var reader = ByteReader(payload)
        id = try reader.id()
        let envelopeCount = Int(try reader.number(UInt32.self))
        received = try reader.number()
        let count = try reader.number(UInt64.self)
        contentChecksum = try reader.number()
        _ = try reader.number(UInt32.self)
        self.flags = AcceptedFlags(rawValue: flags)
        var envelope = ByteReader(try reader.take(envelopeCount))
        guard count <= UInt64(Int32.max) * 16 else { throw ByteReader.Malformed() }
        contentCount = Int(count)
        guard self.flags.contains(.bodyFile) || contentCount == reader.rest else { throw ByteReader.Malformed() }

        sender = try envelope.flag() ? try envelope.address() : nil
        parameters = try envelope.mailParameters()
        arrival = try envelope.string()
        holdReason = try envelope.optionalString()
        for _ in 0..<(try envelope.elements()) { recipients.append(try envelope.recipient()) }
        guard !recipients.isEmpty, self.flags.contains(.copied) else { return }
        crashes = try envelope.number()
        for _ in recipients { progress.append(try envelope.progress()) }
    }

    init(_ submission: Submission) {
        id = submission.id
        received = submission.received.milliseconds
        contentCount = submission.size
        sender = submission.sender
        parameters = submission.parameters
        arrival = submission.arrival
        holdReason = submission.holdReason
        recipients = submission.recipients
    }

    /// Writes the record's payload but for the content.
    func write(to writer: inout ByteWriter) {
        writer.put(id)
        let place = writer.octets.count
        writer.put(UInt32(0))
        writer.put(received)
        writer.put(UInt64(contentCount))
        writer.put(contentChecksum)
        writer.put(UInt32(0))
        let start = writer.octets.count
        writer.put(sender != nil)
        if let sender { writer.put(sender) }
        writer.put(parameters)
        writer.put(arrival)
        writer.put(holdReason)
        writer.put(count: recipients.count)
        for recipient in recipients { writer.put(recipient) }
        if flags.contains(.copied) {
            writer.put(crashes)
            for one in progress { writer.put(one) }
        }
        let count = UInt32(truncatingIfNeeded: writer.octets.count - start)
        for byte in 0..<4 { writer.octets[place + byte] = UInt8(truncatingIfNeeded: count >> (8 * UInt32(byte))) }
    }

    /// - Parameter rerouted: Its recipients, where they are other ones by now.
    func message(content: Bytes, _ rerouted: [QueueRecipient]? = nil) -> QueuedMessage {
        QueuedMessage(
            id: id, sender: sender, parameters: parameters, received: .init(milliseconds: received),
            arrival: arrival, recipients: rerouted ?? recipients, content: content)
    }
}

// MARK: Parts of records

extension ByteWriter {
    mutating func put(_ id: QueueID) {
        put(id.high)
        put(id.low)
    }

    mutating func put(_ progress: StoredProgress) {
        let statuses: [RecipientProgress.Status] = [.waiting, .delivered, .failed]
        put(UInt8(statuses.firstIndex(of: progress.status) ?? 0))
        put(count: progress.attempts)
        put(progress.due)
        put(progress.since)
        put(progress.age)
        put(progress.warned)
        put(progress.reply != nil)
        if let reply = progress.reply { put(reply) }
    }
}

extension ByteReader {
    mutating func id() throws(Malformed) -> QueueID {
        QueueID(high: try number(), low: try number())
    }

    mutating func progress() throws(Malformed) -> StoredProgress {
        var progress = StoredProgress()
        switch try number(UInt8.self) {
        case 0: progress.status = .waiting
        case 1: progress.status = .delivered
        case 2: progress.status = .failed
        default: throw Malformed()
        }
        progress.attempts = try count()
        progress.due = try number()
        progress.since = try number()
        progress.age = try number()
        progress.warned = try flag()
        if try flag() { progress.reply = try reply() }
        return progress
    }
}

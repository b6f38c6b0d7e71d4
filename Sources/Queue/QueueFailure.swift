public import MailTypes

/// Why the queue did not take something.
public enum QueueFailure: Error, Sendable, Hashable, CustomStringConvertible {
    /// The disk, the quota, the inodes or the reserve are used up: `452 4.3.1`.
    case outOfSpace
    /// The disk refuses, or too much waits for it already: `451 4.3.0`.
    case unavailable(SystemError)
    /// The queue is being closed, or was opened for reading only.
    case closed
    /// There is no such message.
    case unknown(QueueID)
    /// The message's record or body is damaged.
    case damaged(QueueID)
    /// Another process has the queue open; its process id, where the lock file tells.
    case locked(pid: Int?)
    /// Written by a newer Sluice: the file and its format version.
    case newerFormat(path: String, version: Int)
    /// A submission has the id of a message that is in the queue, or on its way into it.
    case inUse(QueueID)
    /// A submission that cannot be queued: no recipients.
    case malformed(String)

    /// The failure that a failed system call amounts to.
    init(_ error: SystemError) {
        self = error.isOutOfSpace ? .outOfSpace : .unavailable(error)
    }

    /// Calls the system; a failure becomes the queue's.
    static func converting<Result>(_ body: () throws(SystemError) -> Result) throws(QueueFailure) -> Result {
        do throws(SystemError) { return try body() } catch { throw QueueFailure(error) }
    }

    /// What an SMTP client is told. RFC 5321 §4.2.3, RFC 3463 §3.4.
    public var reply: Reply {
        switch self {
        case .outOfSpace: Reply(452, .systemFull, "Insufficient system storage; try again later")
        default: Reply(451, .systemOther, "Local error in processing; try again later")
        }
    }

    public var description: String {
        switch self {
        case .outOfSpace: "the queue's disk is full, or its reserve is reached"
        case .unavailable(let error): "the queue cannot write: \(error)"
        case .closed: "the queue is closed"
        case .unknown(let id): "there is no message \(id) in the queue"
        case .damaged(let id): "message \(id) is damaged"
        case .locked(let pid): "the queue is in use by process \(pid.map(String.init) ?? "(unknown)")"
        case .newerFormat(let path, let version):
            "\(path) has format \(version), written by a newer Sluice; this one knows up to \(SegmentHeader.version)"
        case .inUse(let id): "\(id) is in the queue already"
        case .malformed(let reason): "the message cannot be queued: \(reason)"
        }
    }
}

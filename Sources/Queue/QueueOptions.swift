public import MailTypes

/// Every limit of the queue.
public struct QueueOptions: Sendable {
    /// Messages up to this size lie in the journal itself, larger ones in files of their own.
    public var inlineLimit = 256 * 1024
    /// How large a segment of the journal is made, in octets.
    public var segmentSize = 64 * 1024 * 1024
    /// Whether the next segment is written with zeros beforehand, which makes its syncs cheaper and
    /// doubles what is written.
    public var preparesSegments = true
    /// Threads that write and sync at the same time, each its own segment. On a fast disk the first does it all.
    public var lanes = 8
    /// Octets that may wait for the disk in all lanes; more is refused with 451.
    public var pendingLimit = 256 * 1024 * 1024
    /// Octets that one sync may cover.
    public var batchLimit = 8 * 1024 * 1024
    /// Free octets and inodes of the file system below which nothing is taken: 452.
    public var reserve = 64 * 1024 * 1024
    public var inodeReserve = 1000
    /// How long a lazy record may wait for others to share its sync.
    public var lazyDelay: Interval = "1s"
    /// Octets of just committed messages that are kept in memory for the delivery that follows.
    public var recentLimit = 32 * 1024 * 1024
    /// Crashes in the middle of a message's delivery after which it is held. RFC-less common sense:
    /// one message must not stop the rest.
    public var crashLimit = 3
    public var schedule = RetrySchedule()
    /// Nothing is changed, no record is written, no damaged piece is set aside.
    public var isReadOnly = false

    public init() {}
}

/// What was found when the queue was opened.
public struct RecoveryReport: Sendable, Hashable, Codable {
    /// One place where the journal is not as it was written.
    public struct Damage: Sendable, Hashable, Codable, CustomStringConvertible {
        public var file: String
        public var offset: Int
        public var count: Int
        public var reason: String
        /// Where the octets were put for a person to look at.
        public var setAside: String?

        public var description: String {
            "\(file) at \(offset): \(reason), \(count) octets" + (setAside.map { ", kept in \($0)" } ?? "")
        }
    }

    public var messages = 0
    public var recipients = 0
    public var segments = 0
    public var damages: [Damage] = []
    /// Octets of records that were being written when the last run ended; nobody was told 250.
    public var tornOctets = 0
    /// Messages that were being delivered when the last run ended.
    public var interrupted: [QueueID] = []
    /// Of those, the ones held since it has happened too often.
    public var setAside: [QueueID] = []
}

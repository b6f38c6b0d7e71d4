import Foundation
import MailTypes
import Queue

/// What the command line asks of a running server, one line of JSON over the socket `control`.
enum ControlRequest: Codable, Sendable {
    case status
    case reload
    case queueList(after: QueueID?, limit: Int)
    case queueShow(QueueID)
    case queueChange(QueueChange, QueueID)
}

/// What can be done to a queued message.
enum QueueChange: String, Codable, Sendable, CaseIterable {
    case retry, hold, release, remove, bounce
}

enum ControlAnswer: Codable, Sendable {
    case status(ServerStatus)
    /// What a reload of the server's own configuration file has changed.
    case reloaded(file: String, changes: [String], complaints: [String])
    /// Why it was not: the old configuration holds.
    case refused(complaints: [String])
    case listings([QueueListing])
    case done
    /// `isTemporary`: it may work later.
    case failed(String, isTemporary: Bool)
}

/// How a running server is.
struct ServerStatus: Codable, Sendable {
    var version: String
    var processID: Int32
    var started: Date
    var hostname: String
    var listeners: [String]
    /// The file that it was started with, and that a reload reads.
    var configuration: String
    var stages: Int
    var connections: Int
    /// As many are let in at once.
    var mostConnections: Int
    var queue: QueueCounts
    /// Traces that could not be kept, because they came faster than they could be written.
    var droppedTraces: Int
    /// What an operator should look at.
    var warnings: [String]
}

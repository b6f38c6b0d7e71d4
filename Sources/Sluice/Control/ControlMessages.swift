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
    /// The message itself, as it lies in the queue.
    case queueContent(QueueID)
    /// What has come of the attempts that were under way when a message was removed or bounced.
    case queueAttempts(QueueID)
    /// Give its recipients the routes that they would get now. `by`: who the audit log says it was.
    case queueReroute(QueueID, isTrial: Bool, by: String)
    /// Send the aggregate reports of the last day, of one domain or of all.
    case reports(String?)
    /// Likewise the reports on TLS.
    case tlsReports(String?)
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
    case content(Data)
    case done
    /// Done, but for recipients that are being delivered just now.
    case underWay([QueueAttempt])
    /// By the recipients' places.
    case attempts([Int: AttemptEnd])
    case reports([ReportLine])
    case rerouted(RerouteReport)
    /// There is no such message.
    case unknown(String)
    /// `isTemporary`: it may work later.
    case failed(String, isTemporary: Bool)
}

/// The delivery for one recipient that was under way when its message was removed or bounced.
struct QueueAttempt: Codable, Sendable, Hashable {
    /// The recipient's place in the message.
    var number: Int
    var recipient: EmailAddress
    /// `nil`: it has not ended.
    var end: AttemptEnd?
}

/// What came of an attempt.
enum AttemptEnd: String, Codable, Sendable {
    case delivered
    /// For good; the sender is told where that is wanted.
    case failed
    /// Neither: there is no other attempt after a removal. After a bounce the message is held, for there is nobody who
    /// could be told.
    case undelivered
}

extension AttemptEnd {
    init(_ result: RecipientOutcome.Result) {
        switch result {
        case .delivered, .relayed: self = .delivered
        case .failed: self = .failed
        case .deferred, .returned: self = .undelivered
        }
    }
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
    /// What messages are scanned with; `nil`: no stage scans.
    var scanning: ScanningStatus?
    /// Names that take no mail before they are verified; none where no proof is asked for.
    var unverified: [String]?
    /// What an operator should look at.
    var warnings: [String]
}

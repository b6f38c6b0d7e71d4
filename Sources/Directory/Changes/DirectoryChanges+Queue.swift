/// What is done to queued mail because of the directory: the queue keeps no audit log of its own.
extension DirectoryChanges {
    /// Writes down which routes of a message were changed to which, by recipient.
    public func noteReroute(of message: String, before: [[String: [String]]], after: [[String: [String]]]) throws {
        try audit("queue.reroute", message, before: before, after: after)
    }
}

public import struct Foundation.Date
import GRDB
public import MailTypes
import Pipeline

/// What is to change about an autoreply: what is `nil` stays as it is, `.some(nil)` takes a value away.
public struct AutoreplyChange: Sendable {
    public var isOn: Bool?
    public var from: Date??
    public var until: Date??
    public var subject: String??
    public var text: String?
    public var html: String??
    public var period: Interval?
    public var answersCatchAll: Bool?

    public init() {}
}

extension DirectoryChanges {
    /// Sets what a mailbox answers, and from when to when. Postmaster never answers by itself.
    @discardableResult
    public func setAutoreply(_ address: String, _ change: AutoreplyChange) throws -> AutoreplyEntry {
        let row = try require(.mailbox, address)
        if row.address.isPostmaster {
            throw DirectoryError.malformed(
                text: row.address.description, reason: "cannot answer by itself: postmaster's mail is for a person")
        }
        let before = try AutoreplyEntry.find(row.id, db)
        var after = before?.reply ?? Autoreply(isOn: false, text: "", since: now)
        apply(change, to: &after)
        try check(after, of: row.address)
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO autoreply
                    (addressID, isOn, starts, ends, subject, text, html, period, answersCatchAll, since)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                row.id, after.isOn, after.from?.timeIntervalSinceReferenceDate,
                after.until?.timeIntervalSinceReferenceDate, after.subject, after.text, after.html,
                after.period.seconds, after.answersCatchAll, after.since.timeIntervalSinceReferenceDate,
            ])
        let entry = AutoreplyEntry(mailbox: row.address, fullName: row.fullName, reply: after)
        try audit("mailbox.autoreply", row.address.description, before: before?.reply, after: after)
        return entry
    }

    /// Takes away what a mailbox answers; `false` where there was nothing.
    @discardableResult
    public func removeAutoreply(_ address: String) throws -> Bool {
        let row = try require(.mailbox, address)
        guard let before = try AutoreplyEntry.find(row.id, db) else { return false }
        try db.execute(sql: "DELETE FROM autoreply WHERE addressID = ?", arguments: [row.id])
        let none: Autoreply? = nil
        try audit("mailbox.autoreply", row.address.description, before: before.reply, after: none)
        return true
    }

    private func apply(_ change: AutoreplyChange, to reply: inout Autoreply) {
        let before = reply
        if let isOn = change.isOn { reply.isOn = isOn }
        if let from = change.from { reply.from = from }
        if let until = change.until { reply.until = until }
        if let subject = change.subject { reply.subject = subject }
        if let text = change.text { reply.text = text }
        if let html = change.html { reply.html = html }
        if let period = change.period { reply.period = period }
        if let answersCatchAll = change.answersCatchAll { reply.answersCatchAll = answersCatchAll }
        // Another message, or another absence: who was told of the last one is told of this one.
        let isNew =
            reply.isOn && !before.isOn || reply.subject != before.subject || reply.text != before.text
            || reply.html != before.html
        if isNew { reply.since = now }
    }

    private func check(_ reply: Autoreply, of address: EmailAddress) throws {
        func refuse(_ reason: String) -> DirectoryError {
            .malformed(text: address.description, reason: reason)
        }
        if reply.isOn, !reply.text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) {
            throw refuse("has nothing to answer: give it a text")
        }
        if let from = reply.from, let until = reply.until, until <= from {
            throw refuse("would stop answering before it begins")
        }
        if let subject = reply.subject {
            guard subject.utf8.count <= AutoreplyLimits.subject, !subject.isEmpty,
                subject.unicodeScalars.allSatisfy({ !$0.isControl })
            else {
                throw refuse("needs a subject of 1 to \(AutoreplyLimits.subject) octets, all on one line")
            }
        }
        for (part, limit, what) in [
            (reply.text, AutoreplyLimits.text, "text"), (reply.html ?? "", AutoreplyLimits.html, "HTML"),
        ] {
            guard part.utf8.count <= limit else {
                throw refuse("can answer with \(ByteCount(limit)) of \(what) at most")
            }
            guard !part.utf8.contains(0) else { throw refuse("cannot answer with a NUL in its \(what)") }
        }
        let periods = AutoreplyLimits.shortestPeriod.seconds...AutoreplyLimits.longestPeriod.seconds
        guard periods.contains(reply.period.seconds) else {
            throw refuse(
                "can tell a sender again after \(AutoreplyLimits.shortestPeriod) at the earliest and "
                    + "\(AutoreplyLimits.longestPeriod) at the latest")
        }
    }
}

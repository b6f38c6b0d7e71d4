import MailTypes
public import Pipeline

extension DirectoryChanges {
    /// Whose lessons are meant: a mailbox's or a domain's, which must be there, or everybody's.
    public func lessonScope(mailbox: String?, domain: String?) throws -> LessonScope {
        if let mailbox { return .mailbox(try require(.mailbox, mailbox).address.key) }
        if let domain { return .domain(try requireDomain(domain).entry.name) }
        return .global
    }

    /// Writes down that lessons were given or undone; they themselves are kept elsewhere.
    public func noteLessons(_ verb: String, in scope: LessonScope, _ report: LessonReport) throws {
        try audit("learn.\(verb)", scope.text, before: LessonReport?.none, after: report)
    }
}

public import Pipeline
public import struct Foundation.Date

/// How a lesson came.
public enum LessonOrigin: String, Sendable, Hashable, Codable, CaseIterable {
    /// Somebody said so.
    case command
    /// A message was moved to a folder for junk, or out of it.
    case moved
    /// A message in quarantine was judged by a person.
    case quarantine
}

/// Why a lesson does not count any more.
public enum LessonEnd: String, Sendable, Hashable, Codable, CaseIterable {
    /// Undone.
    case forgotten
    /// The same message was taught as the opposite.
    case changed
    /// Too old, or too many came after it.
    case expired
    /// Its tokens are those of an older version, which the present one does not make of any message.
    case outdated
}

/// One lesson: that a message was spam, or good mail.
public struct LessonEntry: Sendable, Hashable, Codable {
    public var id: Int64
    public var time: Date
    public var actor: String
    public var origin: LessonOrigin
    public var scope: LessonScope
    public var isSpam: Bool
    public var messageID: String?
    public var tokens: Int
    /// `nil`: it counts.
    public var end: LessonEnd?
    public var ended: Date?
}

/// How much was taught in a scope.
public struct LessonTally: Sendable, Hashable, Codable {
    public var scope: LessonScope
    public var spam: Int
    public var ham: Int
    public var newest: Date?
    /// Tokens that are known from them.
    public var tokens: Int
    /// Whether there is enough to judge by it alone.
    public var isSufficient: Bool
}

/// What came of teaching.
public struct LessonReport: Sendable, Hashable, Codable {
    /// New lessons.
    public var taught = 0
    /// Taught as the opposite before.
    public var changed = 0
    /// Taught as the same before, or, where lessons are undone, never.
    public var unchanged = 0
    /// Lessons undone.
    public var forgotten = 0
    /// Old ones that made room.
    public var expired = 0

    public init() {}
}

public import MailTypes
public import struct Foundation.Date

/// What a mailbox answers to those who write to it, while its owner is away for instance. RFC 3834.
public struct Autoreply: Sendable, Hashable, Codable {
    public var isOn: Bool
    /// Mail that came before is not answered; `nil`: the window has no beginning.
    public var from: Date?
    /// Mail that came then or later is not answered; `nil`: the window has no end.
    public var until: Date?
    /// `nil`: `Auto: ` and the subject of the message that is answered. RFC 3834 §3.1.5.
    public var subject: String?
    public var text: String
    /// Beside the text, for those who read HTML.
    public var html: String?
    /// How long a sender who was told is not told again. RFC 5230 §4.2.
    public var period: Interval
    /// Whether mail is answered that came because nobody has the address it is for.
    public var answersCatchAll: Bool
    /// Since when it says what it says: who was told something else before has not been told this.
    public var since: Date

    public init(isOn: Bool, text: String, period: Interval = AutoreplyLimits.usualPeriod, since: Date) {
        self.isOn = isOn
        self.text = text
        self.period = period
        answersCatchAll = false
        self.since = since
    }

    /// Whether mail that came at this moment is answered.
    public func isDue(at moment: Date) -> Bool {
        isOn && from.map { moment >= $0 } ?? true && until.map { moment < $0 } ?? true
    }
}

/// What an autoreply may be.
public enum AutoreplyLimits {
    /// Octets of its subject, its text and its HTML.
    public static let subject = 200
    public static let text = 64 << 10
    public static let html = 256 << 10
    /// How long a sender is not told again. RFC 5230 §4.1.
    public static let usualPeriod: Interval = "7d"
    public static let shortestPeriod: Interval = "1h"
    public static let longestPeriod: Interval = "365d"
}

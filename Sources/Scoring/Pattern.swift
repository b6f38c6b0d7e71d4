/// What of a message a pattern looks at.
public enum PatternView: Sendable, Hashable {
    /// The texts that a reader sees when the message is opened, one after the other; see ``ReadableText``.
    case body
    /// What is in the HTML and nobody sees, run by run.
    case hidden
    /// The message as it came, from its first field on.
    case raw
    /// Each value of the field of that name in lower case: unfolded, its encoded words decoded.
    case field(String)
    /// Each value of the field of that name in lower case, as it came, its folds too.
    case rawField(String)
    /// Each URI, as a browser reads it.
    case uri
    /// The host of each URI, in lower case and A-labels.
    case host
    /// What a reader sees of each link.
    case link
    /// The name of each attached file.
    case file
    case envelope(EnvelopePart)

    /// A part of the envelope, or of what is known of the client.
    public enum EnvelopePart: String, Sendable, Hashable, CaseIterable {
        /// The reverse-path; empty for a report.
        case sender
        /// Each recipient.
        case recipient
        /// The argument of HELO, EHLO or LHLO.
        case hello
        /// The client's address.
        case client
    }

    /// `^` and `$` are the ends of lines there, else of the whole text.
    public var hasLines: Bool {
        switch self {
        case .body, .hidden, .raw, .rawField: true
        case .field, .uri, .host, .link, .file, .envelope: false
        }
    }
}

/// A regular expression, and what it looks at.
///
/// Expressions are those of Vectorscan: PCRE without look-around and back references. They are about octets: texts are
/// UTF-8, and letters beyond ASCII have no case.
public struct Pattern: Sendable, Hashable {
    public let view: PatternView
    public let expression: String
    /// How often it must match; the places where a match ends are counted.
    public let atLeast: Int

    public init(_ expression: String, in view: PatternView, atLeast: Int = 1) {
        self.view = view
        self.expression = expression
        self.atLeast = atLeast
    }

    /// Octets of an expression.
    public static let longest = 4000
    /// Matches that can be asked for.
    public static let mostMatches = 1000
}

/// Something that a person should change in a configuration file.
public struct Diagnostic: Sendable, Hashable {
    public enum Severity: String, Sendable, Hashable, CaseIterable {
        /// The configuration is not used.
        case error
        /// It is used, and something in it will not do what it seems to.
        case warning
        /// It is used, and is allowed, but can hardly be meant.
        case lint
    }

    public var severity: Severity
    public var location: SourceLocation
    /// One sentence, without a full stop.
    public var message: String
    /// What to write instead, or why.
    public var hint: String?

    public init(_ severity: Severity, at location: SourceLocation, _ message: String, hint: String? = nil) {
        self.severity = severity
        self.location = location
        self.message = message
        self.hint = hint
    }

    public var file: String { location.file }
    public var line: Int { location.line }
    public var column: Int { location.column }
}

extension Diagnostic: CustomStringConvertible {
    /// `file:line:column: error: message (hint)`, always one line.
    public var description: String {
        let text = "\(location): \(severity.rawValue): \(message)" + (hint.map { " (\($0))" } ?? "")
        return text.visible
    }
}

extension Diagnostic: Comparable {
    /// By file and position; the text decides between those of one place, so that the order is always the same.
    public static func < (left: Diagnostic, right: Diagnostic) -> Bool {
        if left.location != right.location { return left.location < right.location }
        return (left.severity.rawValue, left.message, left.hint ?? "")
            < (right.severity.rawValue, right.message, right.hint ?? "")
    }
}

extension Sequence<Diagnostic> {
    /// Whether any of them forbids the use of the configuration.
    public var containErrors: Bool { contains { $0.severity == .error } }
}

extension String {
    /// The text with control characters, line breaks and what turns writing around spelled as `\u{…}`.
    var visible: String {
        guard unicodeScalars.contains(where: \.isTreacherous) else { return self }
        return unicodeScalars.reduce(into: "") { text, scalar in
            if scalar.isTreacherous {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
    }
}

extension Unicode.Scalar {
    fileprivate var isTreacherous: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}

/// Which scanner is asked.
public enum ScanEngine: String, Sendable, Hashable, Codable, CaseIterable {
    /// The library, in workers of this server.
    case libclamav
    /// Servers of the admin's.
    case clamd
}

/// What a virus scanner says of a message.
public struct ScanReport: Sendable, Hashable, Codable {
    /// Names that one report has.
    public static let mostFindings = 16
    /// Unicode scalars of a name.
    public static let longestName = 128

    /// The names of what was found, as the scanner writes them; none: nothing.
    public var findings: [String]
    /// Who says so: `libclamav 1.4.6 (daily 27500)`.
    public var scanner: String

    public init(_ findings: [String] = [], by scanner: String) {
        self.findings = findings.prefix(Self.mostFindings).map { $0.cut(toScalars: Self.longestName) }
        self.scanner = scanner.cut(toScalars: Self.longestName)
    }
}

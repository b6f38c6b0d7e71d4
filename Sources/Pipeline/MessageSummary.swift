import MailTypes

extension Message {
    /// What people search for.
    var summary: [String: String] {
        var summary: [String: String] = [:]
        for (key, field) in [
            ("from", header["From"]), ("subject", header["Subject"]), ("message-id", header["Message-ID"]),
        ] {
            if let field { summary[key] = field.value.cut(toScalars: Self.longestSummary) }
        }
        return summary
    }

    /// Unicode scalars of a field's value that the trace keeps.
    private static let longestSummary = 200
}

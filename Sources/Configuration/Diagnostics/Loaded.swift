/// What was read from files, and all that is to be said about them.
public struct Loaded<Value> {
    /// The values, with defaults in place of those that are wrong: to be shown, and used only where ``isUsable``.
    public let value: Value
    /// Sorted by file and position.
    public let diagnostics: [Diagnostic]

    init(_ value: Value, _ diagnostics: some Sequence<Diagnostic>) {
        self.value = value
        self.diagnostics = Set(diagnostics).sorted()
    }

    /// Nothing in it is an error.
    public var isUsable: Bool { !diagnostics.containErrors }
}

extension Loaded: Sendable where Value: Sendable {}

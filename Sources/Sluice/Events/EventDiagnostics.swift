import Configuration

extension ServerConfiguration {
    /// A pickup program that cannot be run. Mail flows without it, so it is no error; programs of mailboxes are looked
    /// at when they are set.
    var eventDiagnostics: [Diagnostic] {
        guard !events.pickup.isEmpty, let location = events.pickupLocation else { return [] }
        do throws(EventProgram.Unusable) {
            _ = try EventProgram(events.pickup, in: events.folder)
            return []
        } catch {
            return [
                Diagnostic(
                    .warning, at: location, "the program of the pickup event cannot be run: \(error.reason)",
                    hint: "mail is taken and delivered without it")
            ]
        }
    }
}

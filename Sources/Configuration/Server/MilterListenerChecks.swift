import MailTypes

// A listener that mail servers ask as a milter. docs/milter.md.
extension ServerChecks {
    /// What is the affair of the server that asks, in the order of the sample.
    private static let foreign = [
        "certificate", "key", "requires_tls", "auth", "auth_without_tls", "requires_auth", "proxy_from",
        "xclient_from", "success_reports_from", "banner", "line_ends", "sync_violation", "extensions_off",
        "max_errors", "max_unknown_before_hello", "max_junk_commands", "max_refused_recipients", "max_transactions",
        "command_line", "text_line", "greet_delay", "tls_timeout", "proxy_timeout", "minimum_rate", "rate_grace",
    ]

    mutating func checkMilter(_ index: Int) {
        let path: TOMLPath = ["listener", .index(index)]
        let listener = configuration.listeners[index]
        for key in Self.foreign where isWritten(path + [.key(key)]) {
            report(path + [.key(key)], "`\(key)` has no meaning where `protocol` is \"milter\"")
        }
        if listener.tls != .none, isWritten(path + ["tls"]) {
            report(path + ["tls"], "`tls`: nobody speaks the milter protocol in TLS; it must be \"none\"")
        }
        checkWhoAsks(listener, path)
        if configuration.chain.onMixed == .junk {
            report(
                .lint, path, "recipients are always kept apart here: `on_mixed = \"junk\"` has no effect",
                hint: "A mail server has one message for all of them.")
        }
    }

    /// Whoever may ask says who the client is, and who has logged in.
    private mutating func checkWhoAsks(_ listener: Listener, _ path: TOMLPath) {
        let isOpen = listener.access.isEmpty || listener.access.contains { $0.bits == 0 }
        guard isOpen, isSound(path + ["access"], path + ["bind"]) else { return }
        for (place, bind) in listener.bind.enumerated() where !bind.isLocal {
            report(
                path + ["bind", .index(place)], "`bind`: at \(bind) anybody could speak for any client",
                hint: "`access` names the mail servers that ask here.")
        }
    }
}

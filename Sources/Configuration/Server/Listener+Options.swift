import MailTypes

extension Listener: OptionGroup {
    init(_ options: OptionTable) {
        self.init(Self.language(options))
        options.read("name", &name)
        options.require("bind", &bind)
        if bind.isEmpty, !options.decoder.log.hasMistake(at: options.decoder.path + ["bind"]) {
            options.note("bind", "is empty: the listener waits nowhere")
        }
        options.read("tls", &tls)
        options.read("certificate", &certificate)
        options.read("key", &key)
        options.read("requires_tls", &requiresTLS)
        options.read("auth", &auth)
        options.read("auth_without_tls", &authWithoutTLS)
        options.read("requires_auth", &requiresAuth)
        options.read("access", &access)
        options.read("proxy_from", &proxyFrom)
        options.read("xclient_from", &xclientFrom)
        options.read("success_reports_from", &successReportsFrom)
        options.read("banner", &banner)
        options.read("line_ends", &lineEnds)
        options.read("sync_violation", &syncViolation)
        options.read("extensions_off", &extensionsOff)
        options.read("socket_mode", &socketMode)
        limits = Limits(options, usual: limits)
    }

    /// Protocols that are planned; a listener for one must not be passed over in silence.
    private static let later: Set = ["pop3", "imap", "http"]

    private static func language(_ options: OptionTable) -> Language {
        var word = ""
        options.require("protocol", &word)
        if let language = Language(rawValue: word) { return language }
        let words = Language.allCases.map(\.rawValue)
        let list = words.map(\.quoted).joined(separator: ", ")
        if later.contains(word) {
            options.note("protocol", "= \(word.quoted) is not there yet: this version speaks \(list)")
        } else if !options.decoder.log.hasMistake(at: options.decoder.path + ["protocol"]) {
            let nearest = NearestWord.to(word, in: words).map { "; did you mean \($0.quoted)?" } ?? ""
            options.note("protocol", "must be one of \(list), not \(word.quoted)\(nearest)")
        }
        return .smtp
    }
}

extension Listener.Limits: OptionGroup {
    init(_ options: OptionTable) { self.init(options, usual: Self()) }

    /// - Parameter usual: What holds where nothing is written.
    init(_ options: OptionTable, usual: Self) {
        self = usual
        options.read("max_connections", &maxConnections, in: 1...1_000_000)
        options.read("max_connections_per_address", &maxConnectionsPerAddress, in: 1...1_000_000)
        options.read("max_errors", &maxErrors, in: 1...10_000)
        options.read("max_unknown_before_hello", &maxUnknownBeforeHello, in: 1...10_000)
        options.read("max_junk_commands", &maxJunkCommands, in: 1...100_000)
        // RFC 5321 §4.5.3.1.8: a hundred must be possible.
        options.read("max_recipients", &maxRecipients, in: 1...100_000)
        options.read("max_refused_recipients", &maxRefusedRecipients, in: 1...100_000)
        options.read("max_transactions", &maxTransactions, in: 1...1_000_000)
        options.read("message_size", &messageSize, from: "0", to: "4GB")
        options.read("header_size", &headerSize, from: "4KB", to: "16MB")
        options.read("header_fields", &headerFields, in: 10...100_000)
        // RFC 5321 §4.5.3.1.4: 512 octets must be possible.
        options.read("command_line", &commandLine, from: "512", to: "64KB")
        options.read("text_line", &textLine, from: "0", to: "16MB")
        options.read("greet_delay", &greetDelay, from: "0s", to: "1m")
        options.read("command_timeout", &commandTimeout, from: "1s", to: "4h")
        options.read("data_timeout", &dataTimeout, from: "1s", to: "1h")
        options.read("write_timeout", &writeTimeout, from: "1s", to: "1h")
        options.read("tls_timeout", &tlsTimeout, from: "1s", to: "10m")
        options.read("proxy_timeout", &proxyTimeout, from: "1s", to: "1m")
        options.read("minimum_rate", &minimumRate, from: "0", to: "1MB")
        options.read("rate_grace", &rateGrace, from: "1s", to: "1h")
    }
}

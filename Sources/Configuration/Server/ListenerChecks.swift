import MailTypes

extension ServerChecks {
    mutating func checkListeners() {
        guard isSound(["listener"]) || !configuration.listeners.isEmpty else { return }
        if configuration.listeners.isEmpty {
            report(
                isWritten(["listener"]) ? ["listener"] : [], "there is no [[listener]]: the server would wait nowhere")
        }
        nameListeners()
        for index in configuration.listeners.indices { checkListener(index) }
        checkSockets()
    }

    private func path(_ index: Int, _ key: TOMLStep...) -> TOMLPath { ["listener", .index(index)] + key }

    /// Gives listeners without a name that of their protocol, with a number from the second on.
    private mutating func nameListeners() {
        var seen: [String: SourceLocation] = [:]
        for index in configuration.listeners.indices where isWritten(path(index, "name")) {
            let name = configuration.listeners[index].name
            if !name.isListenerName {
                report(path(index, "name"), "`name` must be letters, digits, \"-\" and \"_\", not \(name.quoted)")
            } else if let first = seen[name] {
                report(path(index, "name"), "a listener with the name \(name.quoted) is there already, at \(first)")
            }
            seen[name] = seen[name] ?? location(path(index, "name"))
        }
        for index in configuration.listeners.indices where !isWritten(path(index, "name")) {
            let word = configuration.listeners[index].language.rawValue
            var name = word
            var number = 2
            while seen[name] != nil {
                name = "\(word)-\(number)"
                number += 1
            }
            seen[name] = location(path(index))
            configuration.listeners[index].name = name
        }
    }

    private mutating func checkListener(_ index: Int) {
        checkPair(configuration.listeners[index].certificate, configuration.listeners[index].key, at: path(index))
        checkBinds(index)
        if configuration.listeners[index].language != .milter {
            checkTLS(index)
            checkLogin(index)
        }
        checkTrust(index)
        checkLimits(index)
        if configuration.listeners[index].language == .milter { checkMilter(index) }
    }

    private mutating func checkBinds(_ index: Int) {
        let listener = configuration.listeners[index]
        guard isSound(path(index, "bind"), path(index, "protocol")) else { return }
        for (place, bind) in listener.bind.enumerated() {
            guard case .unix = bind, ![.lmtp, .milter].contains(listener.language) else { continue }
            let message =
                "`bind`: only LMTP and the milter protocol are spoken on a socket file, not"
                + " \(listener.language.rawValue)"
            report(path(index, "bind", .index(place)), message)
        }
        if listener.socketMode.bits & 0o200 == 0, isSound(path(index, "socket_mode")) {
            let message = "`socket_mode`: \(listener.socketMode) keeps the server's own user out"
            report(path(index, "socket_mode"), message, hint: "Connecting takes the right to write, as in \"0660\".")
        }
        // RFC 2033 §5.
        for (place, bind) in listener.bind.enumerated() {
            if case .address(_, let port) = bind, port == 25, listener.language == .lmtp {
                report(path(index, "bind", .index(place)), "`bind`: LMTP must not be spoken on port 25 (RFC 2033 §5)")
            }
        }
    }

    private mutating func checkTLS(_ index: Int) {
        let listener = configuration.listeners[index]
        guard isSound(path(index, "tls"), path(index, "protocol"), path(index, "certificate"), ["tls"]) else { return }
        // Half a pair is a mistake of its own.
        let hasCertificate =
            configuration.tls.certificate != nil || configuration.tls.key != nil || listener.certificate != nil
        if listener.tls != .none, !hasCertificate {
            if isWritten(path(index, "tls")) || (listener.language == .submission && !listener.authWithoutTLS) {
                report(
                    isWritten(path(index, "tls")) ? path(index, "tls") : path(index),
                    "TLS needs a certificate, and there is none", hint: "`certificate` and `key` in [tls]")
                return
            }
            configuration.listeners[index].tls = .none
            report(
                .lint, path(index), "there is no certificate: nothing is encrypted here",
                hint: "`certificate` and `key` in [tls]; `tls = \"none\"` says that it is meant")
        }
        if configuration.listeners[index].tls == .none, listener.requiresTLS, isSound(path(index, "requires_tls")) {
            report(path(index, "requires_tls"), "`requires_tls` refuses all mail where `tls` is \"none\"")
        }
        if listener.certificate != nil, listener.tls == .none {
            report(.warning, path(index, "certificate"), "`certificate` has no effect where `tls` is \"none\"")
        }
    }

    private mutating func checkLogin(_ index: Int) {
        let listener = configuration.listeners[index]
        guard isSound(path(index, "auth"), path(index, "tls"), path(index, "protocol")) else { return }
        if listener.requiresAuth, listener.auth.isEmpty, isSound(path(index, "requires_auth")) {
            let written: TOMLStep = isWritten(path(index, "requires_auth")) ? "requires_auth" : "auth"
            report(path(index, written), "`requires_auth` refuses all mail where `auth` is empty")
        }
        if Set(listener.auth).count < listener.auth.count {
            report(.warning, path(index, "auth"), "`auth` names a mechanism twice")
        }
        guard isSound(path(index, "auth_without_tls")) else { return }
        if !listener.auth.isEmpty, listener.tls == .none, !listener.authWithoutTLS {
            let written: TOMLStep = isWritten(path(index, "auth")) ? "auth" : "tls"
            report(
                path(index, written), "nobody can log in: `auth` waits for TLS, and `tls` is \"none\"",
                hint: "`auth_without_tls = true` lets passwords cross the network in the clear")
        }
        guard listener.authWithoutTLS else { return }
        if listener.auth.isEmpty {
            report(.warning, path(index, "auth_without_tls"), "`auth_without_tls` has no effect where `auth` is empty")
        } else if listener.bind.contains(where: { !$0.isLocal }) {
            report(
                .lint, path(index, "auth_without_tls"),
                "passwords cross the network in the clear: the listener is not bound to this machine alone")
        }
    }

    /// Whoever may say who the client is may be anybody.
    private mutating func checkTrust(_ index: Int) {
        let listener = configuration.listeners[index]
        for (key, networks) in [("proxy_from", listener.proxyFrom), ("xclient_from", listener.xclientFrom)] {
            for (place, network) in networks.enumerated() where network.bits == 0 && isSound(path(index, .key(key))) {
                report(
                    .warning, path(index, .key(key), .index(place)),
                    "`\(key)`: everybody in \(network) may pretend to be any client")
            }
        }
    }

    private mutating func checkLimits(_ index: Int) {
        let listener = configuration.listeners[index]
        let limits = listener.limits
        if isSound(path(index, "header_size"), path(index, "message_size")), limits.messageSize.octets > 0,
            limits.headerSize.octets > limits.messageSize.octets, isWritten(path(index, "header_size"))
        {
            let message =
                "`header_size` (\(limits.headerSize)) is never reached: `message_size` is \(limits.messageSize)"
            report(.warning, path(index, "header_size"), message)
        }
        if isSound(path(index, "max_connections"), path(index, "max_connections_per_address")),
            limits.maxConnectionsPerAddress > limits.maxConnections,
            isWritten(path(index, "max_connections_per_address"))
        {
            report(
                .warning, path(index, "max_connections_per_address"),
                "`max_connections_per_address` (\(limits.maxConnectionsPerAddress)) is never reached:"
                    + " `max_connections` is \(limits.maxConnections)")
        }
        if isSound(path(index, "max_recipients")), limits.maxRecipients < 100 {
            report(
                .lint, path(index, "max_recipients"),
                "`max_recipients` is below the 100 that every server must take (RFC 5321 §4.5.3.1.8)")
        }
        // RFC 3030 §3: BINARYMIME can only be sent in chunks.
        let off = listener.extensionsOff
        if off.contains(.chunking), !off.contains(.binaryMIME), isSound(path(index, "extensions_off")) {
            report(path(index, "extensions_off"), "BINARYMIME cannot be used without CHUNKING", hint: "switch off both")
        }
        if isSound(path(index, "banner")), !listener.banner.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) {
            report(path(index, "banner"), "`banner` must be printable ASCII")
        }
        if listener.banner.utf8.count > Self.longestBanner {
            report(path(index, "banner"), "`banner` must have at most \(Self.longestBanner) octets")
        }
    }

    /// With the host name it must fit into a reply line of 512 octets. RFC 5321 §4.5.3.1.5.
    private static let longestBanner = 200

    // MARK: - Sockets

    private struct Claim {
        var bind: BindAddress
        var path: TOMLPath
    }

    /// No two may wait at one place; the system would refuse the second, but only at the start.
    private mutating func checkSockets() {
        var claims: [Claim] = []
        for (index, listener) in configuration.listeners.enumerated() {
            claims += listener.bind.enumerated().map { Claim(bind: $1, path: path(index, "bind", .index($0))) }
        }
        claims += configuration.metrics.bind.enumerated().map {
            Claim(bind: $1, path: ["metrics", "bind", .index($0)])
        }
        claims.sort { location($0.path) < location($1.path) }
        for (place, claim) in claims.enumerated() {
            guard let first = claims[..<place].first(where: { $0.bind.excludes(claim.bind) }) else { continue }
            report(claim.path, "`bind`: \(claim.bind) is taken by \(first.bind) at \(location(first.path))")
        }
    }
}

extension BindAddress {
    var isLocal: Bool { if case .address(let address, _) = self { address.isLoopback } else { true } }

    /// Whether one socket here keeps another one out. `0.0.0.0` is every address; port 0 is any free one.
    fileprivate func excludes(_ other: BindAddress) -> Bool {
        switch (self, other) {
        case (.unix(let path), .unix(let other)): path == other
        case (.address(let address, let port), .address(let other, let otherPort)):
            port == otherPort && port != 0 && address.isIPv6 == other.isIPv6
                && (address == other || address.isAny || other.isAny)
        case (.unix, .address), (.address, .unix): false
        }
    }
}

extension IPAddress {
    fileprivate var isAny: Bool { octets.allSatisfy { $0 == 0 } }
}

extension String {
    fileprivate var isListenerName: Bool {
        (1...64).contains(utf8.count)
            && unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || $0 == "-" || $0 == "_")
            }
    }
}

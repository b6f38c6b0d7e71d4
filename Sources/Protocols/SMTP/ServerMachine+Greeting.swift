import MailTypes

// The beginning: the greeting, and what EHLO announces. RFC 5321 §4.1.1.1.
extension SMTPServerMachine {
    mutating func greeted(_ reply: Reply) -> Action {
        guard reply.isPositive else { return close(reply) }
        if spokeEarly, configuration.syncViolation == .refuse { return close(.spokeEarly) }
        state = .commands
        return .send(reply)
    }

    mutating func welcomed(_ reply: Reply, _ verb: HelloVerb, _ name: String) -> Action {
        guard reply.isPositive else { return .send(reply) }
        // A hello within a transaction ends it, as RSET does. RFC 5321 §4.1.4.
        transaction = nil
        helloVerb = verb
        helloName = name
        return .send(Reply(250, nil, lines: verb == .helo ? [configuration.hostname] : announcements))
    }

    // ehlo-ok-rsp = ( "250" SP Domain [ SP ehlo-greet ] CRLF )
    //             / ( "250-" Domain [ SP ehlo-greet ] CRLF *( "250-" ehlo-line CRLF ) "250" SP ehlo-line CRLF )
    private var announcements: [String] {
        var lines = [configuration.hostname]
        for one in Extension.announced where offers(one) { lines.append(announcement(of: one)) }
        if configuration.offersStartTLS, !isEncrypted { lines.append("STARTTLS") }
        if offersLogin { lines.append("AUTH " + configuration.authMechanisms.joined(separator: " ")) }
        return lines
    }

    private func announcement(of one: Extension) -> String {
        switch one {
        case .size: "SIZE \(configuration.maxMessageSize)"
        case .limits: "LIMITS MAILMAX=\(configuration.maxTransactions) RCPTMAX=\(configuration.maxRecipients)"
        case .xclient: "XCLIENT NAME REVERSE_NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
        default: one.rawValue
        }
    }

    /// Whether an extension holds here and now.
    func offers(_ one: Extension) -> Bool {
        switch one {
        // Its promise is about the way that the mail came, too. RFC 8689 §4.1.
        case .requireTLS: configuration.extensions.contains(one) && isEncrypted
        // Octets without lines can only come in chunks. RFC 3030 §3.
        case .binaryMIME: configuration.extensions.isSuperset(of: [one, .chunking])
        // LMTP answers for each recipient anyway.
        case .prdr: configuration.extensions.contains(one) && configuration.language != .lmtp
        default: configuration.extensions.contains(one)
        }
    }

    var offersLogin: Bool {
        !configuration.authMechanisms.isEmpty && !isAuthenticated && (isEncrypted || configuration.authWithoutTLS)
    }

    /// Whether the client may send on before it has its reply. RFC 2920 §3.1.
    var mayPipeline: Bool {
        helloVerb != nil && helloVerb != .helo && configuration.extensions.contains(.pipelining)
    }
}

extension SMTPServerMachine.Extension {
    /// In the order of the reply to EHLO.
    static let announced: [Self] = [
        .pipelining, .size, .eightBitMIME, .smtpUTF8, .chunking, .binaryMIME, .enhancedStatusCodes, .dsn, .prdr,
        .requireTLS, .limits, .xclient,
    ]
}

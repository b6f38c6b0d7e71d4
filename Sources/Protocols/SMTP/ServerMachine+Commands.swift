import MailTypes
import NIOCore

// From a line to what it asks for.
extension SMTPServerMachine {
    mutating func nextCommand(_ input: inout ByteBuffer) -> Action {
        if lines.isAtStart, let first = input.getInteger(at: input.readerIndex, as: UInt8.self),
            SMTPCommand.isForeign(first)
        {
            return close(.foreignProtocol)
        }
        let takesBareLF = configuration.lineEnds == .clean
        switch lines.next(&input, limit: configuration.maxCommandLine, takesBareLF: takesBareLF) {
        case .wait: return .wait
        case .line(let line): return received(line, &input)
        case .bareLF: return mistake(.bareLineEndInCommand)
        case .tooLong: return mistake(.lineTooLong)
        case .endless: return close(.lineTooLong)
        }
    }

    private mutating func received(_ line: [UInt8], _ input: inout ByteBuffer) -> Action {
        let (verb, arguments) = SMTPCommand.split(line[...])
        if verb == .foreign { return close(.foreignProtocol) }
        if let verdict = checkSynchrony(after: verb, input) { return verdict }
        guard line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            // The length of a chunk cannot be known from such a line, and its octets are no commands.
            return verb == .bdat ? close(.controlCharacters) : mistake(.controlCharacters)
        }
        do {
            return try perform(verb, arguments, &input)
        } catch {
            return mistake(error)
        }
    }

    private mutating func perform(
        _ verb: SMTPCommand, _ arguments: ArraySlice<UInt8>, _ input: inout ByteBuffer
    ) throws(Reply) -> Action {
        switch verb {
        case .helo, .ehlo, .lhlo: return try hello(verb, arguments)
        case .mail: return try mail(arguments)
        case .rcpt: return try recipient(arguments)
        case .data: return try data(arguments)
        case .bdat: return try chunk(arguments)
        case .auth: return try login(arguments)
        case .xclient: return try xclient(arguments)
        case .starttls: return try startTLS(arguments, &input)
        case .rset:
            try needNone(arguments)
            transaction = nil
            return junk(.okay)
        case .noop: return junk(.okay)
        case .help: return junk(.help)
        case .vrfy: return try verify(arguments)
        case .quit:
            try needNone(arguments)
            return close(.bye)
        case .expn, .etrn, .turn: throw .notImplemented
        case .unknown, .foreign: return unknown()
        }
    }

    // ehlo = "EHLO" SP ( Domain / address-literal ) CRLF
    // helo = "HELO" SP Domain CRLF
    private mutating func hello(_ verb: SMTPCommand, _ arguments: ArraySlice<UInt8>) throws(Reply) -> Action {
        let wanted: HelloVerb = verb == .helo ? .helo : verb == .ehlo ? .ehlo : .lhlo
        guard (wanted == .lhlo) == (configuration.language == .lmtp) else { return unknown() }
        // What the name is worth is the chain's to say; here it is one word that can be written down.
        guard
            !arguments.isEmpty, arguments.count <= AddressParser.maxDomain, !arguments.contains(.space),
            let name = String(validating: arguments, as: UTF8.self)
        else { throw .badHello }
        if helloVerb != nil, let end = countJunk() { return end }
        return ask(.hello(verb: wanted, name: name), .hello(wanted, name))
    }

    // vrfy = "VRFY" SP String CRLF
    private mutating func verify(_ arguments: ArraySlice<UInt8>) throws(Reply) -> Action {
        guard !arguments.isEmpty else { throw .badArguments }
        let isUTF8 =
            offers(.smtpUTF8)
            && arguments.reversed().starts(with: " smtputf8".utf8.reversed()) {
                $0.asciiLowercased == $1
            }
        guard isUTF8 || arguments.allSatisfy({ $0 < 0x80 }) else { throw .nonASCIIAddress }
        return junk(.cannotVerify)
    }

    // starttls = "STARTTLS" CRLF, RFC 3207 §4
    private mutating func startTLS(
        _ arguments: ArraySlice<UInt8>, _ input: inout ByteBuffer
    ) throws(Reply) -> Action {
        guard configuration.offersStartTLS else { throw .notImplemented }
        try needNone(arguments)
        guard !isEncrypted else { throw .alreadyEncrypted }
        guard helloVerb != nil, helloVerb != .helo else { throw .helloFirst }
        // What was sent along in the clear must never be read as if it came encrypted.
        octetsBehindStartTLS = input.readableBytes
        input.moveReaderIndex(to: input.writerIndex)
        lines = SMTPLineReader()
        transaction = nil
        return .startTLS(.readyForTLS)
    }

    private mutating func xclient(_ arguments: ArraySlice<UInt8>) throws(Reply) -> Action {
        guard offers(.xclient) else { return unknown() }
        guard transaction == nil else { throw .inTransaction }
        let told = try XClient.parse(arguments)
        forgetHello()
        isAuthenticated = false
        for attribute in told.attributes {
            switch attribute {
            case .hello(let name?):
                helloName = name
                helloVerb = configuration.language == .lmtp ? .lhlo : .ehlo
            case .login(let name): isAuthenticated = name != nil
            default: break
            }
        }
        if told.attributes.contains(.proto("SMTP")), helloVerb == .ehlo { helloVerb = .helo }
        open = .greeting
        return .xclient(told)
    }

    private mutating func unknown() -> Action {
        if helloVerb == nil {
            tally.unknownBeforeHello += 1
            if tally.unknownBeforeHello >= configuration.maxUnknownBeforeHello { return close(.tooManyErrors) }
        }
        return mistake(.unknownCommand)
    }

    /// Does no harm and no good: only so many of them between two messages.
    mutating func junk(_ reply: Reply) -> Action { countJunk() ?? .send(reply) }

    mutating func countJunk() -> Action? {
        tally.junk += 1
        return tally.junk > configuration.maxJunkCommands ? close(.tooMuchJunk) : nil
    }

    func needNone(_ arguments: ArraySlice<UInt8>) throws(Reply) {
        guard arguments.isEmpty else { throw .badArguments }
    }

    // Which commands must be the last of a group: RFC 2920 §3.1. BDAT may go on, RFC 3030 §4.2.
    private mutating func checkSynchrony(after verb: SMTPCommand, _ input: ByteBuffer) -> Action? {
        guard input.readableBytes > 0, verb != .quit, !(mayPipeline && verb.mayBeFollowed) else { return nil }
        if verb == .bdat, offers(.chunking) { return nil }
        return violation(ends: verb != .starttls)
    }

    /// What the octets cost that came before an answer.
    mutating func endOfPatience() -> Action? {
        guard isImpatient else { return nil }
        isImpatient = false
        return violation()
    }

    /// The client did not wait. What follows STARTTLS is thrown away anyhow.
    mutating func violation(ends: Bool = true) -> Action? {
        pipelinedWrongly = true
        guard ends, configuration.syncViolation == .refuse, !isAuthenticated else { return nil }
        return close(.pipelinedWrongly)
    }
}

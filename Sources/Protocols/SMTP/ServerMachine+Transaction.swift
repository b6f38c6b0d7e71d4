import MailTypes
import NIOCore

// MAIL, RCPT, and the messages that follow. RFC 5321 §3.3.
extension SMTPServerMachine {
    mutating func mail(_ arguments: ArraySlice<UInt8>) throws(Reply) -> Action {
        guard helloVerb != nil else { throw .helloFirst }
        guard transaction == nil else { throw .nestedMail }
        guard !configuration.requiresTLS || isEncrypted else { throw .tlsFirst }
        guard !configuration.requiresAuth || isAuthenticated else { throw .loginFirst }
        guard tally.transactions < configuration.maxTransactions else { return close(.tooManyTransactions) }
        let (envelope, usesPRDR) = try MailArguments(offered: offered).parse(arguments)
        if let size = envelope.parameters.size, configuration.maxMessageSize > 0, size > configuration.maxMessageSize {
            throw .tooBig
        }
        return ask(.sender(envelope), .sender(Transaction(envelope: envelope, usesPRDR: usesPRDR)))
    }

    /// The extensions whose parameters the client may use. RFC 5321 §4.1.1.11.
    private var offered: MailArguments.Offered {
        let all = helloVerb == .helo ? [] : Set(Extension.allCases.filter(offers))
        return MailArguments.Offered(extensions: all, isLoginKnown: !configuration.authMechanisms.isEmpty)
    }

    mutating func recipient(_ arguments: ArraySlice<UInt8>) throws(Reply) -> Action {
        guard let envelope = transaction?.envelope, transaction?.content == nil else { throw .mailFirst }
        let recipient = try RecipientArguments(
            hostname: configuration.hostname, allowsUTF8: envelope.parameters.smtpUTF8,
            hasDSN: helloVerb != .helo && offers(.dsn)
        ).parse(arguments)
        guard envelope.recipients.count < configuration.maxRecipients else { return .send(.tooManyRecipients) }
        transaction?.hasTriedRecipients = true
        return ask(.recipient(recipient), .recipient(recipient))
    }

    mutating func recipientAnswered(_ reply: Reply, _ recipient: EnvelopeRecipient) -> Action {
        if reply.isPositive {
            transaction?.envelope.recipients.append(recipient)
        } else if reply.isPermanent {
            tally.refusedRecipients += 1
            if tally.refusedRecipients > configuration.maxRefusedRecipients { return close(.tooManyErrors) }
        }
        return .send(reply)
    }

    // data = "DATA" CRLF
    mutating func data(_ arguments: ArraySlice<UInt8>) throws(Reply) -> Action {
        let envelope = try readyForContent()
        try needNone(arguments)
        guard transaction?.content == nil else { throw .onlyChunks }
        // RFC 3030 §3.
        guard envelope.parameters.body != .binaryMIME else { throw .onlyChunks }
        let reader = contentReader(for: envelope)
        transaction?.content = reader
        state = .data
        return ask(.contentBegins(envelope), .contentBegins)
    }

    private func readyForContent() throws(Reply) -> Envelope {
        guard helloVerb != nil else { throw .helloFirst }
        guard let transaction else { throw .mailFirst }
        guard transaction.envelope.recipients.isEmpty else { return transaction.envelope }
        // RFC 2033 §4.2 has 503 in both cases.
        throw transaction.hasTriedRecipients && configuration.language != .lmtp ? .noValidRecipients : .recipientFirst
    }

    private func contentReader(for envelope: Envelope) -> SMTPContentReader {
        SMTPContentReader(
            SMTPContentReader.Rules(
                maxSize: configuration.maxMessageSize, maxLine: configuration.maxTextLine,
                cleansLineEnds: configuration.lineEnds == .clean,
                isBinary: envelope.parameters.body == .binaryMIME))
    }

    // bdat-cmd   = "BDAT" SP chunk-size [ SP end-marker ] CRLF, RFC 3030 §2
    // chunk-size = 1*DIGIT
    // end-marker = "LAST"
    //
    // The octets follow whatever the reply will be, so they are read in every case; where
    // their number is unknown, the connection cannot go on.
    mutating func chunk(_ arguments: ArraySlice<UInt8>) throws(Reply) -> Action {
        let words = arguments.split(separator: .space)
        guard
            let digits = words.first, digits.allSatisfy(\.isDigit), words.count <= 2,
            words.count < 2 || words[1].equalsIgnoringCase("LAST")
        else { return close(.badArguments) }
        guard let size = SMTPParameters.number(digits), size <= discardBudget else { return close(.tooBig) }
        let isLast = words.count == 2
        if size == 0, !isLast, let end = countJunk() { return end }
        do throws(Reply) {
            guard offers(.chunking) else { throw .notImplemented }
            let envelope = try readyForContent()
            let chunk = Chunk(size: size, remaining: size, isLast: isLast)
            state = .chunk(chunk)
            guard transaction?.content == nil else { return .wait }
            let reader = contentReader(for: envelope)
            transaction?.content = reader
            return ask(.contentBegins(envelope), .contentBegins)
        } catch {
            state = .swallowed(octets: size, then: error)
            return .wait
        }
    }

    /// Octets that are read and thrown away so that a refused message can be answered at its end.
    private var discardBudget: Int {
        max(configuration.maxMessageSize, Self.leastDiscardBudget)
    }
    private static let leastDiscardBudget = 64 * 1024 * 1024

    mutating func contentAnswered(_ reply: Reply) -> Action {
        switch (state, reply.isPositive) {
        case (.data, true):
            return .send(reply.code == 354 ? reply : .goAhead)
        case (.chunk, true):
            return .wait
        case (.chunk(let chunk), false):
            transaction = nil
            state = .swallowed(octets: chunk.remaining, then: reply)
            return .wait
        default:
            transaction = nil
            state = .commands
            return .send(reply)
        }
    }

    mutating func swallow(_ input: inout ByteBuffer, _ octets: Int, _ reply: Reply) -> Action {
        let count = min(octets, input.readableBytes)
        input.moveReaderIndex(forwardBy: count)
        guard count == octets else {
            state = .swallowed(octets: octets - count, then: reply)
            return .wait
        }
        state = .commands
        return mistake(reply)
    }

    mutating func nextData(_ input: inout ByteBuffer) -> Action {
        guard let step = transaction?.content?.data(&input) else { return close(.outOfStep) }
        switch step {
        case .content(let octets):
            return .content(octets)
        case .failed:
            return .dropContent
        case .wait:
            let discarded = transaction?.content?.discarded ?? 0
            return discarded > discardBudget ? close(.tooBig) : .wait
        case .end:
            state = .commands
            if input.readableBytes > 0, !mayPipeline, let verdict = violation() { return verdict }
            return contentEnded(isLast: true)
        }
    }

    mutating func nextOfChunk(_ input: inout ByteBuffer, _ chunk: Chunk) -> Action {
        var chunk = chunk
        guard let step = transaction?.content?.chunk(&input, remaining: &chunk.remaining) else {
            return close(.outOfStep)
        }
        state = .chunk(chunk)
        switch step {
        case .content(let octets): return .content(octets)
        case .failed: return .dropContent
        case .wait, .end: break
        }
        guard chunk.remaining == 0 else { return .wait }
        if chunk.isLast {
            switch transaction?.content?.finishChunks() {
            case .content(let octets): return .content(octets)
            case .failed: return .dropContent
            case .wait, .end, nil: break
            }
        }
        state = .commands
        if transaction?.content?.fault == nil, !chunk.isLast {
            return .send(Reply(250, .other, "\(chunk.size) octets received"))
        }
        return contentEnded(isLast: chunk.isLast)
    }

    /// The content is complete, or the chunk that spoilt it is.
    private mutating func contentEnded(isLast: Bool) -> Action {
        guard let ended = transaction else { return close(.outOfStep) }
        guard let fault = ended.content?.fault else { return ask(.message(ended.envelope), .message) }
        transaction = nil
        let reply = Reply.refusal(of: fault)
        let verdict = mistake(reply)
        if isLast, configuration.language == .lmtp, case .send = verdict {
            return .sendEach(ended.envelope.recipients.map { _ in reply })
        }
        return verdict
    }

    /// One reply for the whole message; LMTP repeats it for each recipient.
    mutating func messageAnswered(_ reply: Reply) -> Action {
        tally.junk = 0
        guard let ended = transaction.take() else { return close(.outOfStep) }
        guard configuration.language == .lmtp else { return .send(reply) }
        return .sendEach(ended.envelope.recipients.map { _ in reply })
    }
}

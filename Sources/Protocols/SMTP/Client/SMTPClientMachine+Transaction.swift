import MailTypes
import NIOCore

extension SMTPClientMachine {
    /// One transaction under way.
    struct TransactionState {
        /// What the next reply is about.
        enum Expected: Hashable {
            case reset, mail
            case recipient(Int)
            case data
            /// After the final dot: the reply for all of these recipients.
            case final([Int])
            /// After the dot of a transaction without recipients.
            case nothing
        }

        let transaction: SMTPTransaction
        var outcomes: [SMTPTransactionResult.Outcome?]
        /// In the order of the commands sent; the first `answered` of them have their replies.
        var expected: [Expected] = []
        var answered = 0
        /// Commands that wait for replies, where the server cannot PIPELINING.
        var unsent: [(String, Expected)] = []
        /// Said yes to RCPT.
        var accepted: [Int] = []
        var passesDSN = false
        var isSendingContent = false
        /// The content goes as one chunk, octet by octet, for it need not be lines. RFC 3030 §2, §3.
        var isChunked: Bool { transaction.envelope.parameters.body == .binaryMIME }

        var phase: SMTPPhase {
            if isSendingContent { return .content }
            guard answered < expected.count else { return .mail }
            switch expected[answered] {
            case .reset: return .reset
            case .mail: return .mail
            case .recipient: return .recipient
            case .data: return .data
            case .final, .nothing: return .final
            }
        }

        /// Everyone who has no outcome yet gets this one.
        func result(otherwise outcome: SMTPTransactionResult.Outcome, isReusable: Bool) -> SMTPTransactionResult {
            SMTPTransactionResult(
                outcomes: outcomes.map { $0 ?? outcome }, passedDSN: passesDSN, isReusable: isReusable)
        }
    }

    /// Begins to hand over a message; only when the machine is ready.
    public mutating func begin(_ transaction: SMTPTransaction) -> Action {
        var under = TransactionState(
            transaction: transaction, outcomes: Array(repeating: nil, count: transaction.envelope.recipients.count))
        guard case .ready = state else {
            let failure = SMTPClientFailure(phase, .closed)
            return .finished(under.result(otherwise: .broken(failure), isReusable: false))
        }
        guard !hasUnread else {
            state = .transaction(under)
            return fail(.malformed(Self.isAhead))
        }
        if let refusal = refusal(of: transaction) {
            return .finished(under.result(otherwise: .refused(refusal, .mail), isReusable: true))
        }
        under.passesDSN = extensions.offers("DSN")
        var commands: [(String, TransactionState.Expected)] = []
        if needsReset { commands.append(("RSET\r\n", .reset)) }
        needsReset = false
        commands.append((mailCommand(transaction), .mail))
        for (number, recipient) in transaction.envelope.recipients.enumerated() {
            guard Self.isSendable(recipient.address) else {
                under.outcomes[number] = .refused(
                    Reply(553, .badDestinationSyntax, "The address cannot be written in SMTP"), .recipient)
                continue
            }
            commands.append((recipientCommand(recipient), .recipient(number)))
        }
        if !under.isChunked, !transaction.isProbe { commands.append(("DATA\r\n", .data)) }
        under.unsent = commands
        return send(&under)
    }

    /// The content has been written, and its final dot where it has one.
    public mutating func contentSent() -> Action {
        guard case .transaction(var under) = state, under.isSendingContent else { return .wait }
        guard !hasUnread else { return fail(.malformed(Self.isAhead)) }
        under.isSendingContent = false
        if configuration.language == .lmtp {
            under.expected += under.accepted.map { .final([$0]) }
        } else {
            under.expected.append(.final(under.accepted))
        }
        state = .transaction(under)
        return .wait
    }

    // MARK: Sending

    /// Sends all commands that may be sent now. RFC 2920 §3.1: with PIPELINING all, DATA being the last.
    private mutating func send(_ under: inout TransactionState) -> Action {
        let count = extensions.offers("PIPELINING") ? under.unsent.count : min(1, under.unsent.count)
        var buffer = ByteBuffer()
        for (text, expected) in under.unsent.prefix(count) {
            buffer.writeString(text)
            under.expected.append(expected)
        }
        under.unsent.removeFirst(count)
        state = .transaction(under)
        return .send(buffer)
    }

    /// Why the server cannot be given this message at all.
    private func refusal(of transaction: SMTPTransaction) -> Reply? {
        let parameters = transaction.envelope.parameters
        if let sender = transaction.envelope.sender, !Self.isSendable(sender) {
            return Reply(553, .badSenderSyntax, "The sender's address cannot be written in SMTP")
        }
        if transaction.needsUTF8, !extensions.offers("SMTPUTF8") {
            return Reply(553, .nonASCIIAddress, "The next server does not support SMTPUTF8")
        }
        if let most = extensions.maxSize, transaction.size > most {
            return Reply(
                552, .messageTooBig, "The message is larger than the \(most) octets that the next server takes")
        }
        if parameters.requireTLS, !(isEncrypted && configuration.verifiesTLS && extensions.offers("REQUIRETLS")) {
            return Reply(550, .requireTLSNeeded, "REQUIRETLS support is required and the next server has none")
        }
        if parameters.body == .binaryMIME, !(extensions.offers("CHUNKING") && extensions.offers("BINARYMIME")) {
            return Reply(554, .conversionRequired, "The next server does not support BINARYMIME")
        }
        return nil
    }

    private func mailCommand(_ transaction: SMTPTransaction) -> String {
        let parameters = transaction.envelope.parameters
        var line = "MAIL FROM:<\(transaction.envelope.sender?.description ?? "")>"
        if extensions.offers("SIZE"), !transaction.isProbe { line += " SIZE=\(transaction.size)" }
        // To a server without 8BITMIME the content goes as it is, which has worked for thirty years;
        // a conversion would break its signatures.
        if extensions.offers("8BITMIME"), parameters.body == .eightBitMIME { line += " BODY=8BITMIME" }
        if parameters.body == .binaryMIME { line += " BODY=BINARYMIME" }
        if transaction.needsUTF8 { line += " SMTPUTF8" }
        if parameters.requireTLS { line += " REQUIRETLS" }
        if extensions.offers("DSN") {
            if let ret = parameters.ret { line += " RET=\(ret.rawValue)" }
            if let id = parameters.envelopeID { line += " ENVID=\(Self.xtext(id))" }
        }
        return line + "\r\n"
    }

    private func recipientCommand(_ recipient: EnvelopeRecipient) -> String {
        var line = "RCPT TO:<\(recipient.address)>"
        if extensions.offers("DSN") {
            if let notify = recipient.parameters.notify {
                let words = [(.success, "SUCCESS"), (.failure, "FAILURE"), (.delay, "DELAY")]
                    .filter { (flag: RecipientParameters.Notify, _) in notify.contains(flag) }.map(\.1)
                line += " NOTIFY=\(words.isEmpty ? "NEVER" : words.joined(separator: ","))"
            }
            if let original = recipient.parameters.asciiOriginalRecipient {
                let parts = original.split(separator: ";", maxSplits: 1)
                if parts.count == 2 { line += " ORCPT=\(Self.xtext(String(parts[0])));\(Self.xtext(String(parts[1])))" }
            }
        }
        return line + "\r\n"
    }

    /// No control character of a stranger's gets into a command.
    private static func isSendable(_ address: EmailAddress) -> Bool {
        address.localPart.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
            && address.domain.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: ">") }
    }

    /// RFC 3461 §4.
    private static func xtext(_ text: String) -> String {
        var encoded: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for octet in text.utf8 {
            if octet.isVisible, octet != UInt8(ascii: "+"), octet != UInt8(ascii: "=") {
                encoded.append(octet)
            } else {
                encoded += [UInt8(ascii: "+"), digits[Int(octet >> 4)], digits[Int(octet & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    // MARK: Replies

    /// What follows from a reply in a transaction; `nil`: the next one is wanted.
    mutating func received(_ reply: Reply, in transaction: TransactionState) -> Action? {
        var under = transaction
        if under.isSendingContent { return receivedInContent(reply, under) }
        guard under.answered < under.expected.count else { return fail(.malformed("a reply that nobody asked for")) }
        let expected = under.expected[under.answered]
        if reply.code == 421 {
            // The server goes away; what it has not answered yet it never will. RFC 5321 §3.8.
            let phase = under.phase
            state = .dead
            return .finished(under.result(otherwise: .refused(reply, phase), isReusable: false))
        }
        under.answered += 1
        switch expected {
        case .reset:
            // A server that cannot even reset is left.
            guard reply.code / 100 == 2 else { return fail(.refused(reply)) }
        case .mail:
            if reply.code / 100 != 2 { under.refuseRest(reply, .mail) }
        case .recipient(let number):
            if reply.code / 100 == 2 {
                if under.transaction.isProbe {
                    under.outcomes[number] = under.outcomes[number] ?? .accepted(reply)
                } else if under.outcomes[number] == nil {
                    under.accepted.append(number)
                }
            } else if under.outcomes[number] == nil {
                under.outcomes[number] = .refused(reply, .recipient)
            }
        case .data:
            return receivedData(reply, &under)
        case .final(let recipients):
            for number in recipients {
                under.outcomes[number] = reply.code / 100 == 2 ? .accepted(reply) : .refused(reply, .final)
            }
            // After a chunk that was refused only RSET is sure to help. RFC 3030 §2.
            if under.answered == under.expected.count { return finish(under, needsReset: under.isChunked) }
        case .nothing:
            return finish(under)
        }
        return goOn(&under)
    }

    private mutating func goOn(_ under: inout TransactionState) -> Action? {
        state = .transaction(under)
        guard under.answered == under.expected.count else { return nil }
        // One command at a time. Without anybody to send to there is no DATA.
        if under.outcomes.allSatisfy({ $0 != nil }) { return finish(under, needsReset: true) }
        if !under.unsent.isEmpty { return send(&under) }
        return under.isChunked ? sendChunk(&under) : nil
    }

    /// Only once it is known that somebody gets it: there is no taking back of a chunk that has been announced.
    private mutating func sendChunk(_ under: inout TransactionState) -> Action {
        under.isSendingContent = true
        state = .transaction(under)
        return .sendChunk(ByteBuffer(string: "BDAT \(under.transaction.size) LAST\r\n"))
    }

    private mutating func receivedData(_ reply: Reply, _ under: inout TransactionState) -> Action {
        guard reply.code == 354 else {
            under.refuseRest(reply, .data)
            return finish(under, needsReset: true)
        }
        if under.accepted.isEmpty {
            // DATA was pipelined, and the server wants content for nobody: an empty message. RFC 2920 §3.1.
            under.expected.append(.nothing)
            state = .transaction(under)
            return .send(ByteBuffer(staticString: ".\r\n"))
        }
        under.isSendingContent = true
        state = .transaction(under)
        return .sendContent
    }

    private mutating func finish(_ under: TransactionState, needsReset: Bool = false) -> Action {
        self.needsReset = needsReset
        state = .ready
        let never = SMTPClientFailure(.final, .malformed("the server did not answer for this recipient"))
        return .finished(under.result(otherwise: .broken(never), isReusable: true))
    }
}

extension SMTPClientMachine.TransactionState {
    /// Everyone who has no outcome yet is refused with this reply.
    fileprivate mutating func refuseRest(_ reply: Reply, _ phase: SMTPPhase) {
        for number in outcomes.indices where outcomes[number] == nil { outcomes[number] = .refused(reply, phase) }
        accepted.removeAll()
    }
}

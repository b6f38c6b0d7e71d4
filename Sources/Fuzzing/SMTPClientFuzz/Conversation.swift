import MailTypes
import NIOCore
import Protocols

/// A client with a few messages to send, held to its word whatever the server says.
struct Conversation {
    private static let recipients = 3
    private static let mostTransactions = 4
    /// Lines to open a session: EHLO, HELO, STARTTLS, EHLO, AUTH, name and password.
    private static let linesToOpen = 7
    /// Lines of a transaction: RSET, MAIL, RCPT, DATA or BDAT, a dot.
    private static let linesToSend = 4 + recipients
    private static let longestLine = 512

    private let configuration: SMTPClientMachine.Configuration
    private let isBinary: Bool
    private let waitsWithContent: Bool
    private var machine: SMTPClientMachine
    private var input = ByteBuffer()
    private var lines = 0
    private var transactions = 0
    private var isOpened = false
    private var isOver = false
    private var isInTransaction = false
    /// The content is to be sent, or has been.
    private var isSending = false
    private var hasSent = false

    init(_ choice: UInt8) {
        var configuration = SMTPClientMachine.Configuration(hostname: "client.example")
        configuration.language = choice & 1 == 0 ? .smtp : .lmtp
        configuration.encryption = [.never, .opportunistic, .required, .implicit][Int(choice >> 1 & 3)]
        if choice & 8 != 0 { configuration.login = .init(name: "anna", password: "secret") }
        configuration.loginWithoutTLS = choice & 16 != 0
        configuration.verifiesTLS = choice & 32 != 0
        isBinary = choice & 64 != 0
        waitsWithContent = choice & 128 != 0
        self.configuration = configuration
        machine = SMTPClientMachine(configuration)
    }

    /// More octets of the server. What was to be sent before they came has been sent.
    mutating func receive(_ octets: ArraySlice<UInt8>) {
        guard !isOver else { return }
        input.writeBytes(octets)
        run(machine.next(&input))
        if isSending { sendContent() }
    }

    /// The connection is gone: whoever still waits hears of it.
    mutating func end() {
        if !isOver { run(machine.lost(.closed)) }
        precondition(isOver && !isInTransaction, "somebody is never told")
        precondition(machine.lost(.closed) == .wait && machine.next(&input) == .wait, "there is life after the end")
    }

    private mutating func run(_ first: SMTPClientMachine.Action) {
        var action = first
        while true {
            precondition(!isOver || action == .wait)
            switch action {
            case .wait:
                let isHandshake = machine.phase == .handshake
                precondition(isOver || isHandshake || input.readableBytes < configuration.replies.maxLine)
                return
            case .send(let octets):
                count(octets)
                action = machine.next(&input)
            case .startTLS:
                precondition(input.readableBytes == 0 && !machine.isEncrypted)
                action = machine.tlsEstablished()
            case .ready:
                opened()
                action = begin()
            case .sendContent:
                begunContent()
                if waitsWithContent { return }
                action = contentSent()
            case .sendChunk(let octets):
                count(octets)
                begunContent()
                if waitsWithContent { return }
                action = contentSent()
            case .finished(let result):
                check(result)
                isOver = !result.isReusable
                if isOver { return }
                action = transactions < Self.mostTransactions ? begin() : machine.quit()
            case .failed:
                precondition(!isInTransaction)
                isOver = true
                return
            case .close:
                precondition(!isInTransaction && isOpened)
                isOver = true
                return
            }
        }
    }

    private mutating func sendContent() {
        let action = contentSent()
        run(action)
    }

    private mutating func opened() {
        precondition(!isOpened, "ready twice")
        isOpened = true
        let isFree = configuration.encryption == .never || configuration.encryption == .opportunistic
        precondition(machine.isEncrypted || isFree)
    }

    private mutating func begin() -> SMTPClientMachine.Action {
        let addresses: [EmailAddress] = ["bob@there.example", "\"b b\"@there.example", "carl@there.example"]
        var envelope = Envelope(sender: transactions % 2 == 0 ? "anna@here.example" : nil)
        envelope.parameters.body = isBinary ? .binaryMIME : .eightBitMIME
        envelope.parameters.envelopeID = "a+b=c"
        envelope.parameters.ret = .headers
        envelope.recipients = addresses.prefix(Self.recipients).map { address in
            var recipient = EnvelopeRecipient(address)
            recipient.parameters.notify = [.failure, .delay]
            recipient.parameters.originalRecipient = "rfc822;\(address)"
            return recipient
        }
        precondition(!isInTransaction)
        (isInTransaction, isSending, hasSent) = (true, false, false)
        transactions += 1
        return machine.begin(SMTPTransaction(envelope: envelope, size: 100))
    }

    private mutating func begunContent() {
        precondition(isInTransaction && !isSending && !hasSent, "the content twice")
        isSending = true
    }

    private mutating func contentSent() -> SMTPClientMachine.Action {
        (isSending, hasSent) = (false, true)
        return machine.contentSent()
    }

    private mutating func check(_ result: SMTPTransactionResult) {
        precondition(isInTransaction, "an outcome twice")
        isInTransaction = false
        isSending = false
        precondition(result.outcomes.count == Self.recipients)
        for case .accepted(let reply) in result.outcomes {
            precondition(hasSent && reply.isPositive, "taken before it was sent")
        }
    }

    /// Commands are whole lines, of bounded number and length, and passwords go where they may.
    private mutating func count(_ octets: ByteBuffer) {
        let text = Array(octets.readableBytesView)
        precondition(text.last == .lf)
        for line in text.dropLast().split(separator: .lf, omittingEmptySubsequences: false) {
            lines += 1
            let words = line.dropLast()
            precondition(line.last == .cr && words.count <= Self.longestLine)
            precondition(words.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
            let isLogin = words.starts(with: Array("AUTH ".utf8))
            precondition(!isLogin || machine.isEncrypted || configuration.loginWithoutTLS)
        }
        // And QUIT.
        precondition(lines <= Self.linesToOpen + transactions * Self.linesToSend + 1, "there is no end")
    }
}

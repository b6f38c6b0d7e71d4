import MailTypes
import NIOCore
import Protocols

/// Plays a server against the client machine, in memory.
struct ClientDialog {
    var machine: SMTPClientMachine
    /// What the server says to a command, by its verb; the first element is used up first, the last one stays.
    /// `"."` is the end of the content, `"(content)"` its middle, `""` the greeting. `close` closes the connection.
    var replies: [String: [String]]
    private(set) var sent: [String] = []
    private var input = ByteBuffer()
    private(set) var isClosed = false

    static let close = "(close)"

    static let usual: [String: [String]] = [
        "": ["220 mx.test ESMTP\r\n"],
        "EHLO": [
            "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n"
        ],
        "LHLO": ["250-mx.test\r\n250 PIPELINING\r\n"],
        "HELO": ["250 mx.test\r\n"],
        "MAIL": ["250 2.1.0 Ok\r\n"], "RCPT": ["250 2.1.5 Ok\r\n"], "DATA": ["354 Go\r\n"],
        ".": ["250 2.0.0 queued\r\n"], "RSET": ["250 Ok\r\n"], "QUIT": ["221 Bye\r\n"], "STARTTLS": ["220 Go\r\n"],
        "AUTH": ["235 2.7.0 Ok\r\n"], "BDAT": ["250 2.0.0 queued\r\n"],
    ]

    init(_ replies: [String: [String]] = [:], _ change: (inout SMTPClientMachine.Configuration) -> Void = { _ in }) {
        var configuration = SMTPClientMachine.Configuration(hostname: "client.test")
        configuration.encryption = .never
        change(&configuration)
        machine = SMTPClientMachine(configuration)
        self.replies = Self.usual.merging(replies) { _, new in new }
    }

    /// What ends a run: the session is ready, a transaction is over, or the session is.
    enum End: Equatable {
        case ready, closed, silence
        case finished(SMTPTransactionResult)
        case failed(SMTPClientFailure)
    }

    mutating func connect() -> End {
        serve("")
        return run(machine.next(&input))
    }

    mutating func deliver(_ transaction: SMTPTransaction) -> End { run(machine.begin(transaction)) }

    mutating func run(_ first: SMTPClientMachine.Action) -> End {
        var action = first
        for _ in 0..<10_000 {
            switch action {
            case .wait:
                if isClosed {
                    action = machine.lost(.closed)
                    if case .wait = action { return .closed }
                } else if input.readableBytes == 0 {
                    return .silence
                } else {
                    let before = input.readableBytes
                    action = machine.next(&input)
                    if case .wait = action, input.readableBytes == before { return .silence }
                }
            case .send(let octets):
                for line in String(buffer: octets).split(separator: "\r\n") {
                    sent.append(String(line))
                    serve(Self.verb(line))
                }
                action = machine.next(&input)
            case .startTLS:
                sent.append("(TLS)")
                action = machine.tlsEstablished()
            case .ready: return .ready
            case .sendContent:
                sent.append("(content)")
                serve("(content)")
                if input.readableBytes > 0 {
                    action = machine.next(&input)
                    if action != .wait { continue }
                }
                serve(".")
                if isClosed, input.readableBytes == 0 {
                    action = machine.lost(.closed)
                } else {
                    action = machine.contentSent()
                }
            case .sendChunk(let command):
                sent += String(buffer: command).split(separator: "\r\n").map(String.init)
                serve("(content)")
                if input.readableBytes > 0 {
                    action = machine.next(&input)
                    if action != .wait { continue }
                }
                serve("BDAT")
                action = machine.contentSent()
            case .finished(let result): return .finished(result)
            case .failed(let failure): return .failed(failure)
            case .close: return .closed
            }
        }
        return .silence
    }

    private static func verb(_ line: Substring) -> String {
        line == "." ? "." : String(line.prefix { $0 != " " && $0 != ":" })
    }

    private mutating func serve(_ verb: String) {
        guard !isClosed, var queue = replies[verb], let reply = queue.first else { return }
        if queue.count > 1 {
            queue.removeFirst()
            replies[verb] = queue
        }
        if reply.hasSuffix(Self.close) {
            isClosed = true
            input.writeString(String(reply.dropLast(Self.close.count)))
        } else {
            input.writeString(reply)
        }
    }
}

extension SMTPTransaction {
    static func sample(to recipients: [EmailAddress] = ["bob@there.test"], size: Int = 100) -> SMTPTransaction {
        SMTPTransaction(
            envelope: Envelope(sender: "anna@here.test", recipients: recipients.map { EnvelopeRecipient($0) }),
            size: size)
    }
}

public import Content
public import MailTypes

/// A message as it is taught: its tokens, and by what it is known again.
public struct LessonSubject: Sendable {
    /// Each once, in order.
    public let tokens: [UInt64]
    /// Message-ID, for lists; at most 200 characters.
    public let messageID: String?
    /// What stays the same wherever the message lies: the fields that its author wrote, and its body without the
    /// line ends that programs change.
    public let identity: [UInt8]

    /// Octets of the body that a message is known again by.
    private static let mostOctets = 256 << 10

    public init(of message: Message, _ content: MessageContent, limits: TokenLimits = TokenLimits()) {
        tokens = MessageTokens(of: message, content, limits: limits).hashes
        messageID = message.header["Message-ID"].map { String($0.value.prefix(200)) }
        var identity: [UInt8] = []
        for name in ["Message-ID", "Date", "From", "Subject"] as [StaticString] {
            identity += Array((message.header[name]?.value ?? "").utf8) + [.lf]
        }
        var body = message.body[0..<Self.mostOctets].array
        body.removeAll { $0 == .cr }
        while let last = body.last, last == .lf || last == .space { body.removeLast() }
        self.identity = identity + body
    }

    public init(_ message: Message) { self.init(of: message, MessageContent(of: message)) }
}

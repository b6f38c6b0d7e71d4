public import Content
public import MailTypes
public import struct Foundation.Date

/// All that rules judge a message by.
public struct Evidence: Sendable {
    public var message: Message
    public var content: MessageContent
    public var envelope: Envelope?
    /// What is known of the client.
    public var client = Client()
    public var authentication = AuthenticationResults()
    /// The names of what other stages have found.
    public var symbols: Set<String> = []
    /// When it is judged; without it nothing is said of how old the message is.
    public var now: Date?

    public struct Client: Sendable, Hashable {
        public var address: IPAddress?
        /// The argument of HELO, EHLO or LHLO.
        public var hello: String?
        public var isEncrypted = false
        public var hasLoggedIn = false

        public init() {}
    }

    public init(_ message: Message, content: MessageContent) {
        self.message = message
        self.content = content
    }
}

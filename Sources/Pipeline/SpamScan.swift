public import MailTypes

/// Programs beside this one that say how much a message looks like spam.
public enum SpamScanner: String, Sendable, Hashable, Codable, CaseIterable {
    case rspamd, spamassassin
}

/// What does such a program say of this message?
///
/// Recorded are the program and the message's size and digest; the rest is only for whoever asks it.
public struct SpamScanQuestion: Sendable {
    public let scanner: SpamScanner
    public let message: MessageHandle
    /// `nil` where the question comes from a record.
    public let order: Order?

    /// Whom to ask, and what to tell of the message.
    public struct Order: Sendable {
        /// Asked one after the other until one answers.
        public var servers: [ScannerAddress]
        /// How long one of them may take.
        public var patience: Interval
        public var password: String?
        /// In whose name SpamAssassin reads its rules.
        public var account: String?
        public var session: Session
        public var sender: EmailAddress?
        public var recipients: [EmailAddress]
        public var id: String

        public init(servers: [ScannerAddress], patience: Interval, of transaction: Transaction) {
            self.servers = servers
            self.patience = patience
            session = transaction.session
            sender = transaction.sender
            recipients = transaction.recipients.map(\.address)
            id = transaction.id.text
        }
    }

    public init(_ scanner: SpamScanner, _ message: Message, order: Order) {
        self.init(scanner, MessageHandle(message), order)
    }

    private init(_ scanner: SpamScanner, _ message: MessageHandle, _ order: Order?) {
        self.scanner = scanner
        self.message = message
        self.order = order
    }

    /// As it stands in the record.
    var recorded: SpamScanQuestion { SpamScanQuestion(scanner, message.recorded, nil) }
}

extension SpamScanQuestion: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        left.scanner == right.scanner && left.message == right.message
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(scanner)
        hasher.combine(message)
    }
}

extension SpamScanQuestion: Codable {
    private enum CodingKeys: String, CodingKey { case scanner, message }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try table.decode(SpamScanner.self, forKey: .scanner),
            try table.decode(MessageHandle.self, forKey: .message),
            nil)
    }

    public func encode(to encoder: any Encoder) throws {
        var table = encoder.container(keyedBy: CodingKeys.self)
        try table.encode(scanner, forKey: .scanner)
        try table.encode(message, forKey: .message)
    }
}

/// Where a scanner listens.
public enum ScannerAddress: Sendable, Hashable, CustomStringConvertible {
    case host(String, port: Int)
    case path(String)

    public var description: String {
        switch self {
        case .host(let name, let port): name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)"
        case .path(let path): "unix:\(path)"
        }
    }
}

/// What the program said.
public struct SpamReport: Sendable, Hashable, Codable {
    /// The sum, which need not be that of the symbols.
    public var score: Double
    public var symbols: [Symbol]
    /// Who answered.
    public var server: String

    public init(score: Double, symbols: [Symbol], server: String) {
        self.score = score
        self.symbols = symbols
        self.server = server
    }
}

extension Services {
    public func spamReport(_ question: SpamScanQuestion) async throws(StageFailure) -> SpamReport {
        guard case .spamReport(let report) = try await ask(.spamScan(question)) else { throw .mismatch }
        return report
    }
}

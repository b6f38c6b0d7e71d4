public import MailTypes
import Pipeline

extension HeaderSanity {
    public struct Configuration: Decodable, Sendable {
        /// What a fault costs.
        public enum Action: String, Decodable, Sendable, CaseIterable {
            case reject, score, ignore
        }

        /// Whose messages are completed.
        public enum Scope: String, Decodable, Sendable, CaseIterable {
            case never
            /// Of users who have logged in, and of listeners of submission.
            case submission
            case always
        }

        /// The largest header, in octets.
        public var maxSize: ByteCount = "1MB"
        public var maxFields: BoundedInt<CountBounds> = 1000
        /// How deep parts may lie in one another.
        public var maxDepth: BoundedInt<CountBounds> = 100
        /// How many parts a message may have.
        public var maxParts: BoundedInt<CountBounds> = 10_000

        /// There is not exactly one From field with an address. RFC 5322 §3.6.2.
        public var from = Action.reject
        /// A field that may be there once is there twice. RFC 5322 §3.6.
        public var duplicates = Action.score
        /// There is no Date, or none that can be read. RFC 5322 §3.6.1.
        public var date = Action.score
        /// There is no Message-ID. RFC 5322 §3.6.4.
        public var messageID = Action.score
        public var leadingContinuation = Action.reject
        public var missingEmptyLine = Action.score
        public var strayControl = Action.reject
        public var blankBeforeColon = Action.score
        public var endsInHeader = Action.ignore
        public var overlongLine = Action.ignore
        public var mailboxLine = Action.score
        public var blankContinuation = Action.score
        /// The points of each fault whose action is `score`.
        public var points = 1.0

        /// Whether Authentication-Results fields in this server's name are taken out.
        public var stripResults = true
        /// Further names under which this server writes such fields.
        public var ownNames: [String] = []
        /// Fields that are taken out of every message; an asterisk at the end stands for any end.
        public var strip = ["X-Spam*", "X-Sluice*", "Return-Path"]
        /// Fields that are taken out of users' own messages.
        public var stripSubmitted = ["Bcc", "Resent-Bcc"]
        /// Whose messages get the Date and the Message-ID that they lack. RFC 6409 §8.
        public var complete = Scope.submission

        public init() {}
    }
}

extension HeaderSanity.Configuration {
    enum CodingKeys: String, CodingKey {
        case maxSize = "max_size"
        case maxFields = "max_fields"
        case maxDepth = "max_depth"
        case maxParts = "max_parts"
        case from, duplicates, date
        case messageID = "message_id"
        case leadingContinuation = "leading_continuation"
        case missingEmptyLine = "missing_empty_line"
        case strayControl = "stray_control"
        case blankBeforeColon = "blank_before_colon"
        case endsInHeader = "ends_in_header"
        case overlongLine = "overlong_line"
        case mailboxLine = "mailbox_line"
        case blankContinuation = "blank_continuation"
        case points
        case stripResults = "strip_results"
        case ownNames = "own_names"
        case strip
        case stripSubmitted = "strip_submitted"
        case complete
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        maxSize = table.value(.maxSize, default: maxSize)
        maxFields = table.value(.maxFields, default: maxFields)
        maxDepth = table.value(.maxDepth, default: maxDepth)
        maxParts = table.value(.maxParts, default: maxParts)
        from = table.value(.from, default: from)
        duplicates = table.value(.duplicates, default: duplicates)
        date = table.value(.date, default: date)
        messageID = table.value(.messageID, default: messageID)
        leadingContinuation = table.value(.leadingContinuation, default: leadingContinuation)
        missingEmptyLine = table.value(.missingEmptyLine, default: missingEmptyLine)
        strayControl = table.value(.strayControl, default: strayControl)
        blankBeforeColon = table.value(.blankBeforeColon, default: blankBeforeColon)
        endsInHeader = table.value(.endsInHeader, default: endsInHeader)
        overlongLine = table.value(.overlongLine, default: overlongLine)
        mailboxLine = table.value(.mailboxLine, default: mailboxLine)
        blankContinuation = table.value(.blankContinuation, default: blankContinuation)
        points = table.value(.points, default: points)
        stripResults = table.value(.stripResults, default: stripResults)
        ownNames = table.value(.ownNames, default: ownNames)
        strip = table.value(.strip, default: strip)
        stripSubmitted = table.value(.stripSubmitted, default: stripSubmitted)
        complete = table.value(.complete, default: complete)
    }
}

/// One thing that is wrong with a message, and what it costs.
struct HeaderFault {
    let key: any CodingKey
    let action: HeaderSanity.Configuration.Action
    /// One clear sentence for the sender.
    let sentence: String
    let isTooBig: Bool

    var symbol: String { "HEADER_\(key.stringValue.uppercased())" }

    var reply: Reply {
        isTooBig ? Reply(552, .messageTooBig, sentence) : Reply(550, .contentOther, sentence)
    }
}

// The whole policy.
extension HeaderSanity.Configuration {
    func finding(on faults: [HeaderFault]) -> Finding {
        var finding = Finding.none
        for fault in faults {
            switch fault.action {
            case .reject:
                return Finding(.reject(fault.reply), decidedBy: [fault.key.stringValue], note: fault.sentence)
            case .score:
                let symbol = Symbol(fault.symbol, points: points, description: fault.sentence)
                finding.edits.append(.score(symbol))
                finding.decidedBy.append(fault.key.stringValue)
            case .ignore:
                break
            }
        }
        return finding
    }

    func faults(of header: Header, isCompleted: Bool) -> [HeaderFault] {
        var faults: [HeaderFault] = []
        if header.serializedCount > maxSize.octets {
            faults.append(tooBig(.maxSize, "The header is larger than \(maxSize.octets) octets"))
        }
        if header.fields.count > maxFields.value {
            faults.append(tooBig(.maxFields, "The header has more than \(maxFields.value) fields"))
        }
        if let wrong = Self.wrongAuthor(in: header) { faults.append(fault(.from, from, wrong)) }
        if let name = Self.duplicate(in: header) {
            faults.append(fault(.duplicates, duplicates, "The message has more than one \(name) field"))
        }
        let dates = header.fields(named: "Date")
        if dates.isEmpty ? !isCompleted : MailDate(parsing: dates[0].rawValue) == nil {
            faults.append(fault(.date, date, "The message needs a Date field that can be read"))
        }
        if !isCompleted, header["Message-ID"] == nil {
            faults.append(fault(.messageID, messageID, "The message has no Message-ID field"))
        }
        // In the order of their names, so that the same message always gets the same reply.
        return faults + header.defects.sorted { $0.rawValue < $1.rawValue }.map(self.fault(of:))
    }

    func faults(ofPartsOf message: Message) -> [HeaderFault] {
        // Only these two kinds hold parts; all others need not be read through. RFC 2046 §5.
        let type = message.header["Content-Type"]?.value.asciiLowercased ?? ""
        guard type.contains("multipart") || type.contains("message") else { return [] }
        let limits = MIMELimits(maxDepth: maxDepth.value, maxParts: maxParts.value)
        let defects = MIMEStructure(of: message, limits: limits).defects
        var faults: [HeaderFault] = []
        if defects.contains(.tooDeep) {
            faults.append(tooBig(.maxDepth, "The message has parts deeper than \(maxDepth.value) levels"))
        }
        if defects.contains(.tooManyParts) {
            faults.append(tooBig(.maxParts, "The message has more than \(maxParts.value) parts"))
        }
        return faults
    }

    private func fault(_ key: CodingKeys, _ action: Action, _ sentence: String) -> HeaderFault {
        HeaderFault(key: key, action: action, sentence: sentence, isTooBig: false)
    }

    private func tooBig(_ key: CodingKeys, _ sentence: String) -> HeaderFault {
        HeaderFault(key: key, action: .reject, sentence: sentence, isTooBig: true)
    }

    private func fault(of defect: HeaderDefect) -> HeaderFault {
        switch defect {
        case .leadingContinuation:
            fault(.leadingContinuation, leadingContinuation, "The header begins with a continuation line")
        case .missingEmptyLine:
            fault(.missingEmptyLine, missingEmptyLine, "There is no empty line behind the header")
        case .strayControl:
            fault(.strayControl, strayControl, "The header has a stray control character or line break")
        case .blankBeforeColon:
            fault(.blankBeforeColon, blankBeforeColon, "A field has a blank before its colon")
        case .endsInHeader:
            fault(.endsInHeader, endsInHeader, "The message ends in its header")
        case .overlongLine:
            fault(.overlongLine, overlongLine, "The header has a line longer than 998 octets")
        case .mailboxLine:
            fault(.mailboxLine, mailboxLine, "The message begins with a From line of a mailbox file")
        case .blankContinuation:
            fault(.blankContinuation, blankContinuation, "The header has a continuation line of blanks only")
        }
    }

    private static func wrongAuthor(in header: Header) -> String? {
        let fields = header.fields(named: "From")
        let needed = "The message needs exactly one From field with an address"
        guard fields.count == 1 else { return needed }
        guard let authors = Authors.addresses(in: fields[0]) else {
            return "The addresses in the From field cannot be read without doubt"
        }
        return authors.isEmpty ? needed : nil
    }

    /// A field that is there more often than RFC 5322 §3.6 and RFC 2045 §3 allow; From has a check of
    /// its own.
    private static func duplicate(in header: Header) -> String? {
        var met: Set<Int> = []
        for field in header.fields {
            guard let place = singles.firstIndex(where: { field.isNamed($0) }) else { continue }
            guard met.insert(place).inserted else { return singles[place] }
        }
        return nil
    }

    private static let singles = [
        "Date", "Sender", "Reply-To", "To", "Cc", "Bcc", "Message-ID", "In-Reply-To", "References", "Subject",
        "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    ]
}

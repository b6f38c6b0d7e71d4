/// An enhanced mail system status code, such as `4.7.1`. RFC 3463 §2.
public struct EnhancedStatusCode: Sendable, Hashable {
    /// The first number: whether the outcome is good, passing or final. RFC 3463 §2.
    public enum Class: Int, Sendable {
        case success = 2
        case persistentTransientFailure = 4
        case permanentFailure = 5
    }

    /// The last two numbers: what happened. RFC 3463 §3.2 to §3.8.
    public struct Condition: Sendable, Hashable, Codable {
        public let subject: Int
        public let detail: Int

        public init(_ subject: Int, _ detail: Int) {
            self.subject = subject
            self.detail = detail
        }
    }

    public let `class`: Class
    public let condition: Condition

    public init(_ class: Class, _ condition: Condition) {
        self.class = `class`
        self.condition = condition
    }
}

extension EnhancedStatusCode: CustomStringConvertible {
    public var description: String {
        let (subject, detail) = (condition.subject, condition.detail)
        // The numbers have three digits at most. RFC 3463 §2.
        guard 0..<1000 ~= subject, 0..<1000 ~= detail else { return "\(`class`.rawValue).\(subject).\(detail)" }
        return .ascii(atMost: 9) { text in
            text.put(`class`.rawValue)
            text.put(".")
            text.put(subject)
            text.put(".")
            text.put(detail)
        }
    }
}

extension EnhancedStatusCode.Condition {
    // X.0: other. RFC 3463 §3.1.
    public static let other = Self(0, 0)

    // X.1: addresses. RFC 3463 §3.2, RFC 7505, RFC 5248.
    public static let badDestinationMailbox = Self(1, 1)
    public static let badDestinationSystem = Self(1, 2)
    public static let badDestinationSyntax = Self(1, 3)
    public static let destinationAmbiguous = Self(1, 4)
    public static let destinationValid = Self(1, 5)
    public static let destinationMoved = Self(1, 6)
    public static let badSenderSyntax = Self(1, 7)
    public static let badSenderSystem = Self(1, 8)
    public static let nullMX = Self(1, 10)

    // X.2: the mailbox. RFC 3463 §3.3.
    public static let mailboxDisabled = Self(2, 1)
    public static let mailboxFull = Self(2, 2)
    public static let messageTooLongForMailbox = Self(2, 3)
    public static let listExpansion = Self(2, 4)

    // X.3: the mail system. RFC 3463 §3.4.
    public static let systemOther = Self(3, 0)
    public static let systemFull = Self(3, 1)
    public static let notAccepting = Self(3, 2)
    public static let notCapable = Self(3, 3)
    public static let messageTooBig = Self(3, 4)

    // X.4: network and routing. RFC 3463 §3.5.
    public static let noAnswer = Self(4, 1)
    public static let badConnection = Self(4, 2)
    public static let directoryFailure = Self(4, 3)
    public static let unableToRoute = Self(4, 4)
    public static let congestion = Self(4, 5)
    public static let routingLoop = Self(4, 6)
    public static let deliveryTimeExpired = Self(4, 7)

    // X.5: the protocol. RFC 3463 §3.6.
    public static let protocolOther = Self(5, 0)
    public static let invalidCommand = Self(5, 1)
    public static let syntaxError = Self(5, 2)
    public static let tooManyRecipients = Self(5, 3)
    public static let invalidArguments = Self(5, 4)
    public static let authExchangeTooLong = Self(5, 6)

    // X.6: the content. RFC 3463 §3.7, RFC 6531 §4.2.
    public static let contentOther = Self(6, 0)
    public static let mediaNotSupported = Self(6, 1)
    public static let conversionRequired = Self(6, 3)
    public static let nonASCIIAddress = Self(6, 7)

    // X.7: security and policy. RFC 3463 §3.8, RFC 4954 §6, RFC 7372, RFC 8617 §10.3, RFC 8689.
    public static let securityOther = Self(7, 0)
    public static let deliveryNotAuthorized = Self(7, 1)
    public static let authSucceeded = Self(7, 0)
    public static let authInvalid = Self(7, 8)
    public static let authTooWeak = Self(7, 9)
    public static let encryptionNeeded = Self(7, 10)
    public static let authEncryptionRequired = Self(7, 11)
    public static let dkimMissing = Self(7, 20)
    public static let dkimUnacceptable = Self(7, 21)
    public static let spfFailed = Self(7, 23)
    public static let spfError = Self(7, 24)
    public static let reverseNameFailed = Self(7, 25)
    public static let severalChecksFailed = Self(7, 26)
    public static let arcFailed = Self(7, 29)
    public static let requireTLSNeeded = Self(7, 30)
}

import MailTypes

// What the machine says by itself. None of it repeats what the client sent. RFC 5321 §4.2.2.
extension Reply {
    static let okay = Reply(250, .other, "OK")
    static let bye = Reply(221, .other, "Bye")
    static let help = Reply(214, .other, "RFC 5321 tells it all")
    static let cannotVerify = Reply(252, .other, "Send the mail and see")
    static let goAhead = Reply(354, "End data with <CR><LF>.<CR><LF>")
    static let readyForTLS = Reply(220, .other, "Ready to start TLS")
    static let analysisStarted = Reply(353, "A reply for each recipient follows")
    static let loggedIn = Reply(235, .authSucceeded, "Logged in")

    static let unknownCommand = Reply(500, .invalidCommand, "Command not known")
    static let notImplemented = Reply(502, .invalidCommand, "Command not available here")
    static let lineTooLong = Reply(500, .syntaxError, "Line too long")
    static let controlCharacters = Reply(500, .syntaxError, "Control characters in a command")
    static let bareLineEndInCommand = Reply(500, .syntaxError, "Lines end with CR LF")
    static let badArguments = Reply(501, .invalidArguments, "Arguments not understood")
    static let badHello = Reply(501, .invalidArguments, "A host name or address literal is needed")
    static let unknownParameter = Reply(555, .invalidArguments, "Parameter not known or not available here")
    static let badSender = Reply(501, .badSenderSyntax, "Not a reverse-path")
    static let badRecipient = Reply(501, .badDestinationSyntax, "Not a forward-path")
    static let nonASCIIAddress = Reply(553, .nonASCIIAddress, "This address needs SMTPUTF8")
    static let helloFirst = Reply(503, .invalidCommand, "Say hello first")
    static let mailFirst = Reply(503, .invalidCommand, "MAIL comes first")
    static let recipientFirst = Reply(503, .invalidCommand, "RCPT comes first")
    static let nestedMail = Reply(503, .invalidCommand, "The sender is known already")
    static let inTransaction = Reply(503, .invalidCommand, "Not within a transaction")
    static let onlyChunks = Reply(503, .invalidCommand, "This message comes in chunks: BDAT")
    static let noValidRecipients = Reply(554, .invalidCommand, "No valid recipients")
    static let alreadyEncrypted = Reply(503, .invalidCommand, "TLS is active already")
    static let alreadyLoggedIn = Reply(503, .invalidCommand, "Logged in already")
    static let tlsFirst = Reply(530, .securityOther, "STARTTLS comes first")
    static let loginFirst = Reply(530, .securityOther, "Authentication required")

    static let loginNeedsTLS = Reply(538, .authEncryptionRequired, "Authentication needs TLS")
    static let unknownMechanism = Reply(504, .invalidArguments, "Mechanism not known")
    static let badResponse = Reply(501, .syntaxError, "Not a response of this mechanism")
    static let responseTooLong = Reply(500, .authExchangeTooLong, "Response too long")
    static let loginCancelled = Reply(501, .securityOther, "Authentication cancelled")
    static let loginRefused = Reply(535, .authInvalid, "Name or password is wrong")
    static let loginUnavailable = Reply(454, .securityOther, "Authentication is not possible at the moment")

    static let tooBig = Reply(552, .messageTooBig, "Message too big")
    static let tooManyRecipients = Reply(452, .tooManyRecipients, "Too many recipients for one message")
    static let noVerdict = Reply(451, .systemOther, "Not taken; try again later")

    static let tooManyErrors = Reply(421, .securityOther, "Too many errors")
    static let tooMuchJunk = Reply(421, .securityOther, "Too many commands without a message")
    static let tooManyTransactions = Reply(421, .securityOther, "Too many messages for one connection")
    static let foreignProtocol = Reply(421, .securityOther, "This is a mail server")
    static let spokeEarly = Reply(554, .protocolOther, "You spoke before the greeting")
    static let pipelinedWrongly = Reply(554, .protocolOther, "You did not wait for a reply")
    static let outOfStep = Reply(421, .systemOther, "Internal error")

    /// Why the content was not taken.
    static func refusal(of fault: SMTPContentReader.Fault) -> Reply {
        switch fault {
        case .tooBig: .tooBig
        case .bareLineEnd: Reply(550, .notRFC5322, "CR or LF alone in the message")
        case .nul: Reply(550, .notRFC5322, "NUL in the message")
        case .longLine: Reply(550, .notRFC5322, "Line too long in the message")
        }
    }
}

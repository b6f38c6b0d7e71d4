import MailTypes

// What the machine says by itself. None of it repeats what the client sent. RFC 5321 §4.2.2.
extension Reply {
    static let okay = Reply(250, .other, "OK")
    static let bye = Reply(221, .other, "Bye")
    static let help = Reply(214, .other, "This server speaks RFC 5321 and what its reply to EHLO (in LMTP: LHLO) lists")
    static let cannotVerify = Reply(252, .other, "Addresses are not verified here; send the message and see")
    static let goAhead = Reply(354, "Start mail input; end with <CRLF>.<CRLF>")
    static let readyForTLS = Reply(220, .other, "Ready to start TLS")
    static let analysisStarted = Reply(353, "A reply for each recipient follows")
    static let loggedIn = Reply(235, .authSucceeded, "Authentication succeeded")

    static let unknownCommand = Reply(500, .invalidCommand, "Command not known")
    static let notImplemented = Reply(502, .invalidCommand, "Command not available here")
    static let lineTooLong = Reply(500, .syntaxError, "Line too long")
    static let controlCharacters = Reply(500, .syntaxError, "Control characters are not allowed in a command")
    static let bareLineEndInCommand = Reply(500, .syntaxError, "Lines must end with CR LF, not with LF alone")
    static let badArguments = Reply(501, .invalidArguments, "Syntax error in the arguments of this command")
    /// `name` is one that the grammar has, not what the client made of it.
    static func badParameter(_ name: String) -> Reply {
        Reply(501, .invalidArguments, "The parameter \(name) is malformed, or there twice")
    }
    static let badHello = Reply(501, .invalidArguments, "One host name or address literal must follow")
    static let unknownParameter = Reply(555, .invalidArguments, "Parameter not known or not available here")
    static let unknownAttribute = Reply(501, .invalidArguments, "Attribute not known")
    static let badSender = Reply(501, .badSenderSyntax, "Not a valid sender; write MAIL FROM:<user@domain>")
    static let badRecipient = Reply(501, .badDestinationSyntax, "Not a valid recipient; write RCPT TO:<user@domain>")
    static let nonASCIIAddress = Reply(553, .nonASCIIAddress, "Not ASCII: give the SMTPUTF8 parameter with MAIL")
    static let helloFirst = Reply(503, .invalidCommand, "Send EHLO (in LMTP: LHLO) first")
    static let mailFirst = Reply(503, .invalidCommand, "Send MAIL first")
    static let recipientFirst = Reply(503, .invalidCommand, "Send RCPT first")
    static let nestedMail = Reply(503, .invalidCommand, "There is a sender already; RSET forgets it")
    static let inTransaction = Reply(503, .invalidCommand, "Not allowed between MAIL and the end of the message")
    static let onlyChunks = Reply(503, .invalidCommand, "This message must be sent with BDAT, not with DATA")
    static let noValidRecipients = Reply(554, .invalidCommand, "No recipient was accepted")
    static let alreadyEncrypted = Reply(503, .invalidCommand, "TLS is active already")
    static let alreadyLoggedIn = Reply(503, .invalidCommand, "You are authenticated already")
    static let tlsFirst = Reply(530, .securityOther, "Encryption required; send STARTTLS first")
    static let loginFirst = Reply(530, .securityOther, "Authentication required; send AUTH first")

    static let loginNeedsTLS = Reply(538, .authEncryptionRequired, "Encryption required; send STARTTLS before AUTH")
    static let unknownMechanism = Reply(504, .invalidArguments, "Authentication mechanism not available here")
    static let badResponse = Reply(501, .syntaxError, "Not a valid response of this authentication mechanism")
    static let responseTooLong = Reply(500, .authExchangeTooLong, "Authentication response too long")
    static let loginCancelled = Reply(501, .securityOther, "Authentication cancelled")
    static let loginRefused = Reply(535, .authInvalid, "User name or password is wrong")
    static let loginUnavailable = Reply(454, .securityOther, "Authentication is not possible now; try again later")

    static let tooBig = Reply(552, .messageTooBig, "Message is larger than this server takes")
    static let tooManyRecipients = Reply(
        452, .tooManyRecipients, "Too many recipients for one message; send it to the rest afterwards")
    static let noVerdict = Reply(451, .systemOther, "Message not taken; try again later")

    static let tooManyErrors = Reply(421, .securityOther, "Too many errors; closing the connection")
    static let tooMuchJunk = Reply(421, .securityOther, "Too many commands without a message; closing the connection")
    static let tooManyTransactions = Reply(
        421, .securityOther, "Too many messages on one connection; connect again for the next")
    static let foreignProtocol = Reply(421, .securityOther, "This is a mail server")
    static let spokeEarly = Reply(554, .protocolOther, "You spoke before the greeting; wait for it")
    static let pipelinedWrongly = Reply(554, .protocolOther, "You did not wait for a reply you must wait for")
    static let outOfStep = Reply(421, .systemOther, "Internal error; try again later")

    /// Why the content was not taken.
    ///
    /// The registry of RFC 5248 has no code for line ends or NUL: 5.6.0 is the general one for content.
    static func refusal(of fault: SMTPContentReader.Fault) -> Reply {
        switch fault {
        case .tooBig: .tooBig
        case .bareLineEnd: Reply(550, .contentOther, "CR or LF stands alone in the message; lines must end with CR LF")
        case .nul: Reply(550, .contentOther, "NUL characters are not allowed in a message")
        case .longLine: Reply(550, .contentOther, "A line of the message is longer than this server takes")
        }
    }
}

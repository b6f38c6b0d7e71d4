import MailTypes

/// What a server says before it is asked.
///
/// A reply belongs to a command only by its place in the row, so one too many would give every later recipient
/// somebody else's reply. Where all commands have been answered, nothing may be left unread.
extension SMTPClientMachine {
    static let isAhead = "a reply before the command that it answers"

    /// Octets have come that belong to no command.
    var hasUnread: Bool { unread > 0 || parser.isWithinReply }

    /// An action as it may be done with so many octets left unread.
    mutating func inOrder(_ action: Action, unread: Int) -> Action {
        guard unread > 0 else { return action }
        switch action {
        case .send, .sendChunk, .ready:
            return fail(.malformed(Self.isAhead))
        case .finished(let result) where result.isReusable:
            state = .dead
            return .finished(result.withReplyTooMany)
        case .wait, .sendContent, .startTLS, .finished, .failed, .close:
            return action
        }
    }

    /// A reply while the content flows: a server that has had enough may say so at once, but there is nothing yet
    /// that it could have taken. RFC 5321 §3.3.
    mutating func receivedInContent(_ reply: Reply, _ transaction: TransactionState) -> Action {
        guard !reply.isPositive else { return fail(.malformed(Self.isAhead)) }
        state = .dead
        var under = transaction
        if configuration.language == .lmtp, reply.code != 421, let first = under.accepted.first {
            // It speaks for one recipient; those behind it are left without a reply. RFC 2033 §4.2.
            under.outcomes[first] = .refused(reply, .content)
            let failure = SMTPClientFailure(.content, .malformed("the content was refused for another recipient"))
            return .finished(under.result(otherwise: .broken(failure), isReusable: false))
        }
        return .finished(under.result(otherwise: .refused(reply, .content), isReusable: false))
    }
}

extension SMTPTransactionResult {
    /// The same where more has come than was asked for: the next transaction would be told the rest.
    ///
    /// Who has heard of the content has heard 354 in its place before, and is sure of the reply. In a transaction
    /// that ended earlier, any reply may be the one too many.
    fileprivate var withReplyTooMany: SMTPTransactionResult {
        var result = self
        result.isReusable = false
        let isSure = outcomes.contains { outcome in
            switch outcome {
            case .accepted, .refused(_, .content), .refused(_, .final): true
            case .refused, .broken: false
            }
        }
        if isSure { return result }
        let failure = SMTPClientFailure(.data, .malformed(SMTPClientMachine.isAhead))
        result.outcomes = outcomes.map { _ in .broken(failure) }
        return result
    }
}

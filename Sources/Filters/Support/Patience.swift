import MailTypes
import Pipeline
import struct Foundation.Date

/// That a message has been waited for already, at one stage: another one need not make its sender wait once more.
enum Patience {
    private static let table = "waited"
    /// From RCPT to the message is no longer than that.
    private static let lifetime: Interval = "1h"

    /// Notes that this recipient's copy has come back after a wait.
    static func note(
        _ recipient: EmailAddress, in transaction: Transaction, at now: Date
    ) async throws(StageFailure) {
        let key = key(of: recipient, transaction)
        _ = try await transaction.services.visits(.visit(table: table, key: key, at: now, lifetime: lifetime))
    }

    /// Whether that has been noted in this transaction.
    static func isProven(
        _ recipient: EmailAddress, in transaction: Transaction, at now: Date
    ) async throws(StageFailure) -> Bool {
        let key = key(of: recipient, transaction)
        return try await transaction.services.visits(.peek(table: table, key: key, at: now)) != nil
    }

    private static func key(of recipient: EmailAddress, _ transaction: Transaction) -> String {
        "\(transaction.id) <\(recipient.key)>"
    }
}

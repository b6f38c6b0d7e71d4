import MailTypes

/// By what a message is known when it is sent again.
///
/// Not by the client: big senders try again from another address, and a message that has waited has waited.
struct MessageIdentity {
    /// Sixteen hexadecimal digits, and the sender.
    let key: String

    private static let fields = ["Message-ID", "Date", "From", "Subject"]
    private static let longestField = 2_000

    /// A Message-ID that `transaction` has given the message is new each time, and counts for nothing; nor does the
    /// Date, which may have been given with it, where there is a Message-ID of any kind.
    init(_ message: Message, sender: EmailAddress?, in transaction: TransactionID) {
        // FNV-1a. Who makes two messages meet has gained what waiting would have given.
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        func absorb(_ octets: some Sequence<UInt8>) {
            for octet in octets { digest = (digest ^ UInt64(octet)) &* 0x100_0000_01B3 }
        }
        let own = "<\(transaction)@"
        let hasIdentifier = message.header["Message-ID"] != nil
        for name in Self.fields where !(hasIdentifier && name == "Date") {
            for field in message.header.fields where field.isNamed(name) {
                if name == "Message-ID", field.value.contains(own) { continue }
                absorb(field.rawValue.prefix(Self.longestField))
                absorb([0])
            }
            absorb([1])
        }
        let hex = String(digest, radix: 16)
        key = "\(String(repeating: "0", count: 16 - hex.count))\(hex) <\(sender?.key ?? "")>"
    }
}

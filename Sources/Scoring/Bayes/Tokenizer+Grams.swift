import MailTypes

extension Tokenizer {
    /// Fields that say whom a message is for, or what it answers, and those that have tokens of their own.
    private static let withoutGrams: Set<String> = [
        "to", "cc", "bcc", "apparently-to", "reply-to", "references", "in-reply-to", "thread-index", "thread-topic",
        "resent-to", "resent-cc",
    ]

    /// Each four octets that follow each other in a field, its name included: how a program writes fields, which
    /// nobody has listed. Digits are all the same.
    mutating func readGrams(_ header: Header) {
        var seen: Set<UInt32> = []
        for field in header.fields.prefix(limits.maxFields) {
            let name = field.name.prefix(60).lowercased()
            guard !Self.isPassedOver(name), !Self.withoutGrams.contains(name) else { continue }
            var gram: UInt32 = UInt32(UInt8.lf)
            var count = 1
            let value = field.value.utf8.drop { $0 == .space || $0 == .tab }.prefix(limits.maxGramOctets)
            for octets in [Array(field.name.utf8.prefix(60)) + [UInt8(ascii: ":"), .space], Array(value)] {
                for octet in octets {
                    let blank = octet == .tab ? .space : octet
                    // Of blanks in a row, which folding leaves, one.
                    if blank == .space, UInt8(truncatingIfNeeded: gram) == .space { continue }
                    gram = gram << 8 | UInt32(blank.isDigit ? UInt8(ascii: "9") : blank)
                    count += 1
                    guard count >= 4, seen.insert(gram).inserted else { continue }
                    guard tokens.room > 0, seen.count <= limits.maxGrams else { return }
                    tokens.add("g:", withUnsafeBytes(of: gram.bigEndian, Array.init))
                }
            }
        }
    }
}

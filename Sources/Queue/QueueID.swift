public import MailTypes

/// The name of one queued message: the id of its transaction and the number of the copy.
///
/// A transaction leaves several copies when stages gave recipients different headers, bodies or
/// dispositions. Written `0123456789abcdef-1`; ids sort by age.
public struct QueueID: Hashable, Sendable {
    // The 80 bits of the transaction's id and 16 of the copy, so that a million of them are cheap.
    let high: UInt64
    let low: UInt32

    /// Makes the id of the `copy`-th message of a transaction; copies count from 0 to 65535.
    public init(_ transaction: TransactionID, copy: Int = 0) {
        var bits: (UInt64, UInt64) = (0, 0)
        for octet in transaction.text.utf8 {
            let digit = UInt64(Self.digits[Int(octet & 0x7f)])
            bits.0 = (bits.0 << 5) | (bits.1 >> 11)
            bits.1 = ((bits.1 << 5) | digit) & 0xffff
        }
        self.init(high: bits.0, low: UInt32(bits.1) << 16 | UInt32(UInt16(clamping: copy)))
    }

    /// Reads an id that somebody typed or a file name holds.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard
            parts.count == 2, let transaction = TransactionID(parts[0]),
            let copy = UInt16(parts[1]), parts[1] == String(copy)
        else { return nil }
        self.init(transaction, copy: Int(copy))
    }

    init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }

    public var copy: Int { Int(low & 0xffff) }

    /// Copies from this number on are not made by a transaction: their ids follow from something else, as a report's
    /// does from its message, and may come again.
    public static let firstDerivedCopy = 32_768

    /// Whether another message may come with the same id, when this one has left or was refused.
    public var isDerived: Bool { copy >= Self.firstDerivedCopy }

    public var transaction: TransactionID {
        let random = UInt32(truncatingIfNeeded: high << 16) | low >> 16
        return TransactionID(milliseconds: high >> 16, random: random)
    }

    /// The value of each character of a transaction's id; 0 for what is none.
    private static let digits: [UInt8] = {
        var table = [UInt8](repeating: 0, count: 128)
        for (value, octet) in "0123456789abcdefghjkmnpqrstvwxyz".utf8.enumerated() {
            table[Int(octet)] = UInt8(value)
        }
        return table
    }()
}

extension QueueID: Comparable {
    public static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension [QueueID] {
    /// The first `count` after `start` in order, without sorting all.
    func smallest(_ count: Int, after start: QueueID?) -> [QueueID] {
        let count = Swift.min(count, self.count)
        guard count > 0 else { return [] }
        var chosen: [QueueID] = []
        var bound: QueueID?
        func cut() {
            chosen.sort()
            guard chosen.count >= count else { return }
            chosen.removeLast(chosen.count - count)
            bound = chosen.last
        }
        for id in self where start.map({ $0 < id }) ?? true && bound.map({ id < $0 }) ?? true {
            chosen.append(id)
            if chosen.count >= 2 * count + 64 { cut() }
        }
        cut()
        return chosen
    }
}

extension QueueID: CustomStringConvertible {
    public var description: String { "\(transaction)-\(copy)" }
}

extension QueueID: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = QueueID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a queue id")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

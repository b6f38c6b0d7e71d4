/// Which record at a key's name is the key. RFC 6376 §3.6.2.2.
enum KeyChoice: Equatable {
    case text([UInt8])
    case none
    /// Nobody can say which of them was meant.
    case several
    /// A tag stands there twice, and nobody can say which was meant. RFC 6376 §3.2.
    case repeating
    /// Longer than libopendkim reads.
    case tooLong
    case unreachable

    /// libopendkim's buffer.
    static let longest = 1024

    init(_ answer: LookUpAnswer) {
        switch answer {
        case .nothing: self = .none
        case .failed: self = .unreachable
        case .records(let records):
            // Other texts may stand at the same name.
            let keys = records.count > 1 ? records.filter(Self.hasKey) : records
            guard let key = keys.first else {
                self = .none
                return
            }
            if keys.count > 1 {
                self = .several
            } else if key.count > Self.longest {
                self = .tooLong
            } else if SignatureTags.isRepeating(key[...]) {
                self = .repeating
            } else {
                // The library would stop at a NUL; as any other control character it is an error.
                self = .text(PublicKeyForm.readable(key.map { max($0, 1) }))
            }
        }
    }

    /// Whether there is a tag `p=`.
    private static func hasKey(_ record: [UInt8]) -> Bool {
        record.split(separator: UInt8(ascii: ";")).contains { tag in
            let name = tag.prefix { $0 != UInt8(ascii: "=") }
            return name.count < tag.count && name.filter { $0 > 0x20 } == [UInt8(ascii: "p")]
        }
    }
}

/// How much of `b=` tells the signatures of a message apart. RFC 6008 §3.
enum SignatureBeginning {
    static let shortest = 8
    static let longest = 64

    static func length(_ signatures: [String]) -> Int {
        let all = Set(signatures).count
        return (shortest..<longest).first { length in Set(signatures.map { $0.prefix(length) }).count == all }
            ?? longest
    }
}

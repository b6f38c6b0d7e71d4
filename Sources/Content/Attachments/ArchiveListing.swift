import MailTypes

/// What is in an archive, without unpacking it.
public struct ArchiveListing: Sendable, Hashable {
    public struct Member: Sendable, Hashable {
        public let name: String
        public let compressed: Int
        public let uncompressed: Int
        public let isEncrypted: Bool
    }

    public internal(set) var members: [Member] = []
    /// There are more members than are listed.
    public internal(set) var isCut = false
    /// The directory is missing, contradicts the members, or does not fit the file.
    public internal(set) var isDamaged = false

    public var isEncrypted: Bool { members.contains(where: \.isEncrypted) }

    /// How many times larger the members are than the archive says they are packed; 0 if nothing is known.
    public var ratio: Int {
        var (packed, full) = (0, 0)
        for member in members {
            packed = packed &+ member.compressed
            full = full &+ member.uncompressed
        }
        return packed > 0 ? full / packed : 0
    }

    /// Reads the directory of a zip, or its members one after the other if it has none. APPNOTE 4.3.
    init(zip octets: [UInt8], limits: ContentLimits) {
        let reader = OctetReader(octets)
        if let (start, count) = Self.directory(reader) {
            readDirectory(reader, from: start, count: count, limits)
        } else {
            isDamaged = true
            readMembers(reader, limits)
        }
    }

    /// The end-of-directory record, which a comment of up to 64 kB may follow.
    private static func directory(_ reader: OctetReader) -> (start: Int, count: Int)? {
        var place = reader.count - 22
        let least = Swift.max(0, reader.count - 22 - 65535)
        while place >= least {
            if reader.long(place) == 0x0605_4B50, let count = reader.short(place + 10),
                let start = reader.long(place + 16)
            {
                let size = reader.long(place + 12) ?? 0
                // Something may stand before a zip: the directory is where its size says.
                let begin = reader.long(start) == 0x0201_4B50 ? start : place - size
                return begin >= 0 && (count == 0 || reader.long(begin) == 0x0201_4B50) ? (begin, count) : nil
            }
            place -= 1
        }
        return nil
    }

    private mutating func readDirectory(_ reader: OctetReader, from start: Int, count: Int, _ limits: ContentLimits) {
        var place = start
        while reader.long(place) == 0x0201_4B50 {
            guard members.count < limits.maxArchiveMembers else {
                isCut = true
                return
            }
            guard let flags = reader.short(place + 8), let packed = reader.long(place + 20),
                let full = reader.long(place + 24), let nameCount = reader.short(place + 28),
                let extra = reader.short(place + 30), let comment = reader.short(place + 32),
                let local = reader.long(place + 42), let name = reader.text(place + 46, nameCount)
            else {
                isDamaged = true
                return
            }
            members.append(.init(name: name, compressed: packed, uncompressed: full, isEncrypted: flags & 1 != 0))
            if let localCount = reader.short(local + 26), reader.long(local) == 0x0403_4B50 {
                if reader.text(local + 30, localCount) != name { isDamaged = true }
            } else {
                isDamaged = true
            }
            place += 46 + nameCount + extra + comment
        }
        if members.count != count { isDamaged = true }
    }

    private mutating func readMembers(_ reader: OctetReader, _ limits: ContentLimits) {
        var place = 0
        while reader.long(place) == 0x0403_4B50 {
            guard members.count < limits.maxArchiveMembers else {
                isCut = true
                return
            }
            guard let flags = reader.short(place + 6), let packed = reader.long(place + 18),
                let full = reader.long(place + 22), let nameCount = reader.short(place + 26),
                let extra = reader.short(place + 28), let name = reader.text(place + 30, nameCount)
            else { return }
            members.append(.init(name: name, compressed: packed, uncompressed: full, isEncrypted: flags & 1 != 0))
            // Sizes that come behind the content are not known here.
            guard flags & 8 == 0 || packed > 0 else { return }
            place += 30 + nameCount + extra + packed
        }
    }
}

/// Numbers of little end first, `nil` where there are none.
struct OctetReader {
    let octets: [UInt8]
    var count: Int { octets.count }

    init(_ octets: [UInt8]) { self.octets = octets }

    func short(_ place: Int) -> Int? {
        guard place >= 0, place <= octets.count - 2 else { return nil }
        return Int(octets[place]) | Int(octets[place + 1]) << 8
    }

    func long(_ place: Int) -> Int? {
        guard let low = short(place), let high = short(place + 2) else { return nil }
        return low | high << 16
    }

    func text(_ place: Int, _ length: Int) -> String? {
        guard place >= 0, length >= 0, place <= octets.count - length else { return nil }
        return String(decoding: octets[place..<place + length], as: UTF8.self)
    }
}

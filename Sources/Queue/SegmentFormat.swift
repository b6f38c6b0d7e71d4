import MailTypes

/// The first octets of a segment. `docs/queue.md` draws them.
struct SegmentHeader: Equatable {
    /// What this program writes; it reads this and all older ones.
    static let version = 1
    static let count = 64
    private static let magic = Array("SLUICEQ\n".utf8)

    var version = SegmentHeader.version
    /// Begins every record, so that nothing a stranger sends can pass for one.
    var mark: UInt32
    var number: UInt64
    /// Unix time in milliseconds.
    var made: Int64

    var octets: [UInt8] {
        var writer = ByteWriter()
        writer.octets = Self.magic
        writer.put(UInt32(clamping: version))
        writer.put(mark)
        writer.put(number)
        writer.put(made)
        writer.octets += [UInt8](repeating: 0, count: Self.count - 4 - writer.octets.count)
        writer.put(CRC32C.checksum(writer.octets))
        return writer.octets
    }

    init(mark: UInt32, number: UInt64, made: Int64) {
        self.mark = mark
        self.number = number
        self.made = made
    }

    /// Reads a header; `nil` if it is damaged.
    init?(_ octets: UnsafeRawBufferPointer) {
        guard octets.count >= Self.count, octets.prefix(8).elementsEqual(Self.magic) else { return nil }
        let stored = UInt32(littleEndian: octets.loadUnaligned(fromByteOffset: Self.count - 4, as: UInt32.self))
        guard CRC32C.checksum(UnsafeRawBufferPointer(rebasing: octets[0..<Self.count - 4])) == stored else {
            return nil
        }
        version = Int(UInt32(littleEndian: octets.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
        mark = UInt32(littleEndian: octets.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
        number = UInt64(littleEndian: octets.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        made = Int64(littleEndian: octets.loadUnaligned(fromByteOffset: 24, as: Int64.self))
    }

    /// `00000000000000a1.journal`.
    static func fileName(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits + suffix
    }

    static func number(ofFile name: String) -> UInt64? {
        guard name.hasSuffix(suffix), name.utf8.count == 16 + suffix.utf8.count else { return nil }
        return UInt64(name.dropLast(suffix.utf8.count), radix: 16)
    }

    private static let suffix = ".journal"
}

enum RecordKind: UInt8 {
    case accepted = 1
    case progress, removed, held, released, crashed, sealed, rerouted
}

/// One record's place in a segment, and what is in front of its payload.
struct RecordFrame: Equatable {
    static let headerCount = 16
    /// No record is longer; a damaged length cannot make anybody read gigabytes.
    static let longest = 1 << 30

    var kind: UInt8
    var flags: UInt8
    /// Where the record begins.
    var offset: Int
    var payload: Range<Int>

    /// Where the next record begins.
    var end: Int { Self.padded(payload.upperBound) }

    static func padded(_ count: Int) -> Int { (count + 7) & ~7 }

    /// The record at `offset`, if there is a whole and undamaged one.
    init?(in octets: UnsafeRawBufferPointer, at offset: Int, mark: UInt32) {
        guard offset >= 0, octets.count - offset >= Self.headerCount else { return nil }
        func word(_ place: Int) -> UInt32 {
            UInt32(littleEndian: octets.loadUnaligned(fromByteOffset: offset + place, as: UInt32.self))
        }
        let count = Int(word(8))
        guard word(0) == mark, count <= Self.longest, count <= octets.count - offset - Self.headerCount else {
            return nil
        }
        let covered = UnsafeRawBufferPointer(rebasing: octets[offset + 8..<offset + Self.headerCount + count])
        guard CRC32C.checksum(covered) ^ mark == word(4) else { return nil }
        kind = octets[offset + 12]
        flags = octets[offset + 13]
        self.offset = offset
        payload = offset + Self.headerCount..<offset + Self.headerCount + count
    }
}

/// Records on their way into a segment whose mark is not known yet.
struct RecordRun {
    private(set) var octets: [UInt8] = []

    init(capacity: Int = 0) { octets.reserveCapacity(capacity) }

    /// Appends a record whose payload `body` writes.
    mutating func append(_ kind: RecordKind, flags: UInt8 = 0, _ body: (inout ByteWriter) -> Void) {
        let offset = octets.count
        var writer = ByteWriter()
        swap(&writer.octets, &octets)
        writer.octets.append(contentsOf: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, kind.rawValue, flags, 0, 0])
        body(&writer)
        swap(&writer.octets, &octets)
        let count = octets.count - offset - RecordFrame.headerCount
        octets.withUnsafeMutableBytes { all in
            all.storeBytes(
                of: UInt32(truncatingIfNeeded: count).littleEndian, toByteOffset: offset + 8, as: UInt32.self)
            let crc = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: all[(offset + 8)...]))
            all.storeBytes(of: crc.littleEndian, toByteOffset: offset + 4, as: UInt32.self)
        }
        while octets.count & 7 != 0 { octets.append(0) }
    }

    /// Puts a segment's mark on finished records.
    static func stamp(_ octets: UnsafeMutableRawBufferPointer, mark: UInt32) {
        var offset = 0
        while octets.count - offset >= RecordFrame.headerCount {
            let crc = UInt32(littleEndian: octets.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
            let count = UInt32(littleEndian: octets.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self))
            octets.storeBytes(of: mark.littleEndian, toByteOffset: offset, as: UInt32.self)
            octets.storeBytes(of: (crc ^ mark).littleEndian, toByteOffset: offset + 4, as: UInt32.self)
            offset += RecordFrame.padded(RecordFrame.headerCount + Int(count))
        }
    }
}

/// Finds the records of a segment, whatever its octets are.
struct SegmentScan {
    /// Runs of octets between records that are no record, each with a right record after it.
    var damages: [Range<Int>] = []
    /// What is there after the last right record and is not zero.
    var torn: Range<Int>?
    /// The end of the last right record.
    var end: Int
    var isSealed = false

    init(
        _ octets: UnsafeRawBufferPointer, mark: UInt32, visit: (RecordFrame, UnsafeRawBufferPointer) -> Void
    ) {
        var place = SegmentHeader.count
        end = min(place, octets.count)
        while place < octets.count {
            guard let frame = RecordFrame(in: octets, at: place, mark: mark) else {
                guard let next = Self.next(in: octets, after: place, mark: mark) else { break }
                damages.append(place..<next)
                place = next
                continue
            }
            isSealed = frame.kind == RecordKind.sealed.rawValue
            visit(frame, UnsafeRawBufferPointer(rebasing: octets[frame.payload]))
            place = frame.end
            end = min(place, octets.count)
        }
        if let last = Self.lastNonZero(in: octets, from: end) { torn = end..<last + 1 }
    }

    private static func next(in octets: UnsafeRawBufferPointer, after offset: Int, mark: UInt32) -> Int? {
        var place = offset + 8
        while place <= octets.count - RecordFrame.headerCount {
            if octets.loadUnaligned(fromByteOffset: place, as: UInt32.self) == mark.littleEndian,
                RecordFrame(in: octets, at: place, mark: mark) != nil
            {
                return place
            }
            place += 8
        }
        return nil
    }

    private static func lastNonZero(in octets: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var place = octets.count
        while place - 8 >= start, octets.loadUnaligned(fromByteOffset: place - 8, as: UInt64.self) == 0 { place -= 8 }
        while place > start {
            if octets[place - 1] != 0 { return place - 1 }
            place -= 1
        }
        return nil
    }
}

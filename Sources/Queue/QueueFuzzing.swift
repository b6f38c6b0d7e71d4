/// What a fuzzer calls: the decoders of the journal, with any octets. They answer; they never trap.
public enum QueueFuzzing {
    /// Octets in the place of a segment: header, records, whatever there is between them.
    public static func segment(_ octets: [UInt8]) {
        octets.withUnsafeBytes { all in
            // Without a header the first octets are the mark, so that a fuzzer can find records.
            let mark = SegmentHeader(all)?.mark ?? all.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
            _ = SegmentScan(all, mark: mark) { frame, payload in decode(frame.kind, frame.flags, payload) }
        }
    }

    /// Octets in the place of one record's payload, checksums left out: kind, flags, payload.
    public static func record(_ octets: [UInt8]) {
        octets.withUnsafeBytes { all in
            guard all.count >= 2 else { return }
            let payload = UnsafeRawBufferPointer(rebasing: all[2...])
            decode(all[0], all[1], payload)
            for flags in 0..<UInt8(8) { _ = try? AcceptedRecord(payload, flags: flags) }
        }
    }

    private static func decode(_ kind: UInt8, _ flags: UInt8, _ payload: UnsafeRawBufferPointer) {
        var reader = ByteReader(payload)
        switch RecordKind(rawValue: kind) {
        case .accepted: _ = try? AcceptedRecord(payload, flags: flags)
        case .progress:
            _ = try? reader.id()
            guard let count = try? reader.elements() else { return }
            for _ in 0..<count {
                guard (try? reader.count()) != nil, (try? reader.progress()) != nil else { return }
            }
        case .removed, .released: while (try? reader.id()) != nil {}
        case .held:
            _ = try? reader.id()
            _ = try? reader.string()
        case .rerouted:
            _ = try? reader.id()
            guard let count = try? reader.elements() else { return }
            for _ in 0..<count {
                guard (try? reader.recipient()) != nil, (try? reader.progress()) != nil else { return }
            }
        case .crashed, .sealed, nil: _ = try? reader.id()
        }
    }
}

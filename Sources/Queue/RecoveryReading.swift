import MailTypes

// Segments into memory.
extension Recovery {
    func readSegments() throws(QueueFailure) {
        let names = try QueueFailure.converting { () throws(SystemError) in try files.list(directory) }
        let numbered = names.compactMap { name in
            SegmentHeader.number(ofFile: name).map { (number: $0, name: name) }
        }
        for (number, name) in numbered.sorted(by: { $0.number < $1.number }) {
            state.lastSegment = max(state.lastSegment, UInt32(clamping: number))
            var version: Int?
            do throws(SystemError) { version = try readSegment(number, name) } catch { throw QueueFailure(error) }
            if let version { throw .newerFormat(path: "\(directory)/\(name)", version: version) }
        }
    }

    /// Reads one segment. Answers its version if that is not known here.
    private func readSegment(_ number: UInt64, _ name: String) throws(SystemError) -> Int? {
        let path = "\(directory)/\(name)"
        let (octets, unreadable) = try contents(path)
        guard let header = header(of: octets, number, name) else {
            // Made, and never written to.
            if !options.isReadOnly { try? files.remove(path) }
            return nil
        }
        guard header.version <= SegmentHeader.version else { return header.version }
        guard header.number == number, let key = UInt32(exactly: number), key > 0 else {
            setAsideFile(path, name, count: octets.count, reason: "it is not the segment that its name says")
            return nil
        }
        if unreadable > 0 { note(name, 0, unreadable, "the disk could not read everything") }

        state.segments.add(.init(path: path, header: header, size: octets.count, end: octets.count), number: key)
        var reader = SegmentReader(recovery: self, key: key, name: name)
        let scan = octets.withUnsafeBytes { all in
            SegmentScan(all, mark: header.mark) { frame, payload in reader.visit(frame, payload) }
        }
        for range in scan.damages { setAside(octets[range], name, range.lowerBound, "not a record") }
        finish(scan, unfinished: reader.unfinished, octets, path, name, key)
        return nil
    }

    /// Cuts off what is not a record at the end.
    private func finish(
        _ scan: SegmentScan, unfinished: Int?, _ octets: [UInt8], _ path: String, _ name: String, _ key: UInt32
    ) {
        let end = unfinished ?? scan.end
        let last = max(scan.torn?.upperBound ?? end, unfinished.map { _ in scan.end } ?? end)
        var isKept = true
        if last > end {
            report.tornOctets += last - end
            isKept = setAside(octets[end..<last], name, end, "a torn tail: written last, not acknowledged")
        }
        guard isKept, !options.isReadOnly, octets.count > end else { return }
        // Gives the unused blocks back. If that fails they are zeros, or found again by the next start.
        guard let descriptor = try? files.open(path, create: false, isReadOnly: false) else { return }
        if (try? files.truncate(descriptor, count: end)) != nil { state.segments.shrink(key, to: end) }
        try? files.close(descriptor)
    }

    /// The octets of a file; what the disk cannot read is zeros, and how many those are.
    private func contents(_ path: String) throws(SystemError) -> ([UInt8], unreadable: Int) {
        let descriptor = try files.open(path, create: false, isReadOnly: true)
        defer { try? files.close(descriptor) }
        let size = try files.size(descriptor)
        if let all = try? files.readAll(descriptor, count: size, at: 0), all.count == size { return (all, 0) }
        var octets: [UInt8] = []
        var unreadable = 0
        let block = 4096
        octets.reserveCapacity(size)
        while octets.count < size {
            let count = min(block, size - octets.count)
            var part = (try? files.readAll(descriptor, count: count, at: octets.count)) ?? []
            unreadable += count - part.count
            part += [UInt8](repeating: 0, count: count - part.count)
            octets += part
        }
        return (octets, unreadable)
    }

    /// The header; made up from the name and the first record if it is damaged; `nil` if the file holds nothing.
    private func header(of octets: [UInt8], _ number: UInt64, _ name: String) -> SegmentHeader? {
        octets.withUnsafeBytes { all in
            if let header = SegmentHeader(all) { return header }
            guard all.contains(where: { $0 != 0 }) else { return nil }
            note(name, 0, min(all.count, SegmentHeader.count), "the segment's header is damaged")
            func mark(at place: Int) -> UInt32? {
                guard all.count >= place + 4 else { return nil }
                let mark = UInt32(littleEndian: all.loadUnaligned(fromByteOffset: place, as: UInt32.self))
                return RecordFrame(in: all, at: SegmentHeader.count, mark: mark) == nil ? nil : mark
            }
            let found =
                mark(at: SegmentHeader.count)
                ?? all.count.asMarkPlace.flatMap {
                    UInt32(littleEndian: all.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
                }
            return SegmentHeader(mark: found ?? 0, number: number, made: now)
        }
    }

    // MARK: What is wrong

    func note(_ file: String, _ offset: Int, _ count: Int, _ reason: String) {
        report.damages.append(.init(file: file, offset: offset, count: count, reason: reason))
    }

    /// Puts octets where a person can look at them. Answers whether they are there.
    @discardableResult
    func setAside(_ octets: ArraySlice<UInt8>, _ name: String, _ offset: Int, _ reason: String) -> Bool {
        let path = "\(directory)/\(QueueLayout.corrupt)/\(name)-\(offset)"
        var damage = RecoveryReport.Damage(file: name, offset: offset, count: octets.count, reason: reason)
        defer { report.damages.append(damage) }
        guard !options.isReadOnly else { return false }
        do throws(SystemError) {
            let descriptor = try files.open(path, create: true, isReadOnly: false)
            defer { try? files.close(descriptor) }
            try octets.span.bytes.withUnsafeBytes { (all) throws(SystemError) in
                try files.writeAll(descriptor, all, at: 0)
            }
        } catch {
            // It is there since an earlier start, or there is no room: then it stays where it is.
            guard error.isFileThere else { return false }
        }
        damage.setAside = path
        return true
    }

    private func setAsideFile(_ path: String, _ name: String, count: Int, reason: String) {
        let target = "\(directory)/\(QueueLayout.corrupt)/\(name)"
        var damage = RecoveryReport.Damage(file: name, offset: 0, count: count, reason: reason)
        if !options.isReadOnly, (try? files.rename(path, to: target)) != nil { damage.setAside = target }
        report.damages.append(damage)
    }
}

extension Int {
    /// Where a header of a file of this size has its mark.
    fileprivate var asMarkPlace: Int? { self >= 16 ? 12 : nil }
}

/// Applies the records of one segment.
struct SegmentReader {
    let recovery: Recovery
    let key: UInt32
    let name: String
    /// Messages of a commit whose last record has not been seen.
    private var run: [(message: IndexedMessage, record: AcceptedRecord)] = []
    private var runStart = 0

    init(recovery: Recovery, key: UInt32, name: String) {
        self.recovery = recovery
        self.key = key
        self.name = name
    }

    /// Where the records of a commit begin that was not written to its end.
    var unfinished: Int? { run.isEmpty ? nil : runStart }

    mutating func visit(_ frame: RecordFrame, _ payload: UnsafeRawBufferPointer) {
        do throws(ByteReader.Malformed) {
            guard let kind = RecordKind(rawValue: frame.kind) else { throw ByteReader.Malformed() }
            if kind != .accepted { endRun() }
            try apply(kind, frame, payload)
        } catch {
            recovery.note(name, frame.offset, frame.end - frame.offset, "a record that makes no sense")
        }
    }

    private mutating func apply(
        _ kind: RecordKind, _ frame: RecordFrame, _ payload: UnsafeRawBufferPointer
    ) throws(ByteReader.Malformed) {
        var reader = ByteReader(payload)
        switch kind {
        case .accepted:
            try accept(frame, payload)
        case .progress:
            guard let message = known(try reader.id()) else { return }
            try progress(of: message, &reader)
        case .removed:
            while reader.rest > 0 {
                if let message = known(try reader.id()) { _ = recovery.state.leave(message) }
            }
        case .held:
            guard let message = known(try reader.id()) else { return }
            _ = recovery.state.hold(message, reason: try reader.string())
        case .released:
            guard let message = known(try reader.id()) else { return }
            _ = recovery.state.release(message, now: recovery.now)
        case .crashed:
            guard let message = known(try reader.id()) else { return }
            message.crashes = try reader.number()
        case .rerouted:
            guard let message = known(try reader.id()) else { return }
            try recovery.reroute(message, &reader)
        case .sealed:
            break
        }
    }

    /// A message by its id, for a record about it.
    private mutating func known(_ id: QueueID) -> IndexedMessage? {
        guard let message = recovery.state.messages[id] else { return nil }
        recovery.state.segments.refer(key, to: message.segment)
        return message
    }

    private mutating func accept(_ frame: RecordFrame, _ payload: UnsafeRawBufferPointer) throws(ByteReader.Malformed) {
        let record = try AcceptedRecord(payload, flags: frame.flags)
        let message = try message(record)
        message.place((0, RecordFrame.headerCount + payload.count), at: frame.offset, in: key)
        if run.isEmpty { runStart = frame.offset }
        run.append((message, record))
        if !record.flags.contains(.more) { endRun() }
    }

    /// What is complete, or is followed by something, was acknowledged.
    private mutating func endRun() {
        for (message, record) in run {
            let destinations = record.recipients.map { QueueDestination($0.route) }
            if let earlier = recovery.state.messages[message.id] {
                guard record.flags.contains(.copied) else {
                    recovery.note(name, Int(message.offset), Int(message.count), "a second message \(message.id)")
                    continue
                }
                recovery.state.segments.refer(key, to: earlier.segment)
                _ = recovery.state.leave(earlier)
            }
            recovery.state.holdReasons[message.id] = record.holdReason
            recovery.state.admit(message, destinations: destinations)
            if message.isDone { _ = recovery.state.leave(message) }
        }
        run = []
    }

    private mutating func message(_ record: AcceptedRecord) throws(ByteReader.Malformed) -> IndexedMessage {
        let start = min(record.received, recovery.now)
        var states = record.recipients.map { _ in RecipientState(due: start, since: start) }
        for (number, progress) in record.progress.enumerated() { recovery.restore(progress, to: &states[number]) }
        guard
            let message = IndexedMessage(
                id: record.id, received: record.received, contentCount: record.contentCount,
                hasBodyFile: record.flags.contains(.bodyFile), states: states)
        else { throw ByteReader.Malformed() }
        message.isHeld = record.holdReason != nil
        message.isRecovered = true
        message.crashes = record.crashes
        let lanes = UInt8(clamping: max(recovery.options.lanes, 1))
        // As when it was committed: an id that may come again keeps to the last lane.
        message.lane = record.id.isDerived ? lanes : UInt8(truncatingIfNeeded: record.id.low >> 16) % lanes
        return message
    }

    private mutating func progress(
        of message: IndexedMessage, _ reader: inout ByteReader
    ) throws(ByteReader.Malformed) {
        message.crashes = 0
        for _ in 0..<(try reader.elements()) {
            let number = try reader.count()
            let progress = try reader.progress()
            recovery.apply(progress, to: number, of: message)
        }
        if message.isDone { _ = recovery.state.leave(message) }
    }
}

extension Recovery {
    /// A recipient as a record has it; no time is later than is reasonable.
    func restore(_ progress: StoredProgress, to state: inout RecipientState) {
        state.status = progress.status
        state.attempts = UInt16(clamping: progress.attempts)
        state.due = min(progress.due, now + Int64(options.schedule.longestWait.seconds * 1000))
        state.since = min(progress.since, now)
        state.age = progress.age
        state.warned = progress.warned
        state.reply = progress.reply.map { self.state.shared($0) }
    }
}

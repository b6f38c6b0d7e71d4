import MailTypes

/// An open segment. The descriptor is closed when the last reader lets go.
final class SegmentFile: Sendable {
    let path: String
    let header: SegmentHeader
    /// What the index knows it by.
    var number: UInt32 { UInt32(truncatingIfNeeded: header.number) }
    private let files: any FileSystem
    private let descriptor: CInt

    private init(path: String, header: SegmentHeader, files: any FileSystem, descriptor: CInt) {
        self.path = path
        self.header = header
        self.files = files
        self.descriptor = descriptor
    }

    deinit { try? files.close(descriptor) }

    /// Makes a segment: blocks, header, sync, and its name in the directory. What fails leaves no file.
    static func create(
        in directory: String, header: SegmentHeader, count: Int, files: any FileSystem
    ) throws(SystemError) -> SegmentFile {
        let path = "\(directory)/\(SegmentHeader.fileName(header.number))"
        let descriptor = try files.open(path, create: true, isReadOnly: false)
        let file = SegmentFile(path: path, header: header, files: files, descriptor: descriptor)
        do throws(SystemError) {
            try files.allocate(descriptor, count: count)
            try file.write(header.octets, at: 0)
            try files.synchronize(descriptor)
            try files.synchronizeDirectory(directory)
        } catch {
            // It holds nothing; if it cannot be removed either, recovery does.
            try? files.remove(path)
            throw error
        }
        return file
    }

    /// Makes the spare file a segment.
    static func adoptSpare(
        in directory: String, header: SegmentHeader, files: any FileSystem
    ) throws(SystemError) -> SegmentFile {
        let path = "\(directory)/\(SegmentHeader.fileName(header.number))"
        try files.rename("\(directory)/\(QueueLayout.spare)", to: path)
        do throws(SystemError) {
            let descriptor = try files.open(path, create: false, isReadOnly: false)
            let file = SegmentFile(path: path, header: header, files: files, descriptor: descriptor)
            try file.write(header.octets, at: 0)
            try files.synchronize(descriptor)
            try files.synchronizeDirectory(directory)
            return file
        } catch {
            try? files.remove(path)
            throw error
        }
    }

    /// Opens a segment for reading.
    static func open(_ path: String, header: SegmentHeader, files: any FileSystem) throws(SystemError) -> SegmentFile {
        let descriptor = try files.open(path, create: false, isReadOnly: true)
        return SegmentFile(path: path, header: header, files: files, descriptor: descriptor)
    }

    func write(_ octets: [UInt8], at offset: Int) throws(SystemError) {
        try octets.span.bytes.withUnsafeBytes { (all) throws(SystemError) in try write(all, at: offset) }
    }

    func write(_ octets: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        try files.writeAll(descriptor, octets, at: offset)
    }

    func synchronize() throws(SystemError) { try files.synchronize(descriptor) }

    func truncate(to count: Int) throws(SystemError) { try files.truncate(descriptor, count: count) }

    /// The payload of the record at `offset`, with its flags; `nil` if it is damaged or cannot be read.
    func record(at offset: Int, count: Int) -> (frame: RecordFrame, octets: [UInt8])? {
        guard let octets = try? files.readAll(descriptor, count: count, at: offset) else { return nil }
        return octets.withUnsafeBytes { RecordFrame(in: $0, at: 0, mark: header.mark) }.map { ($0, octets) }
    }
}

extension FileSystem {
    /// Writes all, in as many calls as it takes.
    func writeAll(_ descriptor: CInt, _ octets: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        var done = 0
        while done < octets.count {
            let rest = UnsafeRawBufferPointer(rebasing: octets[done...])
            let count = try write(descriptor, rest, at: offset + done)
            // A disk that takes nothing and names no reason is full.
            guard count > 0 else { throw SystemError(call: "write", code: SystemError.noSpace) }
            done += min(count, rest.count)
        }
    }

    /// Reads `count` octets, or fewer where the file ends.
    func readAll(_ descriptor: CInt, count: Int, at offset: Int) throws(SystemError) -> [UInt8] {
        var failure: SystemError?
        let octets = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let rest = UnsafeMutableRawBufferPointer(
                    rebasing: UnsafeMutableRawBufferPointer(buffer)[filled..<count])
                do {
                    let got = try read(descriptor, into: rest, at: offset + filled)
                    if got <= 0 { break }
                    filled += min(got, rest.count)
                } catch {
                    failure = error as? SystemError
                    break
                }
            }
        }
        if let failure { throw failure }
        return octets
    }
}

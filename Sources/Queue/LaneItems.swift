import Foundation
import MailTypes

/// The messages of one commit.
final class Acceptance: Sendable {
    let messages: [IndexedMessage]
    let completion: @Sendable (Result<[QueueID], QueueFailure>) -> Void
    let submissions: [Submission]
    private let inlineLimit: Int

    init(
        _ messages: [IndexedMessage], of submissions: [Submission], inlineLimit: Int,
        completion: @escaping @Sendable (Result<[QueueID], QueueFailure>) -> Void
    ) {
        self.messages = messages
        self.completion = completion
        self.inlineLimit = inlineLimit
        self.submissions = submissions
        hasBodyFiles = messages.contains(where: \.hasBodyFile)
        hasDerivedIDs = messages.contains(where: \.id.isDerived)
    }

    var ids: [QueueID] { messages.map(\.id) }
    /// Then the records are made when the files are written, by the lane.
    let hasBodyFiles: Bool
    let hasDerivedIDs: Bool

    /// Writes and syncs the body files and makes the records. What fails leaves no file.
    func writeBodies(_ files: any FileSystem, in directory: String) throws(SystemError) -> [UInt8] {
        var run = RecordRun()
        var paths: [String] = []
        do throws(SystemError) {
            for (place, submission) in submissions.enumerated() {
                var record = AcceptedRecord(submission)
                if place < submissions.count - 1 { record.flags.insert(.more) }
                if submission.size > inlineLimit {
                    let path = QueueLayout.body(submission.id, in: directory)
                    // One that is there is not ours, and stays.
                    let descriptor = try files.open(path, create: true, isReadOnly: false)
                    paths.append(path)
                    record.contentChecksum = try Self.write(submission.content, to: descriptor, files)
                    record.flags.insert(.bodyFile)
                }
                run.append(record, content: submission.content)
            }
        } catch {
            for path in paths { try? files.remove(path) }
            throw error
        }
        return run.octets
    }

    /// Removes what ``writeBodies(_:in:)`` has written.
    func removeBodies(_ files: any FileSystem, in directory: String) {
        for message in messages where message.hasBodyFile {
            try? files.remove(QueueLayout.body(message.id, in: directory))
        }
    }

    private static func write(
        _ pieces: [Bytes], to descriptor: CInt, _ files: any FileSystem
    ) throws(SystemError) -> UInt32 {
        var checksum: UInt32 = 0
        do throws(SystemError) {
            var place = 0
            for piece in pieces {
                try piece.withUnsafeBytes { (octets) throws(SystemError) in
                    checksum = CRC32C.checksum(octets, after: checksum)
                    try files.writeAll(descriptor, octets, at: place)
                }
                place += piece.count
            }
            try files.synchronize(descriptor)
        } catch {
            try? files.close(descriptor)
            throw error
        }
        // Network file systems report here what they could not store.
        try files.close(descriptor)
        return checksum
    }
}

/// What became of a message: a record that follows its acceptance.
final class Change: @unchecked Sendable {
    let message: IndexedMessage
    /// Called once, by the lane's thread only.
    private var completion: (@Sendable (Result<Void, QueueFailure>) -> Void)?

    init(_ message: IndexedMessage, completion: (@Sendable (Result<Void, QueueFailure>) -> Void)?) {
        self.message = message
        self.completion = completion
    }

    func complete(_ result: Result<Void, QueueFailure>) {
        guard let completion else { return }
        self.completion = nil
        completion(result)
    }
}

/// Messages that compaction copies forward, in the order of their records.
final class CopiedMessages: Sendable {
    let messages: [IndexedMessage]
    let completion: @Sendable (Bool) -> Void

    init(_ messages: [IndexedMessage], completion: @escaping @Sendable (Bool) -> Void) {
        self.messages = messages
        self.completion = completion
    }
}

/// The names in the queue's directory.
enum QueueLayout {
    static let bodies = "bodies"
    static let corrupt = "corrupt"
    static let lock = "lock"
    static let inFlight = "inflight"
    static let spare = "spare"
    static let newSpare = "spare.new"

    static func body(_ id: QueueID, in directory: String) -> String { "\(directory)/\(bodies)/\(id)" }
}

extension RecordRun {
    /// Appends an accepted record; the content only if it has no body file.
    mutating func append(_ record: AcceptedRecord, content: [Bytes]) {
        append(.accepted, flags: record.flags.rawValue) { writer in
            record.write(to: &writer)
            guard !record.flags.contains(.bodyFile) else { return }
            for piece in content { piece.withUnsafeBytes { writer.octets.append(contentsOf: $0) } }
        }
    }

    /// Where the records of a finished run begin, and their lengths without the padding.
    static func frames(_ octets: [UInt8]) -> [(offset: Int, count: Int)] {
        var frames: [(offset: Int, count: Int)] = []
        octets.withUnsafeBytes { all in
            var offset = 0
            while all.count - offset >= RecordFrame.headerCount {
                let payload = UInt32(littleEndian: all.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self))
                let count = RecordFrame.headerCount + Int(payload)
                frames.append((offset, count))
                offset += RecordFrame.padded(count)
            }
        }
        return frames
    }
}

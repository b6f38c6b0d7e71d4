import Foundation
import MailTypes
import Testing

@testable import Queue

/// The same queue on a real disk.
@Suite final class LinuxFileSystemTests {
    let directory = NSTemporaryDirectory() + "sluice-queue-\(UUID().uuidString)"

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func open(isReadOnly: Bool = false) throws -> (MailQueue, RecoveryReport) {
        var options = Sample.options
        options.isReadOnly = isReadOnly
        return try MailQueue.open(directory, files: LinuxFileSystem(), options: options, now: Sample.start)
    }

    @Test func `mail survives, and done mail leaves`() async throws {
        let (queue, _) = try open()
        let numbers = Array(0..<100)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in numbers {
                group.addTask {
                    _ = try await queue.commit([Sample.submission(number, size: number % 10 == 0 ? 9000 : 300)])
                }
            }
            try await group.waitForAll()
        }
        queue.close()
        let (again, report) = try open()
        #expect(report.messages == 100)
        #expect(report.damages.isEmpty)
        for id in again.ids {
            let number = FaultTests.number(id)
            #expect(try again.read(id).content.array == Sample.octets(number, number % 10 == 0 ? 9000 : 300))
        }
        try await FaultTests.drain(again)
        again.close()
        let bodies = try FileManager.default.contentsOfDirectory(atPath: directory + "/bodies")
        #expect(bodies.isEmpty)
        #expect(try open().1.messages == 0)
    }

    @Test func `a second opener is told who has it`() async throws {
        let (queue, _) = try open()
        let pid = Int(ProcessInfo.processInfo.processIdentifier)
        #expect(throws: QueueFailure.locked(pid: pid)) { try open() }
        #expect(throws: QueueFailure.locked(pid: pid)) { try open(isReadOnly: true) }
        queue.close()
        let (reader, _) = try open(isReadOnly: true)
        let (other, _) = try open(isReadOnly: true)
        reader.close()
        other.close()
    }

    @Test func `space is told`() throws {
        let space = try LinuxFileSystem().space(NSTemporaryDirectory())
        #expect(space.octets > 0)
        #expect(throws: SystemError.self) { try LinuxFileSystem().space("/nowhere/at/all") }
    }
}

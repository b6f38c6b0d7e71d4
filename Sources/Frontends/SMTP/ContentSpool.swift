import MailTypes
import NIOCore
import NIOPosix

/// Collects the content of one message: in memory as long as it is small, then in a file without a
/// name. A session so needs a fixed amount of memory for a message of any size, and a transfer
/// that is broken off leaves nothing behind. Used on one event loop only.
final class ContentSpool {
    /// Where and from which size on content goes to a file.
    struct Options: Sendable {
        /// Octets of a message that are kept in memory, and the most that waits for the disk.
        var memoryLimit = 256 << 10
        var directory: String
        var pool: NIOThreadPool
    }

    private let options: Options
    private let loop: any EventLoop
    /// What has not been handed to the file.
    private var memory: [UInt8] = []
    private var file: SpoolFile?
    private var isWriting = false
    private var failure: SystemError?
    private var whenFinished: ((Result<Bytes, SystemError>) -> Void)?
    /// Octets taken so far.
    private(set) var count = 0
    /// Called on the loop when ``isBehind`` is over.
    var whenCaughtUp: (() -> Void)?

    init(_ options: Options, loop: any EventLoop) {
        self.options = options
        self.loop = loop
    }

    /// The disk is slower than the client: nothing more should be read.
    var isBehind: Bool { isWriting && memory.count >= options.memoryLimit }

    func append(_ content: ByteBuffer) {
        count += content.readableBytes
        guard failure == nil else { return }
        memory += content.readableBytesView
        if memory.count > options.memoryLimit, !isWriting { writeOut() }
    }

    /// Hands over the whole content, at once or when the disk has it. After this nothing is appended.
    func finish(_ done: @escaping (Result<Bytes, SystemError>) -> Void) {
        whenFinished = done
        if !isWriting { proceed() }
    }

    private func proceed() {
        if let done = whenFinished {
            if let failure {
                conclude(done, .failure(failure))
            } else if let file, memory.isEmpty {
                do throws(SystemError) { conclude(done, .success(try file.map(count: count))) } catch {
                    conclude(done, .failure(error))
                }
            } else if file != nil {
                writeOut()
            } else {
                conclude(done, .success(Bytes(memory)))
            }
        } else if memory.count > options.memoryLimit {
            writeOut()
        }
    }

    private func conclude(_ done: (Result<Bytes, SystemError>) -> Void, _ result: Result<Bytes, SystemError>) {
        whenFinished = nil
        memory = []
        file = nil
        done(result)
    }

    /// Writes what is in memory on a thread of the pool; one such job at a time keeps the order.
    private func writeOut() {
        let chunk = memory
        memory = []
        isWriting = true
        let known = file
        let directory = options.directory
        options.pool.runIfActive(eventLoop: loop) { () throws -> SpoolFile in
            let file = try known ?? SpoolFile(in: directory)
            try file.append(chunk)
            return file
        }.assumeIsolated().whenComplete { result in
            let wasBehind = self.isBehind
            self.isWriting = false
            switch result {
            case .success(let file): self.file = file
            case .failure(let error):
                self.failure = error as? SystemError ?? SystemError(call: "spool", code: 5)
                self.memory = []
            }
            self.proceed()
            if wasBehind, !self.isBehind { self.whenCaughtUp?() }
        }
    }
}

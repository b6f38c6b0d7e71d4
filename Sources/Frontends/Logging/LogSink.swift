import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where finished log lines go.
public protocol LogSink: Sendable {
    /// Takes one line with its line end; must not wait.
    func write(_ line: [UInt8])
}

/// Writes lines to an open descriptor from a thread of its own, so that a slow reader of the log
/// never holds up an event loop.
public final class DescriptorLogSink: LogSink {
    /// Octets that may wait for the reader; lines beyond are dropped and counted.
    public static let mostWaiting = 4 << 20
    /// How long a line waits for others: a busy server says thousands a second, and waking a thread for each
    /// costs more than the lines.
    private static let gathering = DispatchTimeInterval.milliseconds(5)

    private struct State {
        var waiting: [UInt8] = []
        var dropped = 0
        var isWriting = false
    }

    private let descriptor: CInt
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "log")

    /// Standard error.
    public static let standardError = DescriptorLogSink(descriptor: 2)

    public init(descriptor: CInt) { self.descriptor = descriptor }

    public func write(_ line: [UInt8]) {
        let mustStart = state.withLock { state -> Bool in
            guard state.waiting.count + line.count <= Self.mostWaiting else {
                state.dropped += 1
                return false
            }
            state.waiting += line
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustStart { queue.asyncAfter(deadline: .now() + Self.gathering) { self.drain() } }
    }

    /// Waits until everything said so far is written; for the end of the process.
    public func flush() { queue.sync { drain() } }

    private func drain() {
        while true {
            let (chunk, dropped) = state.withLock { state -> ([UInt8], Int) in
                defer { (state.waiting, state.dropped) = ([], 0) }
                state.isWriting = !state.waiting.isEmpty
                return (state.waiting, state.dropped)
            }
            guard !chunk.isEmpty else { return }
            put(chunk)
            if dropped > 0 { put(Array("level=warning msg=\"log lines dropped\" count=\(dropped)\n".utf8)) }
        }
    }

    private func put(_ octets: [UInt8]) {
        var done = 0
        while done < octets.count {
            let count = octets[done...].withUnsafeBytes { unsafe in
                #if canImport(Glibc)
                    Glibc.write(descriptor, unsafe.baseAddress, unsafe.count)
                #else
                    Darwin.write(descriptor, unsafe.baseAddress, unsafe.count)
                #endif
            }
            if count > 0 {
                done += count
            } else if errno == EAGAIN {
                usleep(10_000)
            } else if errno != EINTR {
                return
            }
        }
    }
}

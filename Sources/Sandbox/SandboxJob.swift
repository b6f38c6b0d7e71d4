import Glibc
import MailTypes
import Pipeline
import Synchronization

/// What a worker is given as a file.
enum JobMaterial: Sendable {
    case message(Message)
    case octets([UInt8])
    case image(SharedImage)

    var size: Int {
        switch self {
        case .message(let message): message.size
        case .octets(let octets): octets.count
        case .image(let image): image.octets.count
        }
    }

    /// An open file that holds it. ``MaterialFile/close()`` is the caller's to call.
    func file() throws(SystemError) -> MaterialFile {
        let pieces: [Bytes]
        switch self {
        case .message(let message): pieces = message.pieces
        case .octets(let octets): pieces = [Bytes(octets)]
        case .image(let image):
            // All workers get the same.
            if let file = image.descriptor { return MaterialFile(descriptor: file, isShared: true) }
            pieces = [image.octets]
        }
        return MaterialFile(descriptor: try SharedMessage.descriptor(of: pieces), isShared: false)
    }
}

/// A file to be passed to a worker.
struct MaterialFile {
    let descriptor: CInt
    /// Others pass it on, too.
    let isShared: Bool

    func close() {
        if !isShared { _ = Glibc.close(descriptor) }
    }
}

/// Something for a worker to do, for which somebody waits. It is answered once, by whoever comes first.
final class SandboxJob: Sendable {
    typealias Outcome = Result<JobReport, StageFailure>

    private enum State {
        case new
        case waiting(CheckedContinuation<Outcome, Never>)
        case finished(Outcome)
    }

    let order: JobOrder
    /// What goes with the order as a file.
    let material: JobMaterial?
    /// The patterns that the worker must have for it.
    let image: PatternImage?
    private let state = Mutex(State.new)

    init(_ order: JobOrder, _ material: JobMaterial? = nil, image: PatternImage? = nil) {
        self.order = order
        self.material = material
        self.image = image
    }

    /// Octets of the material.
    var size: Int { material?.size ?? 0 }

    /// Whether nobody waits any more.
    var isFinished: Bool { state.withLock { if case .finished = $0 { true } else { false } } }

    /// - Returns: `false` if there is an outcome already, which the waiter has got.
    func wait(_ continuation: CheckedContinuation<Outcome, Never>) -> Bool {
        let ready = state.withLock { state -> Outcome? in
            if case .finished(let outcome) = state { return outcome }
            state = .waiting(continuation)
            return nil
        }
        if let ready { continuation.resume(returning: ready) }
        return ready == nil
    }

    /// - Returns: `false` if it had an outcome already.
    @discardableResult
    func finish(_ outcome: Outcome) -> Bool {
        let (isFirst, waiter) = state.withLock { state -> (Bool, CheckedContinuation<Outcome, Never>?) in
            switch state {
            case .finished: return (false, nil)
            case .new:
                state = .finished(outcome)
                return (true, nil)
            case .waiting(let continuation):
                state = .finished(outcome)
                return (true, continuation)
            }
        }
        waiter?.resume(returning: outcome)
        return isFirst
    }
}

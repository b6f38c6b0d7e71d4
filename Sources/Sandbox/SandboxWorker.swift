import Glibc
import MailTypes

/// The program as a worker: `sluice worker`, started by `sluice serve` and by nobody else.
///
/// It has one thread, one socket at ``descriptor``, and no other file. What it is told and answers, and in which
/// order, is in docs/sandbox.md.
public enum SandboxWorker {
    /// The word on the command line that makes the program a worker.
    public static let word = "worker"
    /// Where the socket is.
    static let descriptor: CInt = 3

    /// Whether these are the arguments of a worker, the program's own name first.
    public static func isMeant(by arguments: [String]) -> Bool { arguments.dropFirst().first == word }

    /// Works until the other end closes the socket; answers the exit code. `arguments` are `sluice worker MEMORY
    /// SECONDS`: octets, and seconds of processor time.
    public static func run(_ arguments: [String]) -> CInt {
        let numbers = arguments.dropFirst(2).map(Int.init)
        guard numbers.count == 2, let memory = numbers[0], let seconds = numbers[1], isStarted else {
            complain("workers are started by `sluice serve`")
            return 2
        }
        let channel = PacketChannel(descriptor: descriptor)
        do {
            try Confinement.dieWithParent()
            try Confinement.name("sluice worker")
            let bench = try Workbench()
            try Confinement.enter(memory: memory, seconds: seconds)
            try serve(channel, bench)
            return 0
        } catch {
            // The server reads it as the reason why there is no worker; nothing follows.
            try? channel.send(WorkerReply.failed(job: 0, reason: "\(error)").packet)
            return 1
        }
    }

    /// Says that it is ready, and does what it is asked for until the other end closes the socket.
    static func serve(_ channel: PacketChannel, _ bench: any Bench) throws {
        try channel.send(WorkerReply.ready(version: WorkerReply.version).packet)
        while let packet = try channel.receive(takesDescriptor: true) {
            let request = try PacketReader.request(packet.octets)
            try channel.send(reply(to: request, descriptor: packet.descriptor, bench).packet)
        }
    }

    /// Whether there is a socket where the server would have put it.
    static var isStarted: Bool {
        var type: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0
            && type == CInt(SOCK_SEQPACKET.rawValue)
    }

    static func complain(_ text: String) {
        let line = Array("sluice: \(text)\n".utf8)
        _ = write(2, line, line.count)
    }

    private static func reply(to request: WorkerRequest, descriptor: CInt?, _ bench: any Bench) -> WorkerReply {
        defer { if let descriptor { close(descriptor) } }
        switch request {
        case .begin(let job, let order):
            do {
                return bench.begin(job, order, try material(of: order, descriptor))
            } catch {
                return .failed(job: job, reason: "the message cannot be read: \(error)")
            }
        case .answers(let job, let answers): return bench.resume(job, answers)
        case .drop(let job): return bench.drop(job)
        }
    }

    private static func material(of order: JobOrder, _ descriptor: CInt?) throws -> JobMaterial? {
        guard let descriptor else { return nil }
        func octets(_ size: Int) throws -> Bytes { Bytes(try MappedFile(descriptor: descriptor, count: size)) }
        switch order {
        case .signatures(let size, _), .scan(let size):
            return .message(try Message(parsing: octets(size), limits: limits))
        case .patterns(_, .file(let size)): return .octets(try octets(size).array)
        case .patternImage(_, let size): return .image(try SharedImage(descriptor: descriptor, count: size))
        case .senderPolicy, .patterns(_, .here): return nil
        }
    }

    /// The server has looked at the size before; memory is limited besides.
    private static let limits = HeaderLimits(maxOctets: 1 << 30, maxFields: 1 << 20)
}

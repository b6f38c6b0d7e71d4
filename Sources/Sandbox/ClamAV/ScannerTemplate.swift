import Glibc
import MailTypes
import Pipeline

/// The program as a template of scanners: `sluice scanner`, started by `sluice serve` and by nobody else.
///
/// It loads libclamav and all databases once, closes its sandbox, and makes a copy of itself for each scanner that the
/// server wants; what they only read they share. It reads nothing of strangers'; a scanner closes another sandbox, and
/// speaks with the server as any worker does.
public enum ScannerTemplate {
    /// The word on the command line that makes the program a template.
    public static let word = "scanner"

    /// Whether these are the arguments of a template, the program's own name first.
    public static func isMeant(by arguments: [String]) -> Bool { arguments.dropFirst().first == word }

    /// Works until the other end closes the socket; answers the exit code.
    public static func run(_ arguments: [String]) -> CInt { run(arguments, bench: ScanBench.init) }

    /// The same; `bench` makes what each scanner does its jobs at.
    static func run(_ arguments: [String], bench: @escaping (ClamAVLibrary, ScannerOptions) -> any Bench) -> CInt {
        guard let options = ScannerOptions(words: Array(arguments.dropFirst(2))), SandboxWorker.isStarted else {
            SandboxWorker.complain("scanners are started by `sluice serve`")
            return 2
        }
        let channel = PacketChannel(descriptor: SandboxWorker.descriptor)
        do {
            try Confinement.dieWithParent()
            try Confinement.name("sluice template")
            let library = try ClamAVLibrary(options)
            Charsets.load()
            _ = try ScanBench(library, options).scan(SelfTest.message())
            let mapped = try Confinement.mappedMemory()
            try Confinement.enterTemplate(folder: options.folder)
            try channel.send(TemplateReply.ready(version: library.version, signatures: library.signatures).packet)
            let shop = Shop(options: options, library: library, mapped: mapped, bench: bench)
            while let packet = try channel.receive(takesDescriptor: true) {
                try shop.serve(TemplateRequest(packet.octets), packet.descriptor, channel)
            }
            return 0
        } catch {
            // The server reads it as the reason why there is no template; nothing follows.
            try? channel.send(TemplateReply.failed(reason: "\(error)").packet)
            return 1
        }
    }

    /// What scanners are made of.
    private struct Shop {
        let options: ScannerOptions
        let library: ClamAVLibrary
        let mapped: Int
        let bench: (ClamAVLibrary, ScannerOptions) -> any Bench

        func serve(_ request: TemplateRequest, _ descriptor: CInt?, _ channel: PacketChannel) throws {
            defer { if let descriptor { close(descriptor) } }
            switch request {
            case .start(let number):
                guard let descriptor else { throw MalformedPacket(reason: "no socket for a scanner") }
                let template = getpid()
                let process = Confinement.fork()
                if process == 0 { _exit(scan(number, descriptor, template)) }
                try channel.send(
                    (process > 0 ? TemplateReply.started(process: process) : .failed(reason: "fork: \(errno)")).packet)
            case .collect(let process, let waits):
                var status: CInt = 0
                var ended: pid_t = -1
                repeat { ended = waitpid(process, &status, waits ? 0 : WNOHANG) } while ended < 0 && errno == EINTR
                try channel.send(TemplateReply.collected(status: ended == process ? status : nil).packet)
            }
        }

        /// The scanner's whole life, in the copy; answers its exit code.
        private func scan(_ number: UInt32, _ descriptor: CInt, _ template: pid_t) -> CInt {
            // The template's own socket is not for it.
            guard dup2(descriptor, SandboxWorker.descriptor) >= 0 else { return 3 }
            close(descriptor)
            let channel = PacketChannel(descriptor: SandboxWorker.descriptor)
            do {
                try Confinement.dieWithParent()
                guard getppid() == template else { return 4 }
                try Confinement.name("sluice scanner")
                let folder = "\(options.folder)/\(number)"
                try library.use(folder: folder)
                try Confinement.enter(
                    .init(
                        mapped: mapped, memory: options.memory.octets, seconds: options.processorSeconds,
                        file: options.largestFile), folder: folder)
                try SandboxWorker.serve(channel, bench(library, options))
                return 0
            } catch {
                try? channel.send(WorkerReply.failed(job: 0, reason: "\(error)").packet)
                return 1
            }
        }
    }

    /// Names of character sets that the library converts from; what converts them is loaded when it is wanted first,
    /// and no scanner may load anything.
    private enum Charsets {
        private static let names = [
            "UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32LE", "UTF-32BE", "UCS-2", "UTF-7", "ISO-8859-1",
            "ISO-8859-2", "ISO-8859-5", "ISO-8859-7", "ISO-8859-9", "ISO-8859-15", "CP437", "CP850", "CP866", "CP874",
            "CP932", "CP936", "CP949", "CP950", "CP1250", "CP1251", "CP1252", "CP1253", "CP1254", "CP1255", "CP1256",
            "CP1257", "CP1258", "KOI8-R", "KOI8-U", "SHIFT_JIS", "EUC-JP", "ISO-2022-JP", "EUC-KR", "ISO-2022-KR",
            "GB2312", "GBK", "GB18030", "BIG5", "MACINTOSH", "IBM1047",
        ]

        /// They are never closed, so that they stay.
        static func load() { for name in names { _ = iconv_open("UTF-8", name) } }
    }

    /// A message with something of each kind that nearly every message has, so that what is made at first use is made.
    private enum SelfTest {
        static func message() throws -> Message {
            let lines = [
                "Subject: test", "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=parts", "", "--parts",
                "Content-Type: text/html; charset=utf-16", "",
                "<html><a href=\"http://a.example/\">b.example</a></html>",
                "--parts", "Content-Type: application/octet-stream; name=a.bin", "Content-Transfer-Encoding: base64",
                "",
                "UEsDBAoAAAAAAAAAIQAAAAAAAAAAAAAAAAABAAAAYVBLBQYAAAAAAAAAAAAAAAAAAAAAAAA=", "--parts--", "",
            ]
            return try Message(parsing: Bytes(Array(lines.joined(separator: "\r\n").utf8)))
        }
    }
}

// MARK: - What is said

/// What the server says to a template; each request has one reply.
enum TemplateRequest {
    /// Make a scanner of this number, which uses the folder of that name and the socket that comes with this.
    case start(UInt32)
    /// How has that scanner ended? `waits`: it has been killed.
    case collect(pid_t, waits: Bool)

    init(_ octets: [UInt8]) throws(MalformedPacket) {
        var reader = PacketReader(octets)
        let kind = try reader.octet()
        let number = try reader.integer(UInt32.self)
        switch kind {
        case 0x01: self = .start(number)
        case 0x02, 0x03:
            guard let process = pid_t(exactly: number), process > 0 else {
                throw MalformedPacket(reason: "no process \(number)")
            }
            self = .collect(process, waits: kind == 0x03)
        default: throw MalformedPacket(reason: "unknown request \(kind)")
        }
        try reader.end()
    }

    var packet: [UInt8] {
        var writer = PacketWriter()
        switch self {
        case .start(let number):
            writer.put(UInt8(0x01))
            writer.put(number)
        case .collect(let process, let waits):
            writer.put(UInt8(waits ? 0x03 : 0x02))
            writer.put(UInt32(clamping: process))
        }
        return writer.octets
    }
}

/// What a template says to the server.
enum TemplateReply {
    /// Once, unasked: the databases are loaded and the sandbox is closed.
    case ready(version: String, signatures: Int)
    case started(process: pid_t)
    /// As of waitpid(2); `nil`: it has not ended.
    case collected(status: CInt?)
    case failed(reason: String)

    init(_ octets: [UInt8]) throws(MalformedPacket) {
        var reader = PacketReader(octets)
        switch try reader.octet() {
        case 0x80: self = .ready(version: try reader.text(), signatures: Int(try reader.integer(UInt32.self)))
        case 0x81:
            guard let process = pid_t(exactly: try reader.integer(UInt32.self)), process > 0 else {
                throw MalformedPacket(reason: "no process")
            }
            self = .started(process: process)
        case 0x82: self = .collected(status: CInt(truncatingIfNeeded: try reader.integer(UInt32.self)))
        case 0x83: self = .collected(status: nil)
        case 0x84: self = .failed(reason: try reader.text())
        case let kind: throw MalformedPacket(reason: "unknown reply \(kind)")
        }
        try reader.end()
    }

    var packet: [UInt8] {
        var writer = PacketWriter()
        switch self {
        case .ready(let version, let signatures):
            writer.put(UInt8(0x80))
            writer.put(version)
            writer.put(UInt32(clamping: signatures))
        case .started(let process):
            writer.put(UInt8(0x81))
            writer.put(UInt32(clamping: process))
        case .collected(let status?):
            writer.put(UInt8(0x82))
            writer.put(UInt32(truncatingIfNeeded: status))
        case .collected(nil): writer.put(UInt8(0x83))
        case .failed(let reason):
            writer.put(UInt8(0x84))
            writer.put(reason)
        }
        return writer.octets
    }
}

/// What its fuzzer does with each input.
public enum ScannerTemplateFuzzing {
    public static func packet(_ octets: [UInt8]) {
        if let request = try? TemplateRequest(octets) { precondition(request.packet == octets) }
        if let reply = try? TemplateReply(octets) { precondition(reply.packet == octets) }
    }
}

// MARK: - On the command line

extension ScannerOptions {
    /// Octets of a file that a scanner may write.
    var largestFile: Int { max(maxFileSize.octets, maxScanSize.octets).addingReportingOverflow(1 << 20).partialValue }

    /// Processor time of a scanner's whole life, in seconds.
    var processorSeconds: Int {
        Int(max(1, min(86_400, Double(scansPerWorker) * timeout.seconds)).rounded(.up))
    }

    /// What a template must know, as words of the command line.
    var words: [String] {
        [
            memory.octets, processorSeconds, maxScanSize.octets, maxFileSize.octets, maxFiles, maxNesting,
            Int(maxTime.seconds * 1000),
        ].map(String.init) + [database, folder]
    }

    init?(words: [String]) {
        let numbers = words.dropLast(2).compactMap { Int($0) }
        guard words.count == 9, numbers.count == 7, numbers.allSatisfy({ $0 >= 0 }) else { return nil }
        self.init()
        (memory, maxScanSize, maxFileSize) = (ByteCount(numbers[0]), ByteCount(numbers[2]), ByteCount(numbers[3]))
        (maxFiles, maxNesting) = (numbers[4], numbers[5])
        maxTime = Interval(seconds: Double(numbers[6]) / 1000)
        (scansPerWorker, timeout) = (1, Interval(seconds: Double(numbers[1])))
        (database, folder) = (words[7], words[8])
    }
}

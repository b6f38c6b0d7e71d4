import NIOCore
import NIOPosix
import Protocols
import Synchronization

/// A milter that says what a test wants.
final class FakeMilter: Sendable {
    /// What it says to a command; `nil`: it hangs up.
    typealias Answer = @Sendable (MilterCommand) -> [MilterReply]?

    private let channel: any Channel
    private let commands = Mutex<[[MilterCommand]]>([])
    private let open = Mutex(0)
    let port: Int

    /// Says to everything that it may go on.
    static let patient: Answer = { command in
        switch command {
        case .negotiate: [.negotiate(MilterNegotiation(actions: [], steps: []))]
        case .macros, .abort, .quit, .quitForNext: []
        default: [.continue]
        }
    }

    /// The same, but for some commands, with all rights.
    static func saying(_ answer: @escaping Answer) -> Answer {
        { command in
            if case .negotiate = command {
                let actions = MilterActions.all.subtracting([.addRecipientsWithParameters, .nameMacros])
                return [.negotiate(MilterNegotiation(actions: actions, steps: .leadingSpace))]
            }
            guard let said = answer(command) else { return nil }
            return said.isEmpty ? patient(command) : said
        }
    }

    static func start(path: String? = nil, _ answer: @escaping Answer = patient) async throws -> FakeMilter {
        let box = Box()
        let bootstrap = ServerBootstrap(group: Wire.group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                guard let milter = box.milter.withLock({ $0 }) else { throw ChannelError.ioOnClosedChannel }
                try channel.pipeline.syncOperations.addHandler(Handler(milter, answer))
            }
        }
        let channel =
            if let path {
                try await bootstrap.bind(unixDomainSocketPath: path).get()
            } else {
                try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            }
        let milter = FakeMilter(channel)
        box.milter.withLock { $0 = milter }
        return milter
    }

    private init(_ channel: any Channel) {
        self.channel = channel
        port = channel.localAddress?.port ?? 0
    }

    /// What it has heard, connection by connection.
    var heard: [[MilterCommand]] { commands.withLock { $0 } }
    /// The codes of that, without macros.
    var codes: [String] {
        heard.map { commands in
            commands.map { String(Unicode.Scalar($0.packet.code)) }.filter { $0 != "D" }.joined()
        }
    }
    /// Connections that are open now.
    var connections: Int { open.withLock { $0 } }

    func stop() async { try? await channel.close() }

    private final class Box: Sendable {
        let milter = Mutex<FakeMilter?>(nil)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let milter: FakeMilter
        private let answer: Answer
        private var reader = MilterPacketReader()
        private var place = 0

        init(_ milter: FakeMilter, _ answer: @escaping Answer) {
            self.milter = milter
            self.answer = answer
        }

        func channelActive(context: ChannelHandlerContext) {
            milter.open.withLock { $0 += 1 }
            place = milter.commands.withLock { commands in
                commands.append([])
                return commands.count - 1
            }
        }

        func channelInactive(context: ChannelHandlerContext) { milter.open.withLock { $0 -= 1 } }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            reader.append(unwrapInboundIn(data).readableBytesView)
            while let packet = try? reader.next(), let command = try? MilterCommand(packet) {
                milter.commands.withLock { $0[place].append(command) }
                guard let replies = answer(command) else { return context.close(promise: nil) }
                let octets = replies.flatMap(\.packet.octets)
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: octets)), promise: nil)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

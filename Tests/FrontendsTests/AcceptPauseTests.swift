import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Frontends

@Suite struct AcceptPauseTests {
    private struct Heard: Sendable {
        var beginnings: [Bool] = []
        var forwarded = 0
    }

    private final class Witness: ChannelInboundHandler, Sendable {
        typealias InboundIn = any Channel
        let heard = Mutex(Heard())
        func errorCaught(context: ChannelHandlerContext, error: any Error) { heard.withLock { $0.forwarded += 1 } }
    }

    private static func listening(_ witness: Witness) async throws -> any Channel {
        try await ServerBootstrap(group: LiveServer.group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pause = AcceptPauseHandler { failure in
                        witness.heard.withLock { $0.beginnings.append(failure.beginsSpell) }
                    }
                    try channel.pipeline.syncOperations.addHandlers([pause, witness])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    /// Whether it waits for connections once the error has come twice.
    private static func waits(_ channel: any Channel, after errno: CInt) async throws -> Bool {
        try await channel.eventLoop.submit {
            for _ in 0..<2 { channel.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept")) }
            return try channel.syncOptions?.getOption(.autoRead) ?? true
        }.get()
    }

    @Test(arguments: [(EMFILE, true), (ENFILE, true), (ENOBUFS, true), (ENOMEM, true), (ECONNABORTED, false)])
    func `where something is short, nobody waits for connections until the pause is over`(
        _ errno: CInt, _ isShortage: Bool
    ) async throws {
        let witness = Witness()
        let channel = try await Self.listening(witness)
        #expect(try await Self.waits(channel, after: errno) == !isShortage)
        var isWaiting = false
        let end = ContinuousClock.now + patience
        while !isWaiting, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(10))
            isWaiting = try await channel.getOption(.autoRead).get()
        }
        #expect(isWaiting)
        try await TestClient.connect(port: channel.localAddress?.port ?? 0).close()
        let heard = witness.heard.withLock { $0 }
        #expect(heard.beginnings == (isShortage ? [true, false] : []), "told once a spell")
        #expect(heard.forwarded == (isShortage ? 0 : 2))
        try await channel.close()
    }
}

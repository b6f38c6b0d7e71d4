public import NIOCore
public import NIOPosix
import Synchronization

/// A name server on loopback with a ``SignedZone``, and names outside of it that nobody signs. What it does not know
/// does not exist.
public final class SignedNameServer: Sendable {
    private struct State {
        var names: [String: [SignedZone.Record]]
        var spoilt: [String: SignedZone.Spoiling] = [:]
        var asked: [String] = []
    }

    public let zone: SignedZone
    private let state: Mutex<State>
    private let channel = Mutex<(any Channel)?>(nil)

    private init(_ zone: SignedZone, _ names: [String: [SignedZone.Record]]) {
        self.zone = zone
        state = Mutex(State(names: names))
    }

    /// Records by name, of whatever types.
    public static func start(
        _ zone: SignedZone, _ names: [String: [SignedZone.Record]],
        on group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws -> SignedNameServer {
        let server = SignedNameServer(zone, names)
        let channel = try await DatagramBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Responder(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    public var port: Int { channel.withLock { $0?.localAddress?.port } ?? 0 }

    public func stop() async { try? await channel.withLock { $0 }?.close() }

    /// Writes other records of a name down; `nil`: it does not exist.
    public func set(_ name: String, _ records: [SignedZone.Record]?) { state.withLock { $0.names[name] = records } }

    public func spoil(_ name: String, _ how: SignedZone.Spoiling?) { state.withLock { $0.spoilt[name] = how } }

    /// The names that were asked for, in their order.
    public var asked: [String] { state.withLock { $0.asked } }

    fileprivate func answer(_ query: [UInt8]) -> [UInt8]? {
        guard query.count > 16 else { return nil }
        var labels: [String] = []
        var place = 12
        while place < query.count, query[place] != 0 {
            let length = Int(query[place])
            guard length < 64, place + 1 + length < query.count else { return nil }
            labels.append(String(decoding: query[(place + 1)..<(place + 1 + length)], as: UTF8.self).lowercased())
            place += 1 + length
        }
        guard place + 4 < query.count else { return nil }
        let type = UInt16(query[place + 1]) << 8 | UInt16(query[place + 2])
        let owner = labels.joined(separator: ".")
        let (records, spoiling) = state.withLock { state in
            state.asked.append(owner)
            return (state.names[owner] ?? [], state.spoilt[owner])
        }
        let isKnown = state.withLock { $0.names.keys.contains { $0 == owner || $0.hasSuffix(".\(owner)") } }
        guard let found = try? sections(owner, type, records, spoiling) else { return nil }
        let isSigned = owner == zone.name || owner.hasSuffix(".\(zone.name)")
        let code: UInt8 = spoiling == .failing ? 2 : isSigned || isKnown ? 0 : 3
        let head: [UInt8] = [
            query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, UInt8(found.answer.count), 0, UInt8(found.authority.count),
            0,
            1,
        ]
        // EDNS, with the wish for signatures that it was asked with. RFC 6891, RFC 3225.
        let options: [UInt8] = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0]
        return head + query[12..<(place + 5)] + found.answer.octets + found.authority.octets + options
    }

    private typealias Section = (count: Int, octets: [UInt8])

    private func sections(
        _ owner: String, _ type: UInt16, _ records: [SignedZone.Record], _ spoiling: SignedZone.Spoiling?
    ) throws -> (answer: Section, authority: Section) {
        let none: Section = (0, [])
        if spoiling == .failing { return (none, none) }
        let all = owner == zone.name ? records + [zone.key257] : records
        var fitting = all.filter { $0.type == type }
        // An alias answers whatever is asked; the resolver goes on from there.
        if fitting.isEmpty { fitting = all.filter { $0.type == 5 } }
        let isSigned = owner == zone.name || owner.hasSuffix(".\(zone.name)")
        guard isSigned, spoiling != .stripped else {
            return ((fitting.count, fitting.flatMap { SignedZone.entry(owner, $0) }), none)
        }
        if fitting.isEmpty { return (none, try zone.denial(owner, Set(all.map(\.type)))) }
        return (try zone.signed(owner, fitting, isForged: spoiling == .forged), none)
    }

    private final class Responder: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        private let server: SignedNameServer
        init(_ server: SignedNameServer) { self.server = server }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let query = unwrapInboundIn(data)
            guard let answer = server.answer(Array(query.data.readableBytesView)) else { return }
            let reply = AddressedEnvelope(remoteAddress: query.remoteAddress, data: ByteBuffer(bytes: answer))
            context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
        }
    }
}

import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A name server with a few names, over UDP on loopback. What it does not know does not exist.
final class NameServer: Sendable {
    enum Record: Sendable {
        case a(String)
        case mx(Int, String)
        case text(String)
        case ptr(String)
        case alias(String)
        /// Questions about this name are never answered.
        case silence

        fileprivate var type: UInt16 {
            switch self {
            case .a: 1
            case .ptr: 12
            case .mx: 15
            case .text: 16
            case .alias: 5
            case .silence: 0
            }
        }
    }

    private let zone: Mutex<[String: [Record]]>
    private let holds = Mutex<[String: String]>([:])
    private let questions = Mutex<[String]>([])
    private let channel: any Channel
    let port: Int

    /// The records by name; a name without records exists, and has none.
    static func start(_ zone: [String: [Record]]) async throws -> NameServer {
        let holder = Holder()
        let channel = try await DatagramBootstrap(group: Wire.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Responder(holder))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = NameServer(channel, zone)
        holder.server = server
        return server
    }

    private init(_ channel: any Channel, _ zone: [String: [Record]]) {
        self.channel = channel
        self.zone = Mutex(zone)
        port = channel.localAddress?.port ?? 0
    }

    deinit { channel.close(promise: nil) }

    /// Writes other records of a name down; `nil`: it does not exist.
    func set(_ name: String, _ records: [Record]?) { zone.withLock { $0[name] = records } }

    /// Answers nobody about `name` before `other` has been asked for.
    func hold(_ name: String, untilAsked other: String) { holds.withLock { $0[name] = other } }

    /// The names that were asked for, in their order.
    var asked: [String] { questions.withLock { $0 } }

    func stop() async { try? await channel.close() }

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
        let asked = labels.joined(separator: ".")
        questions.withLock { $0.append(asked) }
        if let other = holds.withLock({ $0[asked] }), !self.asked.contains(other) { return nil }
        let records = zone.withLock { $0[asked] }
        guard records?.contains(where: { $0.type == 0 }) != true else { return nil }
        // An alias answers whatever is asked; the resolver goes on from there.
        let fitting = (records ?? []).filter { $0.type == type || $0.type == 5 }
        let code: UInt8 = records == nil ? 3 : 0
        let head: [UInt8] = [query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, UInt8(fitting.count), 0, 0, 0, 0]
        return head + query[12..<(place + 5)] + fitting.flatMap(Self.octets)
    }

    private static func octets(_ record: Record) -> [UInt8] {
        let data: [UInt8]
        switch record {
        case .silence: data = []
        case .a(let address): data = address.split(separator: ".").compactMap { UInt8($0) }
        case .text(let text):
            let octets = Array(text.utf8)
            data = stride(from: 0, to: octets.count, by: 255).flatMap { start -> [UInt8] in
                let piece = octets[start..<min(start + 255, octets.count)]
                return [UInt8(piece.count)] + piece
            }
        case .ptr(let host): data = name(host)
        case .mx(let preference, let host):
            data = [UInt8(preference >> 8), UInt8(preference & 0xFF)] + name(host)
        case .alias(let target): data = name(target)
        }
        // The question's name, class IN, a second of life.
        return [0xC0, 0x0C, 0, UInt8(record.type), 0, 1, 0, 0, 0, 1, UInt8(data.count >> 8), UInt8(data.count & 0xFF)]
            + data
    }

    private static func name(_ host: String) -> [UInt8] {
        host.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    fileprivate final class Holder: Sendable {
        private let held = Mutex<NameServer?>(nil)
        var server: NameServer? {
            get { held.withLock { $0 } }
            set { held.withLock { $0 = newValue } }
        }
    }

    private final class Responder: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        private let holder: Holder
        init(_ holder: Holder) { self.holder = holder }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let query = unwrapInboundIn(data)
            guard let answer = holder.server?.answer(Array(query.data.readableBytesView)) else { return }
            let reply = AddressedEnvelope(remoteAddress: query.remoteAddress, data: ByteBuffer(bytes: answer))
            context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
        }
    }
}

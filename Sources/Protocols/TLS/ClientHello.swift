import MailTypes
public import NIOCore

/// What a TLS client says first, as far as a server must know it before it begins. RFC 8446 §4.1.2.
///
/// The TLS library reads the same octets afterwards: nothing is taken out of them, and whatever is wrong with
/// what is not looked at here is the library's to say.
public struct ClientHello: Sendable, Hashable {
    /// The name of the server that the client wants, if it is one. RFC 6066 §3.
    public var serverName: String?
    /// The protocols that the client would speak; `nil` where it does not say. RFC 7301 §3.1.
    public var protocols: [String]?

    public init(serverName: String? = nil, protocols: [String]? = nil) {
        self.serverName = serverName
        self.protocols = protocols
    }

    public enum Reading: Sendable, Hashable {
        /// More octets are needed; at most ``maxOctets`` come to that.
        case wait
        case hello(ClientHello)
        /// No ClientHello, or a broken one.
        case malformed
    }

    /// Octets of the message, and of its records together. BoringSSL takes no more than 16 KB of it either.
    public static let maxOctets = 16 << 10
    private static let maxRecord = 16 << 10
    /// Whole ones are usual. Many small ones would be work for nothing each time that one comes.
    private static let maxRecords = 16

    /// Reads from the first octet of a connection's TLS. The message may be cut into records anywhere. RFC 8446 §5.1.
    public static func read(_ input: ByteBuffer) -> Reading {
        var records = input
        var message = ByteBuffer()
        for _ in 0...maxRecords {
            if let whole = body(of: &message) { return whole }
            guard let type = records.readInteger(as: UInt8.self) else { return .wait }
            // handshake(22); the version is what old servers like to see, 3.1 or 3.3.
            guard type == 22 else { return .malformed }
            guard let version = records.readInteger(as: UInt16.self) else { return .wait }
            guard version >> 8 == 3 else { return .malformed }
            guard let length = records.readInteger(as: UInt16.self) else { return .wait }
            // Records without content would let the message be waited for for ever.
            guard length > 0, length <= maxRecord else { return .malformed }
            let rest = min(Int(length), records.readableBytes)
            guard var part = records.readSlice(length: rest) else { return .wait }
            message.writeBuffer(&part)
        }
        return .malformed
    }

    // Handshake = msg_type(1) length(3) body
    private static func body(of message: inout ByteBuffer) -> Reading? {
        guard let type = message.getInteger(at: message.readerIndex, as: UInt8.self) else { return nil }
        guard type == 1 else { return .malformed }
        guard let first = message.getInteger(at: message.readerIndex, as: UInt32.self) else { return nil }
        let length = Int(first & 0xFF_FFFF)
        guard length <= maxOctets else { return .malformed }
        guard var body = message.getSlice(at: message.readerIndex + 4, length: length) else { return nil }
        return ClientHello(body: &body).map(Reading.hello) ?? .malformed
    }

    // ClientHello = version(2) random(32) session_id<0..32> cipher_suites<2..2^16-2> compression<1..2^8-1>
    //               [ extensions<0..2^16-1> ]
    private init?(body: inout ByteBuffer) {
        guard
            body.readSlice(length: 34) != nil, body.readLengthPrefixedSlice(as: UInt8.self) != nil,
            body.readLengthPrefixedSlice(as: UInt16.self) != nil, body.readLengthPrefixedSlice(as: UInt8.self) != nil
        else { return nil }
        guard body.readableBytes > 0 else { return }
        guard var extensions = body.readLengthPrefixedSlice(as: UInt16.self), body.readableBytes == 0 else {
            return nil
        }
        var seen: Set<UInt16> = []
        while extensions.readableBytes > 0 {
            guard
                let type = extensions.readInteger(as: UInt16.self), seen.insert(type).inserted,
                let content = extensions.readLengthPrefixedSlice(as: UInt16.self), take(type, content)
            else { return nil }
        }
    }

    private mutating func take(_ type: UInt16, _ content: ByteBuffer) -> Bool {
        var content = content
        switch type {
        case 0: return takeServerName(&content)
        case 16: return takeProtocols(&content)
        default: return true
        }
    }

    // ServerNameList = list<1..2^16-1> of name_type(1)=host_name(0) HostName<1..2^16-1>
    private mutating func takeServerName(_ content: inout ByteBuffer) -> Bool {
        guard
            var list = content.readLengthPrefixedSlice(as: UInt16.self), content.readableBytes == 0,
            list.readInteger(as: UInt8.self) == 0, var name = list.readLengthPrefixedSlice(as: UInt16.self),
            list.readableBytes == 0, let octets = name.readBytes(length: name.readableBytes)
        else { return false }
        // A name that is none gets the usual certificate, as one that is not known does.
        if (1...255).contains(octets.count), octets.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            serverName = String(decoding: octets, as: UTF8.self)
        }
        return true
    }

    // ProtocolNameList = list<2..2^16-1> of ProtocolName<1..2^8-1>
    private mutating func takeProtocols(_ content: inout ByteBuffer) -> Bool {
        guard
            var list = content.readLengthPrefixedSlice(as: UInt16.self), content.readableBytes == 0,
            list.readableBytes > 0
        else { return false }
        var names: [String] = []
        while list.readableBytes > 0 {
            guard var name = list.readLengthPrefixedSlice(as: UInt8.self), name.readableBytes > 0 else { return false }
            names.append(String(decoding: name.readBytes(length: name.readableBytes) ?? [], as: UTF8.self))
        }
        protocols = names
        return true
    }
}

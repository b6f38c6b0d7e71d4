/// An Internet message: a header, an empty line, a body. RFC 5322 §2.1.
///
/// There is one parse of a message, made when it has arrived, and all stages, the queue and the
/// mailbox work on it: what one of them sees is what every other sees.
public struct Message: Sendable {
    public var header: Header
    public var body: Bytes

    public init(header: Header, body: Bytes) {
        self.header = header
        self.body = body
    }

    /// The message as it is stored and sent, in pieces, so that a large body is not copied.
    public var pieces: [Bytes] { [Bytes(header.serialized), body] }

    /// The size in octets of ``pieces``.
    public var size: Int { header.serializedCount + body.count }
}

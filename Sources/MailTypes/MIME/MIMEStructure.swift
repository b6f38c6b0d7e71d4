/// The parts of a message's body, flat, each after the one that holds it. RFC 2046.
///
///     0 multipart/mixed            parent nil
///     1   multipart/alternative    parent 0
///     2     text/plain             parent 1
///     3     text/html              parent 1
///     4   message/rfc822           parent 0
///     5     text/plain             parent 4
///
/// One reading serves all stages. Where mail programs disagree, it is decided here: the first of two
/// `boundary` parameters counts; a delimiter is a whole line, so a boundary that is the beginning of
/// another is not mistaken for it; of equal boundaries the innermost is meant; an outer delimiter
/// ends all inner parts; what follows a closing delimiter is epilogue.
public struct MIMEStructure: Sendable, Hashable {
    /// At least one: the message itself.
    public let parts: [MIMEPart]
    /// What is wrong with any of the parts.
    public let defects: Set<MIMEDefect>

    /// Takes the body apart in one pass, without recursion. Total: any octets have a structure.
    public init(of message: Message, limits: MIMELimits = MIMELimits()) {
        parts = message.body.withUnsafeBytes { octets in
            var walker = MIMEWalker(octets, header: message.header, limits: limits)
            walker.walk()
            return walker.parts
        }
        defects = parts.reduce(into: []) { $0.formUnion($1.defects) }
    }

    /// The parts that hold no others.
    public var leaves: [MIMEPart] {
        let parents = Set(parts.compactMap(\.parent))
        return parts.indices.filter { !parents.contains($0) }.map { parts[$0] }
    }

    /// The parts that `index` holds directly.
    public func children(of index: Int) -> [Int] {
        parts.indices.filter { parts[$0].parent == index }
    }
}

extension MIMEPart {
    /// The part's content decoded, at most `limit` octets of it.
    ///
    /// - Parameter body: the body of the message that the part is of.
    public func decoded(from body: Bytes, limit: Int = .max) -> [UInt8] {
        let encoded = body[content]
        // No encoding makes octets more: three of quoted-printable's and four of base64's at most are one or three.
        var result: [UInt8] = []
        encoded.withUnsafeBytes { octets in
            switch encoding {
            case .base64:
                var decoder = Base64Decoder()
                decoder.decode(octets, into: &result, limit: limit)
                decoder.finish(into: &result)
            case .quotedPrintable:
                var decoder = QuotedPrintableDecoder()
                decoder.decode(octets, into: &result, limit: limit)
                decoder.finish(into: &result)
            case .sevenBit, .eightBit, .binary, .unknown:
                result.append(contentsOf: octets.prefix(Swift.max(0, limit)))
            }
        }
        if result.count > limit { result.removeLast(result.count - Swift.max(0, limit)) }
        return result
    }
}

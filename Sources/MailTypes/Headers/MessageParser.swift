/// How large a header may be; a larger one is refused unread.
public struct HeaderLimits: Sendable, Hashable {
    /// All fields together, in octets.
    public var maxOctets: Int
    public var maxFields: Int

    public init(maxOctets: Int = 1 << 20, maxFields: Int = 1000) {
        self.maxOctets = maxOctets
        self.maxFields = maxFields
    }
}

/// A header beyond its ``HeaderLimits``; the answer is 552 5.3.4.
public enum MessageTooComplex: Error, Sendable, Hashable {
    case headerSize(limit: Int)
    case fieldCount(limit: Int)
}

extension MessageTooComplex: CustomStringConvertible {
    public var description: String {
        switch self {
        case .headerSize(let limit): "the header is larger than \(limit) octets"
        case .fieldCount(let limit): "the header has more than \(limit) fields"
        }
    }
}

extension Message {
    /// Takes a message as it arrived apart into header and body. RFC 5322 §2.
    ///
    /// Any octets at all are a message: what is odd is put right where the next reader might see
    /// something else, and noted in ``Header/defects``. Without defects, ``pieces`` are the octets
    /// that came in. The fields share one copy of the header; the body is a slice of `octets`.
    public init(parsing octets: Bytes, limits: HeaderLimits = HeaderLimits()) throws(MessageTooComplex) {
        var bodyStart = 0
        let header = try octets.withUnsafeBytes { (all) throws(MessageTooComplex) in
            let scanner = try HeaderScanner(all, limits: limits)
            bodyStart = scanner.bodyStart
            return Header(scanner, of: all)
        }
        self.init(header: header, body: octets[bodyStart..<octets.count])
    }
}

extension Header {
    fileprivate init(_ scanner: HeaderScanner, of octets: UnsafeRawBufferPointer) {
        let start = scanner.headerStart
        var shared = Array(octets[start..<scanner.headerEnd])
        // Without its line end the last field would run into the empty line.
        let missing: [UInt8] = shared.isEmpty || shared.last == .lf ? [] : [.cr, .lf]
        shared += missing
        var fields: [HeaderField] = []
        fields.reserveCapacity(scanner.fields.count)
        for (index, field) in scanner.fields.enumerated() {
            let isLast = index == scanner.fields.count - 1
            let end = field.range.upperBound - start + (isLast ? missing.count : 0)
            fields.append(HeaderField(raw: shared[field.range.lowerBound - start..<end], nameCount: field.nameCount))
        }
        self.init(fields: fields, defects: scanner.defects)
    }
}

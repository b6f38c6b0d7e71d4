/// One part of a message's body. Ranges count octets from the beginning of the message's body.
public struct MIMEPart: Sendable, Hashable {
    /// The part that holds this one, by its place in ``MIMEStructure/parts``; always an earlier
    /// one, so that walking up ends. `nil` for the message itself.
    public let parent: Int?
    /// How many parts hold this one.
    public let depth: Int
    /// The part's own header without the empty line; empty for the message itself.
    public internal(set) var header: Range<Int>
    /// All that the part holds, still encoded. A multipart's content includes its parts.
    public internal(set) var content: Range<Int>
    public internal(set) var contentType = ContentType.plainText
    public internal(set) var encoding = TransferEncoding.sevenBit
    public internal(set) var disposition: ContentDisposition?
    public internal(set) var defects: Set<MIMEDefect> = []

    /// The name under which the sender wants the part to be kept, decoded and in one piece: from
    /// Content-Disposition, else from Content-Type. A stranger's words, not a path to use.
    public var fileName: String? {
        let name = disposition?.parameters["filename"] ?? contentType.parameters["name"]
        return name.map { EncodedWord.decode($0.value) }
    }

    public var isAttachment: Bool { disposition?.kind == "attachment" }
}

/// What is wrong with a part, for the stages that judge it.
public enum MIMEDefect: String, Sendable, Hashable, Codable {
    /// A Content-… field twice in one header; the first counts.
    case duplicateField = "duplicate-field"
    /// A parameter twice in one field; the first counts.
    case duplicateParameter = "duplicate-parameter"
    case tooManyParameters = "too-many-parameters"
    /// A Content-… field that does not follow the grammar.
    case malformedField = "malformed-field"
    /// A multipart without a boundary, or with an empty one: it is read as one leaf.
    case missingBoundary = "missing-boundary"
    /// A boundary of more than 70 characters. RFC 2046 §5.1.1.
    case overlongBoundary = "overlong-boundary"
    /// A multipart inside another one has the same boundary; the inner one claims it.
    case reusedBoundary = "reused-boundary"
    /// A multipart that ends without its closing delimiter.
    case missingFinalBoundary = "missing-final-boundary"
    /// A multipart in which no delimiter was found.
    case noParts = "no-parts"
    /// A multipart or message that claims to be encoded as a whole. RFC 2045 §6.4 forbids it; a multipart
    /// is read as if it were not, a message as a leaf.
    case encodedComposite = "encoded-composite"
    case unknownEncoding = "unknown-encoding"
    /// The part's header is ended by a line that is no field.
    case missingEmptyLine = "missing-empty-line"
    /// The part ends in its header.
    case endsInHeader = "ends-in-header"
    /// Nested deeper than ``MIMELimits/maxDepth``: read as a leaf.
    case tooDeep = "too-deep"
    /// More parts than ``MIMELimits/maxParts``: what follows is not taken apart.
    case tooManyParts = "too-many-parts"
}

/// How far a message is taken apart; what lies beyond is reported, never passed over in silence.
public struct MIMELimits: Sendable, Hashable {
    public var maxDepth: Int
    public var maxParts: Int

    public init(maxDepth: Int = 100, maxParts: Int = 10_000) {
        self.maxDepth = maxDepth
        self.maxParts = maxParts
    }
}

/// How much of a message is taught and judged by. What lies beyond is left out: the beginning of a message says
/// what it is, and whoever fills its end with harmless words gains nothing.
public struct TokenLimits: Sendable, Hashable {
    /// Tokens of one message.
    public var maxTokens = 5_000
    /// Words of the visible text.
    public var maxWords = 1_500
    /// Words of the text that nobody sees.
    public var maxHiddenWords = 200
    /// Words of a subject, of a name, of a field.
    public var maxHeaderWords = 40
    /// Fields of the header.
    public var maxFields = 100
    /// Octets of a field that are read in fours, and how many such fours there are of a message.
    public var maxGramOctets = 120
    public var maxGrams = 1_000
    public var maxPeople = 8
    /// URIs, each host once.
    public var maxURIs = 100
    public var maxAttachments = 20
    public var maxParts = 60
    /// Octets of a word; what is longer counts by its length alone.
    public var maxWordOctets = 30

    public init() {}
}

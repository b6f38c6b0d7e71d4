/// How far a stranger's message is read; what lies beyond is noted, never passed over in silence.
public struct ContentLimits: Sendable, Hashable {
    /// Octets of one text part that are read, after its transfer encoding.
    public var maxPartOctets = 4 << 20
    /// Octets of text that come out of one part.
    public var maxTextOctets = 4 << 20
    /// Text parts that are read, those of nested messages too.
    public var maxTextParts = 200
    /// Octets of all text parts together.
    public var maxTotalOctets = 16 << 20
    /// Open elements of HTML; further ones are not kept track of. Browsers stop at 512.
    public var maxOpenElements = 256
    /// Attributes of one tag.
    public var maxAttributes = 256
    /// Rules of style sheets that are kept, selectors counted one by one.
    public var maxStyleRules = 2000
    /// Rules that are applied to one element, classes counted one by one.
    public var maxRulesPerElement = 64
    /// Runs of hidden text that are told apart; later ones join the last.
    public var maxHiddenRuns = 2000
    /// URIs of one message.
    public var maxURIs = 2000
    /// Octets of one URI; the rest of a longer one is cut off.
    public var maxURIOctets = 4096
    /// URIs inside of a URI, one within the other.
    public var maxURINesting = 3
    /// Messages in messages that had to be decoded to be read, one in the other.
    public var maxEncodedMessages = 3
    /// Attachments that are looked into.
    public var maxAttachments = 200
    /// Octets of one attachment that are decoded to look into it.
    public var maxAttachmentOctets = 32 << 20
    /// Octets of all attachments together.
    public var maxTotalAttachmentOctets = 64 << 20
    /// Names in an archive or entries of a compound file that are read.
    public var maxArchiveMembers = 2000
    /// Octets of a file name beyond which it is called very long.
    public var longFileName = 255

    public init() {}
}

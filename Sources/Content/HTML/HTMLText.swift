/// What a reader sees of HTML, and what is there besides.
public struct HTMLText: Sendable {
    /// A run of ``hidden``.
    public struct HiddenRun: Sendable, Hashable {
        public var reason: HiddenReason
        /// A rule of `<style>` hides it.
        public var isByRule: Bool
        /// In octets of ``HTMLText/hidden``.
        public var range: Range<Int>
    }

    /// An attribute that holds an address.
    public struct Reference: Sendable, Hashable {
        public var source: URISource
        /// As it stands there, character references resolved.
        public var value: [UInt8]
        /// The text of a link, in octets of ``HTMLText/visible``.
        public var text: Range<Int>?
        /// Nobody sees the link.
        public var isHidden: Bool
    }

    /// The text that is seen, in UTF-8: one line for a block or row, blanks collapsed.
    public internal(set) var visible: [UInt8] = []
    /// The text that is not seen, all runs together.
    public internal(set) var hidden: [UInt8] = []
    public internal(set) var hiddenRuns: [HiddenRun] = []
    /// What stands in place of pictures, a line each.
    public internal(set) var alternatives: [UInt8] = []
    /// The attributes `title`, a line each.
    public internal(set) var hints: [UInt8] = []
    public internal(set) var title: [UInt8] = []
    public internal(set) var references: [Reference] = []
    public internal(set) var observations = HTMLObservations()
    /// How much there was to do, in tags and steps from one element to the next: what tests hold against size.
    public internal(set) var work = 0

    public func text(of run: HiddenRun) -> String {
        String(decoding: hidden[run.range.clamped(to: hidden.indices)], as: UTF8.self)
    }
}

/// What a scoring engine may want to know of HTML.
public struct HTMLObservations: Sendable, Hashable {
    public var tags = 0
    public var comments = 0
    public var conditionalComments = 0
    public var scripts = 0
    public var forms = 0
    public var inputs = 0
    public var passwordInputs = 0
    public var frames = 0
    /// `object`, `embed`, `applet`, `svg`, `math`.
    public var embeddedObjects = 0
    public var images = 0
    /// Pictures that are fetched over the network.
    public var remoteImages = 0
    /// Pictures of at most a pixel by a pixel.
    public var pixelImages = 0
    public var links = 0
    public var baseAddresses = 0
    public var metaRefreshes = 0
    /// Attributes with `data:`.
    public var dataURIs = 0
    /// Attributes with `javascript:` or `vbscript:`.
    public var scriptURIs = 0
    /// `onclick` and its like.
    public var eventHandlers = 0
    /// Style sheets that are fetched over the network.
    public var externalStyles = 0
    /// Elements that were never closed.
    public var unclosedElements = 0
    /// End tags of what was not open.
    public var unmatchedEndTags = 0
    /// End tags that come in another order than the start tags.
    public var misnestedTags = 0
    /// Links with character references where letters would do.
    public var encodedAttributes = 0
    /// Names of elements that HTML has not.
    public var unknownTags = 0
    /// Octets of text that is turned round by force, letter by letter: `<bdo dir=rtl>`.
    public var turnedOctets = 0
    /// Octets of hidden text for each reason; of ``HiddenReason/office``, of text that only Outlook hides.
    public var hiddenOctets: [HiddenReason: Int] = [:]
    /// The text ends inside of a tag or comment.
    public var isUnterminated = false
    public var hasTooManyAttributes = false
    public var hasTooManyRules = false
    public var isTooDeep = false
    public var hasTooManyURIs = false
    public var isTruncated = false

    public init() {}
}

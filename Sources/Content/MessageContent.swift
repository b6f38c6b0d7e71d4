public import MailTypes

/// What a reader sees of a message, and what else is in it.
///
/// Made once from the message's one parse, for all that judge by content. Texts are UTF-8.
public struct MessageContent: Sendable {
    /// A text part as it is read.
    public struct Text: Sendable {
        /// Its place in ``MessageContent/structure``; of a text in an encoded message, that message's place.
        public let part: Int
        /// How many messages are around it.
        public let nesting: Int
        /// A reader's program shows it when the message is opened: of alternatives
        /// the last that it can show, and HTML wherever it stands.
        public internal(set) var isShown: Bool
        public let charset: Charset
        public let declaredCharset: String?
        public let observations: Set<DecodedText.Observation>
        /// What is seen: of HTML without what is hidden.
        public let visible: [UInt8]
        /// `nil` for plain text.
        public let html: HTMLText?
        public let characters: TextObservations

        public var string: String { String(decoding: visible, as: UTF8.self) }
    }

    /// Plain text and HTML that stand for each other.
    public struct Alternative: Sendable, Hashable {
        /// The place of the multipart/alternative in ``MessageContent/structure``.
        public let part: Int
        /// How many words the texts have in common, in percent. Below a third they are not the same message.
        public let similarity: Int
    }

    /// Somebody that the header names.
    public struct Person: Sendable, Hashable {
        /// `From`, `Sender` or `Reply-To`.
        public let field: String
        public let name: String?
        public let address: EmailAddress?
        /// An address that the name pretends to.
        public let namedAddress: String?
        public let characters: TextObservations

        /// The name is an address of another domain than the real one.
        public var isPretending: Bool {
            guard let named = namedAddress?.split(separator: "@").last, let address else { return false }
            return !address.description.utf8.reversed().starts(with: named.utf8.reversed()) {
                $0.asciiLowercased == $1.asciiLowercased
            }
        }
    }

    /// What was not read to its end.
    public enum Excess: String, Sendable, Hashable, CaseIterable {
        case texts, textOctets = "text-octets", uris, attachments, attachmentOctets = "attachment-octets", messages
    }

    public let structure: MIMEStructure
    public internal(set) var subject = ""
    public internal(set) var subjectCharacters = TextObservations()
    public internal(set) var people: [Person] = []
    public internal(set) var texts: [Text] = []
    public internal(set) var alternatives: [Alternative] = []
    public internal(set) var uris: [FoundURI] = []
    public internal(set) var attachments: [AttachedFile] = []
    public internal(set) var excess: Set<Excess> = []

    /// Reads a message. Total: any message has a content.
    public init(of message: Message, structure: MIMEStructure, limits: ContentLimits = ContentLimits()) {
        self.structure = structure
        var reader = ContentReader(message: message, structure: structure, limits: limits)
        reader.read(into: &self)
    }

    public init(of message: Message, limits: ContentLimits = ContentLimits()) {
        self.init(of: message, structure: MIMEStructure(of: message), limits: limits)
    }

    /// The texts that a reader sees when the message is opened, in order, an empty line between two.
    public var shownText: [UInt8] {
        var result: [UInt8] = []
        for text in texts where text.isShown {
            if !result.isEmpty { result += [.lf, .lf] }
            result += text.visible
        }
        return result
    }
}

import Content
import MailTypes

extension Fact {
    /// What a reader sees.
    static let text: [Fact] =
        [
            Fact("text.octets", "octets of what is shown") { $0.words.octets },
            Fact("text.words", "words") { $0.words.words },
            Fact("text.lines", "lines that are not empty") { $0.words.lines },
            Fact("text.capitals", "capital letters, in percent of the letters; 0 for less than ten letters") {
                $0.words.capitalShare
            },
            Fact("text.shouted_words", "words of four letters and more in capitals") { $0.words.shoutedWords },
            Fact("text.digits", "digits, in percent of the octets") { $0.words.digitShare },
            Fact("text.exclamation_marks", "exclamation marks") { $0.words.exclamations },
            Fact("text.dollars", "dollar signs") { $0.words.currency },
            Fact("text.longest_word", "octets of the longest word") { $0.words.longestWord },
            Fact("text.foreign", "octets beyond ASCII, in percent") { $0.words.foreignShare },
            Fact("text.invisible", "characters that take no room") { $0.sum(\.invisible) },
            Fact("text.invisible_in_words", "such characters inside of words") { $0.sum(\.invisibleInWords) },
            Fact("text.bidirectional", "characters that turn the direction of writing") {
                $0.sum(\.bidirectionalControls)
            },
            Fact("text.odd_letters", "full-width, circled and mathematical letters") { $0.sum(\.oddLetters) },
            Fact("text.mixed_words", "words with letters of scripts that are not written together") {
                $0.sum(\.mixedWords)
            },
            Fact("text.lookalike_words", "words of Latin letters and others that look like such") {
                $0.sum(\.lookalikeWords)
            },
            Fact("text.stacked_marks", "letters with more than two marks above each other") { $0.sum(\.stackedMarks) },
            Fact("text.unreadable", "characters that are none") { $0.sum(\.unreadable) },
            Fact("text.parts", "texts that are shown") { $0.shown.count },
            Fact("text.similarity", "words that text and HTML have in common, in percent; 100 where there is one only")
            {
                $0.content.alternatives.map(\.similarity).min() ?? 100
            },
            Fact("text.struck_letters", "letters with a mark drawn through or around them") { $0.sum(\.struckLetters) },
            Fact(
                "text.not_read",
                "something of the message was not read to its end, or its text not held against patterns"
            ) {
                !$0.content.excess.isEmpty || TextReader.cutsBody(of: $0.content)
            },
            Fact("text.names_recipient", "a recipient's address stands there") { reader in
                let wanted = reader.recipients.map { Array($0.description.asciiLowercased.utf8) }
                return reader.shown.contains { text in
                    let looked = text.visible.prefix(64 << 10)
                    return wanted.contains { looked.containsIgnoringCase($0) }
                }
            },
        ] + decoding

    private static let decoding: [Fact] = DecodedText.Observation.allCases.map { observation in
        Fact("text." + observation.rawValue.underscored, summary(of: observation)) { reader in
            reader.content.texts.contains { $0.observations.contains(observation) }
        }
    }

    private static func summary(of observation: DecodedText.Observation) -> String {
        switch observation {
        case .undeclaredCharset: "a text beyond ASCII names no charset"
        case .unknownCharset: "a text names a charset that nobody knows"
        case .wrongCharset: "a text is not of the charset that it names"
        case .otherCharsetInMeta: "HTML names another charset than its part's header"
        case .otherByteOrderMark: "a byte-order mark says something else than the header"
        case .malformed: "a text is not well-formed in its charset"
        case .truncated: "a text was not read to its end"
        }
    }

    /// The HTML that is shown.
    static let html: [Fact] =
        [
            Fact("html.present", "HTML is shown") { !$0.html.isEmpty },
            Fact("html.only", "HTML is shown, and there is no plain text for it") { reader in
                !reader.html.isEmpty && !reader.content.texts.contains { $0.html == nil }
            },
            Fact("html.hidden", "octets of text that nobody sees") { $0.html.reduce(0) { $0 + $1.hidden.count } },
            Fact("html.hidden_share", "octets of hidden text, in percent of the text that is seen and hidden") {
                reader in
                let hidden = reader.html.reduce(0) { $0 + $1.hidden.count }
                let all = reader.html.reduce(hidden) { $0 + $1.visible.count }
                return all == 0 ? 0 : hidden * 100 / all
            },
            Fact("html.titled", "it has a title") { $0.html.contains { !$0.title.isEmpty } },
            Fact("html.picture_text", "octets of text in place of pictures") {
                $0.html.reduce(0) { $0 + $1.alternatives.count }
            },
        ] + counts + flags + hidden

    private static let counts: [Fact] = numbers.map { name, summary, number in
        Fact("html." + name, summary) { $0.sum(number) }
    }

    private static let flags: [Fact] = [
        Fact("html.unterminated", "the HTML ends inside of a tag or comment") { $0.any(\.isUnterminated) },
        Fact("html.too_many_attributes", "a tag has more attributes than are read") { $0.any(\.hasTooManyAttributes) },
        Fact("html.too_many_rules", "style sheets have more rules than are read") { $0.any(\.hasTooManyRules) },
        Fact("html.too_deep", "elements are nested deeper than is followed") { $0.any(\.isTooDeep) },
        Fact("html.too_many_uris", "there are more addresses than are read") { $0.any(\.hasTooManyURIs) },
    ]

    private static let hidden: [Fact] = HiddenReason.allCases.map { reason in
        Fact("html.hidden_by_" + reason.rawValue.underscored, "octets of text hidden in this way: \(reason.rawValue)") {
            $0.html.reduce(0) { $0 + ($1.observations.hiddenOctets[reason] ?? 0) }
        }
    }

    private typealias Number = @Sendable (HTMLObservations) -> Int

    private static let numbers: [(String, String, Number)] = [
        ("turned", "octets of text that is turned round by force, as by `<bdo dir=rtl>`", \.turnedOctets),
        ("tags", "tags", \.tags), ("comments", "comments", \.comments),
        ("conditional_comments", "conditional comments of Internet Explorer and Outlook", \.conditionalComments),
        ("scripts", "scripts", \.scripts), ("forms", "forms", \.forms), ("inputs", "fields of forms", \.inputs),
        ("password_inputs", "fields for passwords", \.passwordInputs), ("frames", "frames", \.frames),
        ("embedded_objects", "objects, SVG and MathML inside", \.embeddedObjects), ("images", "pictures", \.images),
        ("remote_images", "pictures that are fetched over the network", \.remoteImages),
        ("pixel_images", "pictures of at most a pixel by a pixel", \.pixelImages), ("links", "links", \.links),
        ("base_addresses", "`<base>`", \.baseAddresses),
        ("meta_refreshes", "`<meta http-equiv=refresh>`", \.metaRefreshes),
        ("data_uris", "attributes with `data:`", \.dataURIs),
        ("script_uris", "attributes with `javascript:` or `vbscript:`", \.scriptURIs),
        ("event_handlers", "`onclick` and its like", \.eventHandlers),
        ("external_styles", "style sheets that are fetched over the network", \.externalStyles),
        ("unclosed_elements", "elements that were never closed", \.unclosedElements),
        ("unmatched_end_tags", "end tags of what was not open", \.unmatchedEndTags),
        ("misnested_tags", "end tags in another order than their start tags", \.misnestedTags),
        ("encoded_attributes", "links with character references where letters would do", \.encodedAttributes),
        ("unknown_tags", "names of elements that HTML has not", \.unknownTags),
    ]
}

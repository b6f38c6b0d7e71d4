import MailTypes

/// The URIs of HTML: those of its attributes, and those that stand in its text.
struct HTMLURIs {
    let html: HTMLText
    let limits: ContentLimits

    /// - Parameter text: those that stand in the text that is seen, in order. Those that are the text of a link
    ///   say where the link pretends to lead, and are no links themselves.
    func uris(besides text: [FoundURI]) -> [FoundURI] {
        let base = html.references.first { $0.source == .base }.flatMap { WebAddress($0.value, limits: limits) }
        var found: [FoundURI] = []
        var isOfLink = [Bool](repeating: false, count: text.count)
        // Both are in the order of the text, and links do not overlap.
        var place = 0
        for reference in html.references {
            guard let address = WebAddress(reference.value, base: base, limits: limits) else { continue }
            var uri = FoundURI(address: address, source: reference.source)
            uri.isHidden = reference.isHidden
            if let range = reference.text {
                uri.position = range.lowerBound
                uri.text = linkText(range)
                while place < text.count, (text[place].position ?? 0) < range.lowerBound { place += 1 }
                var inside = place
                while inside < text.count, let position = text[inside].position, position < range.upperBound {
                    isOfLink[inside] = true
                    if uri.textHost == nil, address.scheme != "mailto", text[inside].address.scheme != "mailto" {
                        uri.textHost = text[inside].address.host
                    }
                    inside += 1
                }
                place = inside
            }
            found.append(uri)
        }
        for (place, uri) in text.enumerated() where !isOfLink[place] { found.append(uri) }
        if !html.hidden.isEmpty {
            for var uri in URIFinder.find(in: html.hidden, source: .hiddenText, limits: limits) {
                uri.isHidden = true
                found.append(uri)
            }
        }
        return found
    }

    /// The text of a link without blanks around it, as much as fits a URI.
    private func linkText(_ range: Range<Int>) -> String {
        let text = html.visible[range.clamped(to: html.visible.indices)].drop { $0.isHTMLSpace }
        var end = text.endIndex
        while end > text.startIndex, text[end - 1].isHTMLSpace { end -= 1 }
        return String(decoding: text[..<end].prefix(limits.maxURIOctets), as: UTF8.self)
    }
}

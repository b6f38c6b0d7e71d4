import MailTypes

// What the attributes of a tag say.
extension HTMLRenderer {
    mutating func readAttributes(of element: HTMLElement) {
        values.removeAll()
        for attribute in tokenizer.attributes {
            let first = tokenizer.octets[attribute.name.lowerBound]
            if attribute.name.count > 4, first | 0x20 == UInt8(ascii: "o"),
                tokenizer.octets[attribute.name.lowerBound + 1] | 0x20 == UInt8(ascii: "n")
            {
                result.observations.eventHandlers += 1
                continue
            }
            if let known = HTMLAttribute.names[PackedName(lowercasing: tokenizer.octets, attribute.name)] {
                values[known] = attribute.value
            }
        }
    }

    func value(_ attribute: HTMLAttribute) -> [UInt8]? {
        values[attribute].map { CharacterReferences.attributeValue(tokenizer.octets, $0) }
    }

    private func has(_ attribute: HTMLAttribute, _ text: StaticString) -> Bool {
        guard let range = values[attribute] else { return false }
        return tokenizer.octets[range].equalsIgnoringCase(text)
    }

    // MARK: - Style

    /// Style sheet, attributes and `style` together, in the order in which they count.
    mutating func declarations(of element: HTMLElement, _ name: PackedName) -> CSSDeclarations {
        var own = hints(of: element)
        var important = CSSDeclarations()
        if !sheet.isEmpty {
            let classes = value(.class).map(Self.words) ?? []
            let id = value(.id).map { String(decoding: $0.map(\.asciiLowercased), as: UTF8.self) }
            let rules = sheet.declarations(tag: name, classes: classes, id: id, work: &result.work)
            own.merge(rules.normal)
            important = rules.important
        }
        if let range = values[.style] {
            let raw = tokenizer.octets[range]
            let inline: (normal: CSSDeclarations, important: CSSDeclarations)
            if raw.contains(UInt8(ascii: "&")) || CSSText.isDisguised(raw) {
                let plain = CSSText.plain(CharacterReferences.attributeValue(tokenizer.octets, range))
                inline = CSSParser.parse(plain, plain.indices)
            } else {
                inline = CSSParser.parse(tokenizer.octets, range)
            }
            own.merge(inline.normal)
            own.merge(important)
            own.merge(inline.important)
        } else {
            own.merge(important)
        }
        return own
    }

    private static func words(_ value: [UInt8]) -> [String] {
        value.split(maxSplits: 64, whereSeparator: \.isHTMLSpace).map {
            String(decoding: $0.map(\.asciiLowercased), as: UTF8.self)
        }
    }

    /// What the element and its older attributes say about style.
    private func hints(of element: HTMLElement) -> CSSDeclarations {
        var own = CSSDeclarations()
        if values[.hidden] != nil {
            own.isDisplayed = false
            own.isByAttribute = true
            own.isEmpty = false
        }
        if values[.dir] != nil || element == .bdo {
            if values[.dir] != nil { own.isRightToLeft = has(.dir, "rtl") }
            if element == .bdo { own.overridesDirection = true }
            own.isEmpty = false
        }
        if element == .a, values[.href] != nil {
            own.color = .opaque(0x0000EE)
            own.isEmpty = false
        }
        if element == .mark {
            own.background = .opaque(0xFFFF00)
            own.color = .opaque(0)
            own.isEmpty = false
        }
        if let color = value(element == .body ? .bgcolor : .color), element == .font {
            own.color = CSSColor.parseLegacy(color)
            own.isEmpty = false
        }
        if let color = value(.bgcolor) {
            own.background = CSSColor.parseLegacy(color)
            own.isEmpty = false
        }
        if values[.background] != nil {
            own.background = .uncertain
            own.isEmpty = false
        }
        return own
    }

    // MARK: - Addresses and observations

    /// Notes what the element brings along; the place of its link, if it is one.
    mutating func open(_ element: HTMLElement, hidden isHidden: Bool) -> Int? {
        note(element, isHidden)
        if let range = values[.title], element != .style, result.hints.count < limits.maxTextOctets {
            result.hints += CharacterReferences.attributeValue(tokenizer.octets, range) + [.lf]
        }
        switch element {
        case .a, .area:
            let text = result.visible.count..<result.visible.count
            let attribute: HTMLAttribute = values[.href] == nil ? .xlinkHref : .href
            return refer(.link, attribute, isHidden, text: element == .a ? text : nil)
        case .form: refer(.form, .action, isHidden)
        case .iframe, .frame: refer(.frame, .src, isHidden)
        case .script: refer(.script, .src, isHidden)
        case .img, .image:
            refer(.image, .src, isHidden)
            refer(.image, .srcset, isHidden)
        case .link: if isStyleSheet { refer(.style, .href, isHidden) }
        case .base: refer(.base, .href, isHidden)
        case .object, .embed, .audio, .video, .source:
            refer(.object, element == .object ? .data : .src, isHidden)
            refer(.image, .poster, isHidden)
        case .input, .button:
            refer(.form, .formaction, isHidden)
            if element == .input { refer(.image, .src, isHidden) }
        case .meta: refreshes()
        default: break
        }
        if values[.background] != nil { refer(.image, .background, isHidden) }
        return nil
    }

    private var isStyleSheet: Bool {
        guard let range = values[.rel] else { return false }
        return tokenizer.octets[range].split(whereSeparator: \.isHTMLSpace).contains {
            $0.equalsIgnoringCase("stylesheet")
        }
    }

    private mutating func note(_ element: HTMLElement, _ isHidden: Bool) {
        switch element {
        case .script: result.observations.scripts += 1
        case .form: result.observations.forms += 1
        case .iframe, .frame: result.observations.frames += 1
        case .object, .embed, .applet, .svg, .math: result.observations.embeddedObjects += 1
        case .a: if values[.href] != nil { result.observations.links += 1 }
        case .base: result.observations.baseAddresses += 1
        case .link: if isStyleSheet { result.observations.externalStyles += 1 }
        case .textarea, .select: result.observations.inputs += 1
        case .input: input(isHidden)
        case .img, .image: image(isHidden)
        default: break
        }
    }

    private mutating func input(_ isHidden: Bool) {
        guard !has(.type, "hidden") else { return }
        result.observations.inputs += 1
        if has(.type, "password") { result.observations.passwordInputs += 1 }
        // A button shows its value, a field what is to be entered.
        guard !isHidden, let text = value(.value) ?? value(.placeholder) else { return }
        writeSpace()
        result.visible += text
        pendingSpace = Swift.max(pendingSpace, 1)
    }

    private mutating func image(_ isHidden: Bool) {
        result.observations.images += 1
        if isPixel(.width), isPixel(.height) { result.observations.pixelImages += 1 }
        if !isHidden, let text = value(.alt), !text.isEmpty, result.alternatives.count < limits.maxTextOctets {
            result.alternatives += text + [.lf]
        }
    }

    private func isPixel(_ attribute: HTMLAttribute) -> Bool {
        guard let range = values[attribute] else { return false }
        var position = range.lowerBound
        guard let number = CSSNumber.read(tokenizer.octets, &position, end: range.upperBound) else { return false }
        return number.hundredths <= 100 && !number.isPercent
    }

    private mutating func refreshes() {
        guard has(.httpEquiv, "refresh") else { return }
        result.observations.metaRefreshes += 1
        // `0; url=https://…`
        guard let content = value(.content), let semicolon = content.firstIndex(where: { $0 == 0x3B || $0 == 0x2C })
        else { return }
        var rest = content[(semicolon + 1)...].drop(while: \.isHTMLSpace)
        if rest.prefix(3).equalsIgnoringCase("url") {
            rest = rest.dropFirst(3).drop { $0.isHTMLSpace || $0 == UInt8(ascii: "=") }
        }
        rest = rest.drop { $0 == UInt8(ascii: "'") || $0 == UInt8(ascii: "\"") }
        add(.init(source: .refresh, value: Array(rest.prefix { $0 != 0x22 && $0 != 0x27 }), isHidden: true))
    }

    @discardableResult
    private mutating func refer(
        _ source: URISource, _ attribute: HTMLAttribute, _ isHidden: Bool, text: Range<Int>? = nil
    ) -> Int? {
        guard let range = values[attribute], !range.isEmpty else { return nil }
        let raw = tokenizer.octets[
            range.lowerBound..<Swift.min(range.upperBound, range.lowerBound + 2 * limits.maxURIOctets)]
        var value = CharacterReferences.attributeValue(tokenizer.octets, raw.startIndex..<raw.endIndex)
        if isNeedlesslyEncoded(raw) { result.observations.encodedAttributes += 1 }
        let start = value.drop { $0 <= 0x20 }.prefix(12)
        if start.prefix(5).equalsIgnoringCase("data:") {
            result.observations.dataURIs += 1
            value = Array(value.prefix(64))
        }
        if start.prefix(11).equalsIgnoringCase("javascript:") || start.prefix(9).equalsIgnoringCase("vbscript:") {
            result.observations.scriptURIs += 1
        }
        if source == .image, start.prefix(4).equalsIgnoringCase("http") || start.prefix(2).elementsEqual("//".utf8) {
            result.observations.remoteImages += 1
        }
        return add(.init(source: source, value: value, text: text, isHidden: isHidden))
    }

    /// Whether letters or the marks of an address are written as `&#104;`.
    private func isNeedlesslyEncoded(_ raw: ArraySlice<UInt8>) -> Bool {
        var place = raw.startIndex
        while let start = raw[place...].firstIndex(of: UInt8(ascii: "&")) {
            place = start + 1
            guard place < raw.endIndex, raw[place] == UInt8(ascii: "#"),
                let found = CharacterReferences.find(
                    tokenizer.octets, at: start, end: raw.endIndex, isInAttribute: true)
            else { continue }
            if found.first < 0x80, found.first != 0x26, found.first != 0x27, found.first != 0x22 { return true }
        }
        return false
    }

    @discardableResult
    private mutating func add(_ reference: HTMLText.Reference) -> Int? {
        guard result.references.count < limits.maxURIs else {
            result.observations.hasTooManyURIs = true
            return nil
        }
        result.references.append(reference)
        return result.references.count - 1
    }

    /// Ends the text of a link.
    mutating func closeLink(_ frame: Frame) {
        guard let link = frame.link, let range = result.references[link].text else { return }
        result.references[link].text = range.lowerBound..<Swift.max(range.lowerBound, result.visible.count)
    }
}

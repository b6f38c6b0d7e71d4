import MailTypes

/// Reads HTML once and tells what of it a reader sees.
///
/// A stack of open elements stands for the tree that a browser builds: implied end tags, formatting that
/// outlives its block, text that stands in a table where none may, are as in WHATWG HTML §13.2.6.
struct HTMLRenderer {
    struct Frame {
        var element: HTMLElement
        var name: PackedName
        var own: CSSDeclarations
        var style: HTMLStyle
        /// The link that begins here, by its place in ``HTMLText/references``.
        var link: Int?
    }

    let limits: ContentLimits
    var tokenizer: HTMLTokenizer
    var result = HTMLText()
    var sheet: StyleSheet
    var stack: [Frame] = []
    /// How many elements of each kind are open.
    var openCounts = [Int](repeating: 0, count: HTMLElement.allCases.count)
    /// Elements that were opened when the stack was full.
    var overflow = 0
    /// Where the element of SVG or MathML is that is open.
    var foreign: Int?
    /// The element whose raw text comes next.
    var rawElement: HTMLElement?
    var values = AttributeValues()
    /// White space that is written if text follows: 0 for none, 1 a space, 2 a line end, 3 an empty line.
    var pendingSpace = 0
    /// Where in ``HTMLText/visible`` the line of text begins that is being written and is turned round.
    var turnedStart: Int?
    /// The sheet got rules after text had been read that they might hide.
    private(set) var sheetCameLate = false

    init(_ octets: [UInt8], limits: ContentLimits, sheet: StyleSheet? = nil) {
        self.limits = limits
        self.sheet = sheet ?? StyleSheet(limits: limits)
        tokenizer = HTMLTokenizer(octets, maxAttributes: limits.maxAttributes)
        result.visible.reserveCapacity(octets.count / 4)
        let root = Frame(element: .html, name: PackedName("html"), own: CSSDeclarations(), style: HTMLStyle())
        stack.append(root)
    }

    /// What a reader sees of those octets, which are UTF-8.
    static func render(_ octets: [UInt8], limits: ContentLimits) -> HTMLText {
        var renderer = HTMLRenderer(octets, limits: limits)
        renderer.run()
        guard renderer.sheetCameLate else { return renderer.result }
        // A browser applies a style sheet to what stands before it, too: once more, with all rules known.
        var again = HTMLRenderer(octets, limits: limits, sheet: renderer.sheet)
        again.isSecondPass = true
        again.run()
        again.result.work += renderer.result.work
        return again.result
    }

    private var isSecondPass = false

    mutating func run() {
        reading: while true {
            switch tokenizer.next() {
            case .text(let range): rawElement == nil ? text(range) : rawText(range, hasReferences: true)
            case .rawText(let range): rawText(range, hasReferences: false)
            case .startTag(let name): startTag(name)
            case .endTag(let name): endTag(name)
            case .comment(let range): comment(range)
            case .doctype: break
            case .end: break reading
            }
            guard result.visible.count < limits.maxTextOctets, result.hidden.count < limits.maxTextOctets else {
                result.observations.isTruncated = true
                break
            }
        }
        finish()
    }

    private mutating func finish() {
        let tolerated: Set<HTMLElement> = [.html, .body, .head, .p, .li, .dd, .dt, .tr, .td, .th, .tbody, .option]
        result.observations.unclosedElements = stack.count { !tolerated.contains($0.element) } + overflow
        for place in stack.indices.reversed() { closeLink(stack[place]) }
        endTurn()
        result.observations.isUnterminated = tokenizer.isUnterminated
        result.observations.hasTooManyAttributes = tokenizer.hasTooManyAttributes
        result.observations.hasTooManyRules = sheet.isFull
        result.observations.externalStyles += sheet.imports
    }

    private mutating func comment(_ range: Range<Int>) {
        result.observations.comments += 1
        let text = tokenizer.octets[range].prefix(8).drop(while: \.isHTMLSpace)
        if text.first == UInt8(ascii: "[") { result.observations.conditionalComments += 1 }
    }

    // MARK: - Start tags

    private mutating func startTag(_ name: PackedName) {
        result.work += 1
        result.observations.tags += 1
        let element = HTMLElement.names[name] ?? .unknown
        let traits = element.traits
        if element == .unknown, !name.isQualified, foreign == nil { result.observations.unknownTags += 1 }
        if foreign != nil, traits.contains(.breaksOut) { leaveForeign() }
        if foreign == nil { closeImplied(by: element) }
        readAttributes(of: element)
        let own = declarations(of: element, name)
        if element == .body || element == .html { return styleRoot(own) }
        let base = inheritedStyle(for: element)
        let style = base.child(own)
        let link = open(element, hidden: style.hidden != nil)
        if style.hidden == nil { breakLine(traits) }
        if element == .br || element == .hr { lineBreak(style) }
        guard !traits.contains(.void), !(foreign != nil && tokenizer.isSelfClosing) else { return }
        push(Frame(element: element, name: name, own: own, style: style, link: link))
        if foreign == nil { enterRawText(element, name) }
    }

    /// The style of `<body>` holds for all.
    private mutating func styleRoot(_ own: CSSDeclarations) {
        guard !own.isEmpty else { return }
        stack[0].own.merge(own)
        let root = HTMLStyle().child(stack[0].own)
        // What hides the whole body would hide the whole message; mail programs put bodies into their own.
        stack[0].style = root
        if root.fixed == .offScreen || root.fixed == .emptyBox { stack[0].style.fixed = nil }
        restyle(from: 1)
    }

    /// Says how the tokenizer goes on.
    private mutating func enterRawText(_ element: HTMLElement, _ name: PackedName) {
        switch element {
        case .title, .textarea:
            tokenizer.mode = .rcdata(name)
        case .style, .xmp, .iframe, .noembed, .noframes:
            tokenizer.mode = .rawText(name)
        case .script:
            tokenizer.mode = .script
        case .plaintext:
            tokenizer.mode = .plainText
        case .svg, .math:
            foreign = stack.count - 1
            tokenizer.allowsCDATA = true
            return
        default:
            return
        }
        rawElement = element
    }

    private mutating func leaveForeign() {
        guard let place = foreign else { return }
        pop(to: place)
    }

    // MARK: - Raw text

    private mutating func rawText(_ range: Range<Int>, hasReferences: Bool) {
        let element = rawElement
        if element == nil { return text(range) }
        switch element {
        case .title:
            guard result.title.count < limits.maxURIOctets else { return }
            result.title += CharacterReferences.attributeValue(tokenizer.octets, range)
        case .style:
            let before = sheet.rules.count
            if !isSecondPass { sheet.add(Array(tokenizer.octets[range])) }
            if sheet.rules.count > before, !result.visible.isEmpty { sheetCameLate = true }
        case .script:
            break
        case .iframe, .noembed, .noframes:
            hide(range, reason: .notRendered)
        default:
            text(range)
        }
    }
}

/// Where in the octets the values of a tag's attributes stand.
struct AttributeValues {
    private var ranges = [Range<Int>?](repeating: nil, count: 128)
    private var used: [Int] = []

    mutating func removeAll() {
        for place in used { ranges[place] = nil }
        used.removeAll(keepingCapacity: true)
    }

    subscript(_ attribute: HTMLAttribute) -> Range<Int>? {
        get { ranges[Int(attribute.rawValue)] }
        set {
            // Of two attributes of one name the first counts.
            guard ranges[Int(attribute.rawValue)] == nil else { return }
            ranges[Int(attribute.rawValue)] = newValue
            used.append(Int(attribute.rawValue))
        }
    }
}

import MailTypes

/// The rules of `<style>` that can hide text, found by tag, class and id.
///
/// Of a selector the last part counts, if what stands before it are only tags (`body div.x`). Rules that hold
/// for some screens only, and selectors with states and attributes, are passed over.
struct StyleSheet {
    struct Rule {
        var tag: PackedName?
        var id: String?
        var classes: [String]
        var normal: CSSDeclarations
        var important: CSSDeclarations

        /// Which of two rules counts.
        var weight: Int { (id == nil ? 0 : 10_000) + classes.count * 100 + (tag == nil ? 0 : 1) }
    }

    private(set) var rules: [Rule] = []
    private var byTag: [PackedName: [Int]] = [:]
    private var byClass: [String: [Int]] = [:]
    private var byID: [String: [Int]] = [:]
    private var universal: [Int] = []
    private let limits: ContentLimits
    /// There were more rules than are kept.
    private(set) var isFull = false
    /// Another style sheet is to be fetched.
    private(set) var imports = 0

    init(limits: ContentLimits) { self.limits = limits }

    var isEmpty: Bool { rules.isEmpty }

    // MARK: - Reading

    mutating func add(_ text: [UInt8]) {
        let octets = CSSText.isDisguised(text) ? CSSText.plain(text) : text
        var position = 0
        while position < octets.count, !isFull {
            while position < octets.count, octets[position].isHTMLSpace || octets[position] == UInt8(ascii: "}") {
                position += 1
            }
            guard position < octets.count else { return }
            if octets[position] == UInt8(ascii: "@") {
                atRule(octets, &position)
            } else {
                rule(octets, &position)
            }
        }
    }

    private mutating func atRule(_ octets: [UInt8], _ position: inout Int) {
        let start = position
        while position < octets.count, octets[position] != UInt8(ascii: "{"), octets[position] != UInt8(ascii: ";") {
            position += 1
        }
        let prelude = octets[start..<position]
        if prelude.prefix(7).equalsIgnoringCase("@import") { imports += 1 }
        guard position < octets.count else { return }
        position += 1
        guard octets[position - 1] == UInt8(ascii: "{") else { return }
        // What holds on every screen is read on; the closing brace is passed over later.
        let isUsual =
            prelude.prefix(6).equalsIgnoringCase("@media") && !prelude.contains(UInt8(ascii: "("))
            && !prelude.dropFirst(6).drop(while: \.isHTMLSpace).prefix(5).equalsIgnoringCase("print")
        if !isUsual { position = Self.endOfBlock(octets, from: position) }
    }

    private static func endOfBlock(_ octets: [UInt8], from start: Int) -> Int {
        var depth = 1
        var position = start
        while position < octets.count, depth > 0 {
            if octets[position] == UInt8(ascii: "{") { depth += 1 }
            if octets[position] == UInt8(ascii: "}") { depth -= 1 }
            position += 1
        }
        return position
    }

    private mutating func rule(_ octets: [UInt8], _ position: inout Int) {
        let start = position
        while position < octets.count, octets[position] != UInt8(ascii: "{") { position += 1 }
        guard position < octets.count else { return }
        let selectors = start..<position
        position += 1
        let body = position
        position = Self.endOfBlock(octets, from: position)
        let end = Swift.max(body, octets[position - 1] == UInt8(ascii: "}") ? position - 1 : position)
        var (normal, important) = CSSParser.parse(octets, body..<end)
        guard !normal.isEmpty || !important.isEmpty else { return }
        normal.isByRule = true
        important.isByRule = true
        for selector in octets[selectors].split(separator: UInt8(ascii: ",")) {
            guard rules.count < limits.maxStyleRules else {
                isFull = true
                return
            }
            if let rule = Self.read(selector, normal, important) { index(rule) }
        }
    }

    private static func read(
        _ selector: ArraySlice<UInt8>, _ normal: CSSDeclarations, _ important: CSSDeclarations
    ) -> Rule? {
        let words = selector.split { $0.isHTMLSpace || $0 == UInt8(ascii: ">") }
        guard let last = words.last, words.count <= 8,
            words.dropLast().allSatisfy({ $0.allSatisfy { $0.isLetter || $0.isDigit } })
        else { return nil }
        var rule = Rule(classes: [], normal: normal, important: important)
        var mark: UInt8 = 0
        var rest = last
        if rest.first == UInt8(ascii: "*") { rest = rest.dropFirst() }
        while !rest.isEmpty {
            if let first = rest.first, first == UInt8(ascii: ".") || first == UInt8(ascii: "#") {
                mark = first
                rest = rest.dropFirst()
            }
            let name = rest.prefix { $0.isLetter || $0.isDigit || $0 == 0x2D || $0 == 0x5F || $0 >= 0x80 }
            guard !name.isEmpty else { return nil }
            rest = rest.dropFirst(name.count)
            let text = String(decoding: name.map(\.asciiLowercased), as: UTF8.self)
            switch mark {
            case UInt8(ascii: "."): rule.classes.append(text)
            case UInt8(ascii: "#"): rule.id = text
            default: rule.tag = PackedName(text)
            }
            mark = 1
            if let next = rest.first, next != UInt8(ascii: "."), next != UInt8(ascii: "#") { return nil }
        }
        return rule
    }

    private mutating func index(_ rule: Rule) {
        let place = rules.count
        rules.append(rule)
        if let id = rule.id {
            byID[id, default: []].append(place)
        } else if let name = rule.classes.first {
            byClass[name, default: []].append(place)
        } else if let tag = rule.tag {
            byTag[tag, default: []].append(place)
        } else {
            universal.append(place)
        }
    }

    // MARK: - Matching

    /// The declarations for an element, and the important ones; `work` counts the rules looked at.
    func declarations(
        tag: PackedName, classes: [String], id: String?, work: inout Int
    ) -> (normal: CSSDeclarations, important: CSSDeclarations) {
        var found: [Int] = universal + (byTag[tag] ?? [])
        for name in classes.prefix(limits.maxRulesPerElement) { found += byClass[name] ?? [] }
        if let id { found += byID[id] ?? [] }
        var (normal, important) = (CSSDeclarations(), CSSDeclarations())
        guard !found.isEmpty else { return (normal, important) }
        // The last ones count, so those that are too many are the first.
        found = found.suffix(limits.maxRulesPerElement).filter { place in
            let rule = rules[place]
            return (rule.tag == nil || rule.tag == tag) && (rule.id == nil || rule.id == id)
                && rule.classes.prefix(8).allSatisfy(classes.contains)
        }
        work += found.count
        found.sort { (rules[$0].weight, $0) < (rules[$1].weight, $1) }
        for place in found {
            normal.merge(rules[place].normal)
            important.merge(rules[place].important)
        }
        return (normal, important)
    }
}

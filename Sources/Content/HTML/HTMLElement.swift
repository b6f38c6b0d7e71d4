/// The elements that mean something to the text that a reader sees.
enum HTMLElement: UInt8, CaseIterable, Sendable {
    case unknown
    case a, abbr, address, applet, area, article, aside, audio, b, base, bdi, bdo, bgsound, big, blink, blockquote, body
    case br, button, canvas, caption, center, cite, code, col, colgroup, datalist, dd, del, details, dialog, dir, div
    case dl, dt, em, embed, fieldset, figcaption, figure, font, footer, form, frame, frameset, h1, h2, h3, h4, h5, h6
    case head, header, hgroup, hr, html, i, iframe, img, image, input, ins, kbd, label, legend, li, link, listing, main
    case map, mark, marquee, math, menu, meta, nav, nobr, noembed, noframes, noscript, object, ol, optgroup, option, p
    case param, plaintext, pre, q, rp, rt, ruby, s, samp, script, search, section, select, small, source, span, strike
    case strong, style, sub, summary, sup, svg, table, tbody, td, template, textarea, tfoot, th, thead, time, title, tr
    case track, tt, u, ul, `var`, video, wbr, xmp

    static let names = PackedTable(allCases.map { (name: PackedName("\($0)"), value: $0) })

    struct Traits: OptionSet, Sendable {
        let rawValue: UInt16

        /// Has no content and no end tag.
        static let void = Traits(rawValue: 1 << 0)
        /// Begins and ends a line.
        static let block = Traits(rawValue: 1 << 1)
        /// Its effect outlives the block in which it was opened.
        static let formatting = Traits(rawValue: 1 << 2)
        /// An end tag of something inline does not reach over it.
        static let special = Traits(rawValue: 1 << 3)
        /// No end tag of a block or of formatting reaches over it.
        static let scope = Traits(rawValue: 1 << 4)
        /// A start tag ends an open paragraph.
        static let endsParagraph = Traits(rawValue: 1 << 5)
        /// Between table and cell, where text may not stand.
        static let tablePart = Traits(rawValue: 1 << 6)
        static let heading = Traits(rawValue: 1 << 7)
        /// A start tag ends SVG or MathML that it stands in.
        static let breaksOut = Traits(rawValue: 1 << 8)
        /// Has an empty line around it.
        static let spaced = Traits(rawValue: 1 << 9)
    }

    var traits: Traits { Self.traitTable[Int(rawValue)] }

    private static let traitTable: [Traits] = {
        let lists: [(Traits, String)] = [
            (.void, "area base bgsound br col embed frame hr image img input link meta param source track wbr"),
            (
                .block,
                """
                address article aside blockquote body caption center dd details dialog dir div dl dt fieldset \
                figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li listing main menu nav \
                ol optgroup option p plaintext pre search section summary table tbody tfoot thead tr ul xmp
                """
            ),
            (.formatting, "a b big code em font i nobr s small strike strong tt u"),
            (
                .special,
                """
                address applet area article aside base bgsound blockquote body br button caption center col \
                colgroup dd details dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 \
                h2 h3 h4 h5 h6 head header hgroup hr html iframe img input li link listing main marquee menu meta \
                nav noembed noframes noscript object ol p param plaintext pre script search section select source \
                style summary table tbody td template textarea tfoot th thead title tr track ul wbr xmp
                """
            ),
            (.scope, "applet caption html table td th marquee object template select svg math"),
            (
                .endsParagraph,
                """
                address article aside blockquote center details dialog dir div dl dd dt fieldset figcaption figure \
                footer header hgroup main menu nav ol p search section summary ul h1 h2 h3 h4 h5 h6 pre listing \
                form li plaintext hr xmp
                """
            ),
            (.tablePart, "table tbody tfoot thead tr colgroup"),
            (.heading, "h1 h2 h3 h4 h5 h6"),
            (
                .breaksOut,
                """
                b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li \
                listing menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var
                """
            ),
            (.spaced, "p h1 h2 h3 h4 h5 h6 blockquote ul ol dl pre listing xmp"),
        ]
        var table = [Traits](repeating: [], count: allCases.count)
        for (traits, list) in lists {
            for name in list.split(separator: " ") {
                guard let element = HTMLElement.names[PackedName(name)] else { continue }
                table[Int(element.rawValue)].insert(traits)
            }
        }
        return table
    }()
}

/// The attributes that mean something.
enum HTMLAttribute: UInt8, CaseIterable, Sendable {
    case action, alt, background, bgcolor, charset, `class`, color, content, data, dir, formaction, height, hidden, href
    case id, name, placeholder, poster, rel, size, src, srcset, style, title, type, value, width
    case httpEquiv = 100
    case xlinkHref = 101

    static let names = PackedTable(
        allCases.map { attribute -> (name: PackedName, value: HTMLAttribute) in
            switch attribute {
            case .httpEquiv: (PackedName("http-equiv"), attribute)
            case .xlinkHref: (PackedName("xlink:href"), attribute)
            default: (PackedName("\(attribute)"), attribute)
            }
        })
}

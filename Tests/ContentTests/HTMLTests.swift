import Testing

@testable import Content

@Suite struct HTMLTests {
    static func render(_ html: String, limits: ContentLimits = ContentLimits()) -> HTMLText {
        HTMLRenderer.render(Array(html.utf8), limits: limits)
    }

    static func visible(_ html: String) -> String { String(decoding: render(html).visible, as: UTF8.self) }

    static let texts: [(html: String, text: String)] = [
        ("plain", "plain"), ("", ""), ("a  \n b", "a b"), ("a<b>b</b>c", "abc"), ("<p>one<p>two", "one\n\ntwo"),
        ("one<br>two", "one\ntwo"), ("<div>one</div><div>two</div>", "one\ntwo"), ("a<br><br>b", "a\n\nb"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<table><tr><td>a<td>b<tr><td>c</table>d", "a b\nc\nd"), ("<ul><li>x<li>y</ul>z", "x\ny\n\nz"),
        ("a&nbsp;b\u{A0}c", "a b c"), ("&amp;&lt;&gt;&quot;&#65;&#x42;&#x43", "&<>\"ABC"),
        ("&copy 2020 &notit; &notin; &nosuch;", "© 2020 ¬it; ∉ &nosuch;"),
        ("&#0;&#x80;&#xD800;&#x110000;", "\u{FFFD}€\u{FFFD}\u{FFFD}"),
        ("&#99999999999999999999;", "\u{FFFD}"), ("&NotEqualTilde;", "≂̸"), ("a & b &", "a & b &"),
        ("&#;&#x;", "&#;&#x;"),
        ("<!-- x -->a<!-->b<!--->c<!-- --!>d", "abcd"), ("a<!-- never ends", "a"), ("a<?php x ?>b", "ab"),
        ("a</>b</ x>c", "abc"),
        ("<!DOCTYPE html><html><head><title>T</title></head><body>B</body></html>", "B"),
        ("a < b, 1<2", "a < b, 1<2"), ("a<", "a<"), ("a</", "a</"), ("a<b", "a"), ("a<b x='never", "a"),
        ("<script>if (a</script>b", "b"), ("<script><!-- <script> </script> --></script>x", "x"),
        ("<script><!-- </script>x", "x"), ("<style>p{}</style>x", "x"), ("<textarea><b>&amp;</textarea>", "<b>&"),
        ("<xmp><b>&amp;</xmp>", "<b>&amp;"), ("<plaintext></b>&amp;", "</b>&amp;"),
        ("<noscript>shown</noscript>", "shown"),
        ("<pre>a\nb  c</pre>", "a\nb c"), ("<div style='white-space:pre'>a\nb</div>", "a\nb"),
        ("V<!-- -->i<b></b>a<span></span>gra", "Viagra"), ("V<font size=1></font>ia<x-y>gr</x-y>a", "Viagra"),
        ("<svg><![CDATA[x<y]]></svg>", "x<y"), ("<![CDATA[x]]>y", "y"), ("<svg><style>a</style></svg>", "a"),
        ("<svg><p>x</svg>y", "xy"), ("a&hairsp;b&ensp;c", "a b c"),
        ("<svg><b></svg><title>x</title>y", "y"), ("<A HREF=x>L</A >k", "Lk"), ("<b/>bold<br/>x", "bold\nx"),
        ("<input type=submit value='Log in'>", "Log in"), ("<input type=hidden value=x>y", "y"), ("</p>x", "x"),
        ("\u{FEFF}x", "x"), ("a\0b", "ab"), ("<title>a</title>b<title>c</title>", "b"), ("<h1>a</h2>b", "a\n\nb"),
    ]

    @Test(arguments: texts)
    func `a reader sees the text`(html: String, text: String) { #expect(Self.visible(html) == text) }

    static let hidden: [(html: String, reason: HiddenReason?)] = [
        ("<p style='display:none'>x</p>", .displayNone), ("<p style='DISPLAY : NONE !important'>x</p>", .displayNone),
        ("<p style='dis\\70 lay:none'>x</p>", .displayNone), ("<p style='display/**/:no/**/ne'>x</p>", .displayNone),
        ("<p style='display&#58;none'>x</p>", .displayNone), ("<p style='display:none;display:block'>x</p>", nil),
        ("<p style='display:none!important;display:block'>x</p>", .displayNone),
        ("<p style='x:\"display:none\"'>x</p>", nil),
        ("<div style='visibility:hidden'><b>x</b></div>", .invisible),
        ("<div style='visibility:hidden'><b style='visibility:visible'>x</b></div>", nil),
        ("<p hidden>x</p>", .hiddenAttribute), ("<p hidden style='display:block'>x</p>", nil),
        ("<p style='font-size:0'>x</p>", .tinyFont), ("<p style='font-size:1px'>x</p>", .tinyFont),
        ("<p style='font-size:8px'>x</p>", nil),
        ("<p style='font-size:0'><b style='font-size:12pt'>x</b></p>", nil), ("<p style='font:0/0 a'>x</p>", .tinyFont),
        ("<p style='font:bold 12px/30px a'>x</p>", nil),
        ("<p style='font-size:50%'><b style='font-size:.1em'>x</b></p>", .tinyFont),
        ("<p style='color:#fff'>x</p>", .sameColor), ("<p style='color:#FEFEFE'>x</p>", .sameColor),
        ("<p style='color:#ccc'>x</p>", nil),
        ("<font color=white>x</font>", .sameColor), ("<font color=ffffff>x</font>", .sameColor),
        ("<p style='color:rgb(255,255,255)'>x</p>", .sameColor),
        ("<p style='color:hsl(0,0%,100%)'>x</p>", .sameColor), ("<p style='color:transparent'>x</p>", .sameColor),
        ("<p style='color:rgba(0,0,0,0.01)'>x</p>", .sameColor),
        ("<p style='color:red;background:url(x) #f00'>x</p>", nil),
        ("<table bgcolor=black><tr><td><font color='#000000'>x</font></table>", .sameColor),
        ("<table bgcolor=black><tr><td><font color=white>x</font></table>", nil),
        ("<body bgcolor=black text=white>x", .sameColor),
        ("<body background=x.png><font color=white>x</font>", nil), ("<p style='color:white'><a href=x>x</a></p>", nil),
        ("<p style='opacity:0'>x</p>", .transparent), ("<p style='opacity:1'>x</p>", nil),
        ("<p style='opacity:0%'>x</p>", .transparent),
        ("<div style='max-height:0;overflow:hidden'>x</div>", .emptyBox), ("<div style='height:0'>x</div>", nil),
        ("<div style='width:1px;overflow:hidden'>x</div>", .emptyBox),
        ("<div style='position:absolute;left:-9999px'>x</div>", .offScreen),
        ("<div style='left:-9999px'>x</div>", nil), ("<div style='text-indent:-9999em'>x</div>", .offScreen),
        ("<div style='clip:rect(0,0,0,0)'>x</div>", .emptyBox),
        ("<template>x</template>", .notRendered), ("<iframe>x</iframe>", .notRendered),
        ("<style>.h{display:none}</style><p class='a H'>x</p>", .displayNone),
        ("<style>#i{display:none}</style><p id=i>x</p>", .displayNone),
        ("<style>p.h{display:none}</style><div class=h>x</div>", nil),
        ("<style>body div u{font-size:0}</style><u>x</u>", .tinyFont),
        ("<style>@media (max-width:9px){.h{display:none}}</style><p class=h>x</p>", nil),
        ("<style>@media screen{.h{display:none}}</style><p class=h>x</p>", .displayNone),
        ("<style>.h:hover{display:none}</style><p class=h>x</p>", nil),
        ("<style>.a.b{display:none}</style><p class=a>x</p>", nil),
        ("<style>a,.h , b{display:none}</style><p class=h>x</p>", .displayNone),
        ("<style>.h{display:none}</style><p class=h style='display:block'>x</p>", nil),
        ("<style>.h{display:none!important}</style><p class=h style='display:block'>x</p>", .displayNone),
        ("<style><!-- .h{display:none} --></style><p class=h>x</p>", nil),
        ("<p class=h>x</p><style>.h{display:none}</style>", .displayNone),
        // The tree that a browser builds decides what a style is about.
        ("<span style='display:none'><div></span>x", .displayNone), ("<font color=white><div></font>x", nil),
        ("<p><font color=white></p>x", .sameColor), ("<div style='display:none'><b></div>x", nil),
        ("<table style='display:none'><tr>x", nil), ("<table style='display:none'><tr><td>x", .displayNone),
        ("<a href=y style='font-size:0'><a>x</a>", nil), ("<p hidden>y<p>x", nil), ("<li hidden>y<li>x", nil),
        ("<b style='display:none'><table></b><tr><td>x", .displayNone), ("<td hidden></td>x", nil),
    ]

    @Test(arguments: hidden)
    func `hidden text is told apart, with the reason`(html: String, reason: HiddenReason?) {
        let result = Self.render(html)
        // Every text to judge is an x; a y besides it is another's business.
        let isVisible = result.visible.contains(UInt8(ascii: "x"))
        let run = result.hiddenRuns.first { result.text(of: $0).contains("x") }
        #expect(run?.reason == reason, "\(html)")
        #expect(isVisible == (reason == nil), "\(html)")
    }

    @Test func `what stands in place of pictures and behind the pointer is kept`() {
        let result = Self.render("<img alt='a &amp; b' src=x><a title='hint' href=y>z</a><title>t&eacute;</title>")
        #expect(String(decoding: result.alternatives, as: UTF8.self) == "a & b\n")
        #expect(String(decoding: result.hints, as: UTF8.self) == "hint\n")
        #expect(String(decoding: result.title, as: UTF8.self) == "té")
    }

    static let counts: [(html: String, value: @Sendable (HTMLObservations) -> Int, count: Int)] = [
        ("<script></script><SCRIPT src=x></SCRIPT>", { $0.scripts }, 2), ("<form action=x><form>", { $0.forms }, 2),
        ("<input type=password><input type=hidden>", { $0.passwordInputs }, 1),
        ("<iframe src=x></iframe><frame>", { $0.frames }, 2),
        ("<img src='http://x/'><img src=cid:y>", { $0.remoteImages }, 1),
        ("<img width=1 height=1><img width=0 height='1px'>", { $0.pixelImages }, 2),
        ("<base href=x>", { $0.baseAddresses }, 1),
        ("<meta http-equiv=Refresh content='0;url=x'>", { $0.metaRefreshes }, 1),
        ("<a href='data:text/html,x'>", { $0.dataURIs }, 1), ("<a href=' javascript:x'>", { $0.scriptURIs }, 1),
        ("<p onclick=x ONLOAD=y on>", { $0.eventHandlers }, 2),
        ("<!--[if mso]>x<![endif]-->", { $0.conditionalComments }, 1),
        ("<link rel='x stylesheet' href=y><style>@import 'z';</style>", { $0.externalStyles }, 2),
        ("<b><i>", { $0.unclosedElements }, 2),
        ("</b></i>x</div>", { $0.unmatchedEndTags }, 3), ("<b><i></b></i>", { $0.misnestedTags }, 1),
        ("<a href='&#104;ttp://x'><a href='http://x?a&amp;b'>", { $0.encodedAttributes }, 1),
        ("<xyzzy></xyzzy>", { $0.unknownTags }, 1), ("<o:p></o:p><my-own></my-own>", { $0.unknownTags }, 0),
    ]

    @Test(arguments: counts)
    func `what is odd is counted`(html: String, value: @Sendable (HTMLObservations) -> Int, count: Int) {
        #expect(value(Self.render(html).observations) == count, "\(html)")
    }

    @Test func `all names of references are told apart`() {
        #expect(CharacterReferences.namedTable.count == 2125)
        #expect(CharacterReferences.bareTable.count == 106)
    }

    @Test(arguments: [
        ("?a=1&copy=2", "?a=1&copy=2"), ("?a=1&copy;=2", "?a=1©=2"), ("?a&amp;b", "?a&b"), ("?a&ampb", "?a&ampb"),
        ("&amp", "&"),
    ])
    func `references in attributes end as browsers have it`(raw: String, value: String) {
        let octets = Array(raw.utf8)
        let found = CharacterReferences.attributeValue(octets, octets.indices)
        #expect(String(decoding: found, as: UTF8.self) == value)
    }

    static let turned: [(html: String, text: String, octets: Int)] = [
        ("<bdo dir=rtl>sllip paehc</bdo>", "cheap pills", 11), ("<bdo dir=ltr>plain</bdo>", "plain", 0),
        ("<p dir=rtl>plain</p>", "plain", 0), ("a <bdo dir=rtl>c <b>b</b></bdo> d", "a b c d", 3),
        ("<bdo dir=rtl>eno<br>owt</bdo>", "one\ntwo", 6), ("<bdo dir=rtl>\u{5D0}\u{5D1}</bdo>", "\u{5D0}\u{5D1}", 0),
        ("<span style='direction:rtl;unicode-bidi:bidi-override'>\u{E9}fac</span>", "caf\u{E9}", 5),
        ("<style>.x{unicode-bidi:isolate-override}</style><div dir=rtl><i class=x>cba</i> de</div>", "abc de", 3),
        ("<bdo dir=rtl>cb<bdo dir=ltr>x1</bdo>a</bdo>", "bcx1a", 3), ("<bdo dir=rtl>cba", "abc", 3),
    ]

    @Test(arguments: turned)
    func `text that is turned round is as it is seen`(html: String, text: String, octets: Int) {
        let read = Self.render(html)
        #expect(String(decoding: read.visible, as: UTF8.self) == text)
        #expect(read.observations.turnedOctets == octets)
    }

    @Test func `a link's text is turned round with it`() throws {
        let read = Self.render("<p>go <bdo dir=rtl>won <a href='http://a.example/'>elpmaxe.a</a> ot</bdo></p>")
        let range = try #require(read.references.first?.text)
        #expect(String(decoding: read.visible, as: UTF8.self) == "go to a.example now")
        // The blank that was written before the link is within it, turned round or not.
        #expect(String(decoding: read.visible[range], as: UTF8.self) == "a.example ")
    }

    @Test func `what only Outlook leaves out is seen, and counted`() {
        let read = Self.render("<p style='mso-hide:all'>cheap <b>pills</b></p><p>else</p>")
        #expect(String(decoding: read.visible, as: UTF8.self) == "cheap pills\n\nelse")
        #expect(read.hidden.isEmpty && read.observations.hiddenOctets[.office] == 11)
    }
}

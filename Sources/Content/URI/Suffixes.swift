/// Last labels of domain names that are taken for such without a scheme before them.
enum Suffixes {
    /// Whether a word that ends so may be a domain. `label` is in lower case.
    static func isKnown(_ label: String) -> Bool { known.contains(label) || label.hasPrefix("xn--") }

    /// Ends of file names and words that are top-level domains, too: such a word needs a path behind it.
    static func isAmbiguous(_ label: String) -> Bool { ambiguous.contains(label) }

    private static let ambiguous: Set<String> = [
        "py", "sh", "pl", "rs", "md", "ps", "cc", "so", "zip", "mov", "am", "pm", "id", "la", "st", "no", "to", "at",
        "be", "is", "my", "me", "do", "in", "it", "as", "so", "name", "app", "page", "java", "bz", "gz", "ai", "rest",
    ]

    private static let known = Set(text.split(separator: " ").map(String.init))

    private static let text = """
        com net org edu gov mil int info biz name pro aero coop museum mobi jobs travel cat tel asia post xxx arpa \
        ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz \
        ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk \
        fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir \
        is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk \
        ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl \
        pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc \
        td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw \
        academy accountant accountants actor adult agency app art associates auction audio auto bank bar bargains \
        beauty beer best bet bid bike bingo bio black blog blue boats bond boutique broker build builders business \
        buzz cab cafe cam camera camp capital car cards care career careers casa cash casino catering center ceo \
        cfd chat cheap church city claims cleaning click clinic clothing cloud club codes coffee college community \
        company computer condos construction consulting contact contractors cool country coupons credit creditcard \
        cruises cyou dance date dating day deals degree delivery democrat dental design dev diamonds diet digital \
        direct directory discount doctor dog domains download earth education email energy engineer engineering \
        enterprises equipment estate events exchange expert exposed express fail faith family fans farm fashion \
        feedback film finance financial fish fit fitness flights florist flowers football forex forsale foundation \
        fun fund furniture futbol fyi gallery game games garden gay gift gifts gives glass global gold golf \
        graphics gratis green gripe group guide guitars guru hair haus health healthcare help hiv hockey holdings \
        holiday homes horse hospital host hosting house how icu immo inc industries ink institute insure \
        international investments jetzt jewelry juegos kaufen kim kitchen kiwi land lawyer lease legal lgbt life \
        lighting limited limo link live llc loan loans lol london love ltd ltda luxe luxury maison makeup \
        management market marketing markets mba media meet memorial men menu mobile moda moe mom money monster \
        mortgage motorcycles mov movie navy network new news nexus ninja nyc observer one onl online ooo page \
        parts party pet photo photography photos pics pictures pink pizza place plumbing plus poker porn press \
        productions promo properties property pub quest racing realty recipes red rehab reise reisen rent rentals \
        repair report republican rest restaurant review reviews rich rip rocks rodeo rsvp run sale salon sarl sbs \
        school schule science security services sex sexy shoes shop shopping show singles site skin ski soccer \
        social software solar solutions space sport sports store stream studio study style sucks supplies supply \
        support surf surgery systems tax taxi team tech technology tennis theater tickets tienda tips tires today \
        tokyo tools top tours town toys trade trading training tube university uno vacations vegas ventures vet \
        viajes video villas vin vip vision vodka vote voting voyage wang watch webcam website wed wedding wiki win \
        wine work works world wtf xyz yachts yoga zip zone app google amazon berlin hamburg koeln wien bayern \
        paris moscow istanbul
        """
}

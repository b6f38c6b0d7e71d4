import MailTypes
import Pipeline
import SluiceTesting

@testable import Filters

/// Records made of everything that may stand in one, and of some things that may not, always the same for one seed;
/// and the domains that they lead to.
struct SPFSamples {
    /// SplitMix64.
    struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return mixed ^ mixed >> 31
        }
    }

    private var random: Random

    init(seed: UInt64) { random = Random(state: seed) }

    /// Who is checked, and the record of the domain.
    struct Sample {
        var identity: SPFIdentity
        var record: [UInt8]
    }

    static let domain = "mail.sub.case.example"

    static let clients: [IPAddress] = [
        "192.0.2.1", "192.0.2.77", "198.51.100.7", "203.0.113.200", "2001:db8::7", "2001:db8:1::1", "2001:db9::1",
    ]
    private static let senders = [
        "joe", "strong-bad", "a.b.c", "x+y=z", "o'neil", "J\u{f6}rg", "-", ".a", "joe-", "lp-ext",
    ]
    private static let hellos = ["mx.out.example", "out", "a1.example", "[192.0.2.1]"]

    mutating func next() -> Sample {
        let identity = SPFIdentity(
            client: pick(Self.clients), hello: pick(Self.hellos), localPart: pick(Self.senders), domain: Self.domain,
            receiver: "mx.here.example")
        return Sample(identity: identity, record: record())
    }

    // MARK: - Records

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &random)]
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func record() -> [UInt8] {
        var terms = (0..<Int.random(in: 0...4, using: &random)).map { _ in chance(80) ? mechanism() : modifier() }
        if chance(60) { terms.append(pick(["-all", "~all", "?all", "+all", "all", "-ALL", "redirect=f.example"])) }
        let version =
            chance(95) ? "v=spf1" : pick(["V=SPF1", "v=spf1", "v=spf10", "v=spf", "v=spf1\t", "v=spf2.0/pra"])
        let text = ([version] + terms).joined(separator: chance(90) ? " " : "  ") + (chance(5) ? " " : "")
        var octets = Array(text.utf8)
        if chance(12) { damage(&octets) }
        return octets
    }

    /// Changes an octet, takes one away, doubles one or puts one in, behind the version.
    private mutating func damage(_ octets: inout [UInt8]) {
        guard octets.count > 7 else { return }
        let place = Int.random(in: 7..<octets.count, using: &random)
        let other = pick(Array("%{}/:=.-_+~?,; aA0\t\u{7f}\u{e9}".utf8))
        switch Int.random(in: 0..<4, using: &random) {
        case 0: octets[place] = other
        case 1: octets.remove(at: place)
        case 2: octets.insert(octets[place], at: place)
        default: octets.insert(other, at: place)
        }
    }

    private mutating func mechanism() -> String {
        let sign = pick(["", "", "", "+", "-", "~", "?", "!"].dropLast(chance(95) ? 1 : 0).map { $0 })
        let body =
            switch Int.random(in: 0..<14, using: &random) {
            case 0...2: pick(["a", "A"]) + target() + prefixes()
            case 3...4: "mx" + target() + prefixes()
            case 5: "ptr" + target()
            case 6...7: "ip4:" + pick(Self.networks4)
            case 8: "ip6:" + pick(Self.networks6)
            case 9...10: pick(["include", "Include"]) + ":" + pick(Self.policies)
            case 11...12: "exists:" + name()
            default:
                pick(["all", "all", "al", "ip4", "exists", "include", "ptr:", "mx:", "a:", "all.", "all:x.example"])
            }
        return sign + body
    }

    private mutating func modifier() -> String {
        switch Int.random(in: 0..<10, using: &random) {
        case 0...3: "exp=" + pick(Self.explanations)
        case 4...6: "redirect=" + pick(Self.policies)
        case 7:
            pick([
                "exp=", "redirect=", "-exp=a.example", "exp=%{x}", "redirect=%{d}", "exp=foo", "redirect=%{c}.example",
            ])
        default: pick(["op=auth", "match_subdomains=yes", "x.y=%{d}", "z=%", "ra=postmaster", "default=deny", "a-b="])
        }
    }

    private mutating func target() -> String { chance(40) ? "" : ":" + name() }

    private mutating func prefixes() -> String {
        guard chance(35) else { return "" }
        return pick([
            "/24", "/32", "/8", "//64", "/24//64", "/0", "//0", "/33", "//129", "/", "/024", "/24/64", "//", "/1a",
        ])
    }

    private mutating func name() -> String {
        if chance(55) { return pick(Self.hosts) }
        let front = pick(Self.macros)
        return chance(70) ? front + "." + pick(["x.example", "%{d}", "%{o2}", "%{d2}"]) : front
    }

    private static let hosts = [
        "a1.example", "a2.example", "many.example", "empty.example", "nowhere.example", "silent.example",
        "alias.example",
        "mx.example", "mxnone.example", "mxmany.example", "mxlost.example", "A1.Example", "a1.example.", "foo", "foo.",
        "a.123", "a.b-", "a..example", "under_score.example", "x y.example", "%{%}.example", "123.123.123.123",
        "a1.example:80", "mail.sub.case.example",
    ]
    private static let macros = [
        "%{d}", "%{d1}", "%{d2r}", "%{o}", "%{i}", "%{ir}", "%{i2}", "%{v}", "%{ir}.%{v}", "%{l}", "%{l-}", "%{lr-}",
        "%{l1r-}", "%{l1r+-}", "%{L}", "%{s}", "%{S}", "%{h}", "%{H}", "%{p}", "%{p2}", "%{dR}", "%{D}", "%%", "%_",
        "%-",
        "%{d0}", "%{d129}", "%{x}", "%{c}", "%{t}", "%{r}", "%{d", "%", "%a", "%{d/}", "%{d,}", "%{d|}", "%{s=}",
        "%{i.}",
        "%{d2}%{d1}", "a%{l}b", "%{d99999999999}",
    ]
    private static let policies = [
        "p.example", "f.example", "s.example", "n.example", "none.example", "nowhere.example", "two.example",
        "bad.example", "silent.example", "chain.example", "loop.example", "redirected.example", "P.Example",
        "p.example.",
        "%{d1}", "explained.example", "deep.example", "wide.example", "%{l}.example", "mail.sub.case.example", "p",
    ]
    private static let explanations = [
        "e1.example", "e2.example", "e3.example", "two-texts.example", "nowhere.example", "silent.example",
        "wrong.example",
        "latin.example", "empty-text.example", "%{d1}.example",
    ]
    private static let networks4 = [
        "192.0.2.1", "192.0.2.0/24", "192.0.2.0/25", "198.51.100.0/28", "203.0.113.128/25", "0.0.0.0/0", "192.0.2.1/32",
        "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/024", "192.0.2", "192.0.2.1.5", "192.0.2.256", "192.0.2.0/24/24",
        "::1",
        "192.0.2.01", " ", "", "192.0.2.0/4294967320",
    ]
    private static let networks6 = [
        "2001:db8::7", "2001:db8::/32", "2001:db8:1::/48", "::/0", "2001:db8::7/128", "2001:db8::7/129", "2001:db8::/",
        "::ffff:192.0.2.1", "::ffff:192.0.2.1/120", "2001:db8::g", "192.0.2.1", "2001:db8::/032", "",
    ]

    // MARK: - Where records lead

    static let world: MemoryZone = {
        var zone = MemoryZone()
        for (name, text) in policyTexts { zone.add(name, text: text) }
        for (name, text) in explanationTexts { zone.add(name, .txt, .text(Array(text.utf8))) }
        zone.add("latin.example", .txt, .text([0xE9, 0x20, 0x61]))
        for (name, address) in addresses { zone.add(name, address.isIPv6 ? .aaaa : .a, .address(address)) }
        for name in ["empty.example", "none.example"] { zone.add(name) }
        zone.silence("silent.example")
        zone.alias("alias.example", to: "a1.example")
        for host in ["nowhere.example", "a2.example"] {
            zone.add("mx.example", .mx, .exchanger(preference: 5, host: host))
        }
        for host in ["nowhere.example", "empty.example", "silent.example"] {
            zone.add("mxlost.example", .mx, .exchanger(preference: 5, host: host))
        }
        zone.add("mxnone.example", .mx, .exchanger(preference: 0, host: ""))
        for number in 0..<11 {
            zone.add("mxmany.example", .mx, .exchanger(preference: number, host: "host\(number).example"))
            zone.add("host\(number).example", .a, .address(number == 3 ? "192.0.2.77" : "198.51.100.99"))
        }
        for (client, names) in reverse {
            for name in names { zone.add(client.reverseName, .ptr, .name(name)) }
        }
        return zone
    }()

    private static let policyTexts: KeyValuePairs = [
        "p.example": "v=spf1 +all", "f.example": "v=spf1 -all", "s.example": "v=spf1 ~all", "n.example": "v=spf1 ?all",
        "none.example": "no policy", "two.example": "v=spf1 +all", "two.example": "v=spf1 -all",
        "bad.example": "v=spf1 nonsense +all", "chain.example": "v=spf1 include:s.example include:p.example -all",
        "loop.example": "v=spf1 include:loop.example +all", "redirected.example": "v=spf1 redirect=p.example",
        "explained.example": "v=spf1 -all exp=e1.example",
        "deep.example": "v=spf1 a:a2.example a:a2.example a:a2.example mx:mx.example include:f.example +all",
        "wide.example": "v=spf1 a:nowhere.example a:empty.example +all",
    ]
    private static let explanationTexts: KeyValuePairs = [
        "e1.example": "Go away.", "e2.example": "%{i} of %{o} (%{c}, %{h}) is not at %{r}%%", "e3.example": "See%_%{S}",
        "two-texts.example": "one", "two-texts.example": "two", "wrong.example": "%{x} is wrong",
        "empty-text.example": "",
    ]
    private static let addresses: KeyValuePairs<String, IPAddress> = [
        "a1.example": "192.0.2.1", "a2.example": "198.51.100.7", "a2.example": "2001:db8::7",
        "many.example": "192.0.2.5",
        "many.example": "192.0.2.77", "many.example": "203.0.113.1", "many.example": "2001:db8:1::2",
        domain: "203.0.113.200", "pool.sub.case.example": "192.0.2.77", "pool.example": "192.0.2.77",
        "under_score.example": "192.0.2.1", "joe.x.example": "127.0.0.2", "1.x.example": "127.0.0.2",
        "bad.strong.x.example": "127.0.0.2", "c.b.a.x.example": "127.0.0.2",
        "7.100.51.198.in-addr.x.example": "127.0.0.2",
        "example.x.example": "127.0.0.2", "unknown.x.example": "127.0.0.2", "in-addr.x.example": "127.0.0.2",
        "ip6.x.example": "127.0.0.2",
    ]
    private static let reverse: KeyValuePairs<IPAddress, [String]> = [
        "192.0.2.1": ["a1.example", "liar.example"],
        "192.0.2.77": ["pool.example", "pool.sub.case.example", "many.example"],
        "203.0.113.200": (0..<12).map { "host\($0).example" } + [domain],
        "198.51.100.7": ["silent.example", "a2.example"],
        "2001:db8::7": ["a2.example"],
    ]
}

import Adapters
import Filters
import MailTypes
import Pipeline
import SluiceTesting

/// A message of the mill, and what is known of it beforehand.
struct Milled {
    var octets: [UInt8]
    /// Signed as it stands: with honest names it must pass.
    var isSound = false
}

/// Makes messages: signed and sealed ones by this server's own stages, and whatever can be made of them.
struct Mill: Sendable {
    static let domain = "out.example"
    private let sound: [[UInt8]]

    // MARK: What it starts from

    /// Signs and seals with keys of both kinds; `zone` is told of the keys.
    init(_ zone: inout MemoryZone) async throws {
        var keys = MemoryKeys()
        let cryptography = LibcryptoSignatures()
        for (selector, pem) in [("s1", SampleKeys.rsa2048), ("e1", SampleKeys.ed25519)] {
            keys.add(Self.domain, selector, pem: pem)
            let key = try cryptography.signingKey(pem: Array(pem.utf8))
            let kind = selector == "s1" ? "rsa" : "ed25519"
            zone.add(
                "\(selector)._domainkey.\(Self.domain)",
                text: "v=DKIM1; k=\(kind); p=\(String(decoding: Base64.encode(key.publicKey), as: UTF8.self))")
        }
        zone.add(Self.domain, text: "v=spf1 ip4:192.0.2.0/24 -all")
        zone.add("_dmarc.\(Self.domain)", text: "v=DMARC1; p=reject; rua=mailto:dmarc@out.example")
        let tools = StageTools(cryptography: cryptography, keys: keys)
        var messages: [[UInt8]] = []
        for form in Canonicalization.allCases {
            for body in [
                "", "Hello.\r\n", "One  line. \r\n\r\n.\r\n\t\r\nTwo\r\n\r\n\r\n", String(repeating: "x ", count: 500),
            ] {
                let signed = try await Self.signed(body, form, tools, zone)
                messages.append(signed.pieces.flatMap(\.array))
                var sealed = signed
                for _ in 0..<3 {
                    sealed = try await Self.sealed(sealed, tools, zone)
                    messages.append(sealed.pieces.flatMap(\.array))
                }
            }
        }
        sound = messages
    }

    private static func signed(
        _ body: String, _ form: Canonicalization, _ tools: StageTools, _ zone: MemoryZone
    ) async throws -> Message {
        var policy = DKIMSign.Configuration()
        policy.domains = [domain: DKIMSign.DomainSigning(active: ["s1", "e1"])]
        (policy.users, policy.headerCanonicalization, policy.bodyCanonicalization) = (.any, form, form)
        let message = Message.sample(body: Bytes(Array(body.utf8)))
        let stage = try DKIMSign(policy).equipped(with: tools)
        let transaction = Transaction.sample(session: .sample(user: "alice@out.example"), services: zone)
        return message.with(try await stage.message(message, in: transaction))
    }

    private static func sealed(_ message: Message, _ tools: StageTools, _ zone: MemoryZone) async throws -> Message {
        var policy = ARCSealing.Configuration()
        (policy.domain, policy.selector, policy.recipients) = (domain, "s1", .all)
        var transaction = Transaction.sample(services: zone)
        transaction.take(try await ARC(.init()).equipped(with: tools).message(message, in: transaction))
        let stage = try ARCSealing(policy).equipped(with: tools)
        return message.with(try await stage.message(message, in: transaction))
    }

    // MARK: What it makes

    /// The next message.
    func next(_ random: inout SeededRandom) -> Milled {
        let base = sound.randomElement(using: &random) ?? []
        switch Int.random(in: 0..<10, using: &random) {
        case 0: return Milled(octets: base, isSound: true)
        case 1: return Milled(octets: Self.octets(0...2000, &random))
        case 2: return Milled(octets: Self.wordy(&random))
        case 3: return Milled(octets: Self.manySignatures(base, &random))
        case 4: return Milled(octets: Self.shuffled(base, &random))
        case 5: return Milled(octets: Self.withAuthor(base, &random))
        default: return Milled(octets: Self.damaged(base, &random))
        }
    }

    static func octets(_ counts: ClosedRange<Int>, _ random: inout SeededRandom) -> [UInt8] {
        (0..<Int.random(in: counts, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// One to twenty octets changed, taken out, put in or said again.
    static func damaged(_ octets: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var octets = octets
        for _ in 0..<Int.random(in: 1...20, using: &random) where !octets.isEmpty {
            let place = octets.indices.randomElement(using: &random) ?? 0
            switch Int.random(in: 0..<5, using: &random) {
            case 0: octets[place] = UInt8.random(in: 0...255, using: &random)
            case 1: octets.remove(at: place)
            case 2: octets.insert(Array(";=\r\n\t :\0\"(".utf8).randomElement(using: &random) ?? 0, at: place)
            case 3: octets[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
            default: octets += octets[place..<min(octets.count, place + Int.random(in: 0...200, using: &random))]
            }
        }
        return octets
    }

    private static let words = [
        "DKIM-Signature:", "ARC-Seal:", "ARC-Message-Signature:", "ARC-Authentication-Results:", "From:", "Subject:",
        "Authentication-Results:", " v=1;", " a=rsa-sha256;", " a=ed25519-sha256;", " c=relaxed/relaxed;", " c=simple;",
        " d=out.example;", " s=s1;", " s=e1;", " h=from:to:subject;", " h=from;", " bh=AAAA;", " b=AAAA", " b=;",
        " l=0;",
        " l=99999999999999999999;", " t=1;", " x=0;", " i=1;", " i=51;", " cv=none;", " cv=pass;", " i=@out.example;",
        "\r\n",
        "\r\n ", "\r\n\r\n", " alice@out.example", " mx.here.example; dkim=pass", "\u{0}", ";", "=", "(", "\"", "é",
        "\n", "\r",
    ]

    private static func wordy(_ random: inout SeededRandom) -> [UInt8] {
        (0..<Int.random(in: 1...200, using: &random)).flatMap { _ in
            Array((words.randomElement(using: &random) ?? "").utf8)
        }
    }

    /// Up to a hundred signatures, most of domains that nobody has.
    private static func manySignatures(_ octets: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        guard let message = try? Message(parsing: Bytes(octets)),
            let field = message.header.fields(named: "DKIM-Signature").randomElement(using: &random)
        else { return octets }
        var copy = message
        for number in 0..<Int.random(in: 1...100, using: &random) {
            let other = Bool.random(using: &random) ? "d=d\(number).example" : "d=out.example"
            copy.header.prepend(
                HeaderField(name: "DKIM-Signature", value: field.value.replacing("d=out.example", with: other)))
        }
        return copy.pieces.flatMap(\.array)
    }

    /// Fields in another order, some twice, some not at all, and other instances.
    private static func shuffled(_ octets: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        guard let message = try? Message(parsing: Bytes(octets)) else { return octets }
        var fields = message.header.fields
        fields.shuffle(using: &random)
        if Bool.random(using: &random) { fields.removeLast(Int.random(in: 0...fields.count, using: &random)) }
        if let twice = fields.randomElement(using: &random) { fields.append(twice) }
        if let place = fields.indices.randomElement(using: &random) {
            let number = [0, 1, 2, 3, 50, 51, 99].randomElement(using: &random) ?? 0
            let value = fields[place].value.replacing("i=1;", with: "i=\(number);")
            fields[place] = HeaderField(name: fields[place].name, value: value)
        }
        return Message(header: Header(fields: fields), body: message.body).pieces.flatMap(\.array)
    }

    private static let authors = [
        "", "nobody", "a@", "G:;", "a@[192.0.2.1]", "<a@out.example", "a@out.example, b@other.example",
        "a@other.example <b@out.example>", "<@a.example:b@out.example>", "=?utf-8?b?YkBvdXQuZXhhbXBsZQ==?=",
        "a@out.example@other.example", "a@" + String(repeating: "a.", count: 120) + "example", "a@bücher.example",
        "a@\u{0}out.example", "(a@other.example) b@out.example",
    ]

    private static func withAuthor(_ octets: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        guard var message = try? Message(parsing: Bytes(octets)) else { return octets }
        if Bool.random(using: &random) { message.header.removeAll { $0.isNamed("From") } }
        message.header.prepend(HeaderField(name: "From", value: authors.randomElement(using: &random) ?? ""))
        return message.pieces.flatMap(\.array)
    }
}

extension Message {
    /// With the fields that a stage puts on top.
    func with(_ finding: Finding) -> Message {
        var message = self
        for case .prependField(let name, let value) in finding.edits {
            message.header.prepend(HeaderField(name: name, value: value))
        }
        return message
    }
}

extension Transaction {
    /// Keeps what a stage has found.
    mutating func take(_ finding: Finding) {
        for case .authentication(let entry) in finding.edits { authentication.entries.append(entry) }
    }
}

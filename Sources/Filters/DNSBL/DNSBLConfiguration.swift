public import MailTypes
import Pipeline

extension DNSBL {
    public struct Configuration: Decodable, Sendable {
        /// The lists that are asked, by their names in the file.
        public var use: [String] = []
        /// What is known of them; of those that are not in use, nothing.
        public var lists: [String: List] = [:]
        /// Servers in front of this one, which stand for whom they have the mail from: what counts is the first address
        /// in the Received fields that is none of theirs.
        public var relays: [Network] = []
        /// Domains that are never asked about, with all below them.
        public var exempt: [DomainText] = []
        /// Local parts of recipients for whom nothing is refused.
        public var spared = ["postmaster", "abuse"]
        /// Names of one message that one list is asked about.
        public var maxNames: BoundedInt<NameBounds> = 24

        public init() {}
    }

    public enum NameBounds: Bounds { public static let range = 1...200 }
}

extension DNSBL.Configuration {
    /// One list.
    public struct List: Sendable {
        public enum Kind: String, Decodable, Sendable, CaseIterable {
            /// Has addresses.
            case ip
            /// Has domains.
            case domain
        }

        /// What it is asked about.
        public enum Subject: String, Decodable, Sendable, CaseIterable {
            /// The client; an address.
            case client
            /// The domain of the reverse-path.
            case sender
            case helo
            /// The domains of the From field.
            case from
            case replyTo = "reply-to"
            /// What the message's links lead to: domains, or addresses.
            case uri
        }

        /// How much of a domain is asked about.
        public enum Names: String, Decodable, Sendable, CaseIterable {
            /// What somebody has registered: `example.co.uk` of `mail.example.co.uk`.
            case registered
            /// The whole name, but for `www.`.
            case host
        }

        public enum Family: String, Decodable, Sendable, CaseIterable {
            case ipv4, ipv6
        }

        /// What an answer is worth.
        public struct Weight: Sendable, Hashable {
            /// The answers that it is for; `nil`: all with one of the bits.
            public var answer: AnswerPattern?
            /// Of the answer's last three octets: one of these bits must be there.
            public var bits: Int?
            public var points = 0.0
            /// What the list means by it.
            public var means: String?
        }

        public var zone = ""
        public var kind = Kind.ip
        public var check: [Subject] = []
        public var families: [Family] = [.ipv4, .ipv6]
        public var names = Names.registered
        /// What an answer is worth for which there is no weight.
        public var points = 1.0
        public var weights: [Weight] = []
        /// What to be listed there means, for people.
        public var describe = ""
        public var refuse = false
        /// Test points: addresses, or domains; `nil` as RFC 5782 has them.
        public var listed: [String]?
        public var unlisted: [String]?
        public var errors: [Network] = []
        /// `DNSBL_` and the list's name.
        public var symbol = "DNSBL"

        public init(zone: String, kind: Kind = .ip, points: Double = 1) {
            self.zone = zone
            self.kind = kind
            self.points = points
            check = Self.usual(kind)
        }

        static func usual(_ kind: Kind) -> [Subject] {
            kind == .ip ? [.client] : [.sender, .helo, .from, .replyTo, .uri]
        }
    }
}

// What a list's answers come to, apart from DNS.
extension DNSBL.Configuration.List {
    /// What being there means, at the beginning of a sentence.
    var about: String { describe.isEmpty ? "Listed at \(zone)" : describe }

    /// Of several answers the one that weighs most counts.
    func hit(on subject: ListSubject, _ answers: [IPAddress]) -> ListHit? {
        let hits = answers.flatMap { answer in
            let fitting = weights.filter { $0.fits(answer) }
            guard !fitting.isEmpty else {
                return [ListHit(subject: subject, answer: answer, points: points, meaning: nil)]
            }
            return fitting.map { ListHit(subject: subject, answer: answer, points: $0.points, meaning: $0.means) }
        }
        return hits.max { abs($0.points) < abs($1.points) }
    }

    /// What must be known of it to see whether it is sound.
    var blocklist: Blocklist {
        switch kind {
        case .domain:
            return Blocklist(
                zone: zone, listed: listed ?? ["test"], unlisted: unlisted ?? ["invalid"],
                fresh: unlisted == nil ? .domains : nil, errors: errors)
        case .ip:
            // An IPv6 list has the IPv4 test points mapped. RFC 5782 §2.4.
            let isMapped = !families.contains(.ipv4)
            func names(_ own: [String]?, _ standard: IPAddress) -> [String] {
                (own.map { $0.compactMap { IPAddress($0) } } ?? [standard]).map { $0.listName(isMapped: isMapped) }
            }
            return Blocklist(
                zone: zone, listed: names(listed, "127.0.0.2"), unlisted: names(unlisted, "127.0.0.1"),
                fresh: unlisted == nil ? .addresses(isMapped: isMapped) : nil, errors: errors)
        }
    }
}

extension DNSBL.Configuration.List.Weight {
    func fits(_ address: IPAddress) -> Bool {
        if let answer, !answer.contains(address) { return false }
        guard let bits else { return true }
        let value = address.octets.suffix(3).reduce(0) { $0 << 8 | Int($1) }
        return value & bits != 0
    }
}

extension DNSBL.Configuration {
    /// Whether nothing is refused for this recipient.
    func spares(_ address: EmailAddress) -> Bool {
        spared.contains { address.localPart.utf8.equalsIgnoringCase($0.utf8) }
    }
}

// MARK: - Decoding

extension DNSBL.Configuration {
    enum CodingKeys: String, CodingKey {
        case use, lists, relays, exempt, spared
        case maxNames = "max_names"
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        use = table.value(.use, default: use)
        relays = table.value(.relays, default: relays)
        exempt = table.value(.exempt, default: exempt)
        spared = table.value(.spared, default: spared)
        maxNames = table.value(.maxNames, default: maxNames)
        // What cannot be read has been told; it is no mistake of those who use it.
        guard let known: [String: List] = table.contains(.lists) ? table.optional(.lists) : [:] else { return }
        let words = /[A-Za-z0-9]+([-_][A-Za-z0-9]+)*/
        if let wrong = known.keys.sorted().first(where: { $0.wholeMatch(of: words) == nil }) {
            throw DecodingError.dataCorruptedError(
                forKey: .lists, in: table,
                debugDescription: "\"\(wrong)\" is no name for a list: letters, digits and hyphens, as in spamhaus-zen")
        }
        if let wrong = use.first(where: { known[$0] == nil }) {
            throw DecodingError.dataCorruptedError(
                forKey: .use, in: table,
                debugDescription:
                    "\"\(wrong)\" is no list of this file: there are \(known.keys.sorted().joined(separator: ", "))")
        }
        for name in use {
            lists[name] = known[name]
            lists[name]?.symbol = "DNSBL_\(name.uppercased().replacing("-", with: "_"))"
        }
    }
}

extension DNSBL.Configuration.List: Decodable {
    enum CodingKeys: String, CodingKey {
        case zone, kind, check, families, names, points, weights, describe, refuse, listed, unlisted, errors
    }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        kind = table.value(.kind, default: kind)
        check = table.value(.check, default: Self.usual(kind))
        families = table.value(.families, default: families)
        names = table.value(.names, default: names)
        points = table.value(.points, default: points)
        weights = table.value(.weights, default: weights)
        describe = table.value(.describe, default: describe)
        refuse = table.value(.refuse, default: refuse)
        errors = table.value(.errors, default: errors)
        if kind == .ip {
            listed = table.optional(.listed, as: [IPAddress].self)?.map(\.description)
            unlisted = table.optional(.unlisted, as: [IPAddress].self)?.map(\.description)
        } else {
            listed = table.optional(.listed, as: [DomainText].self)?.map(\.text)
            unlisted = table.optional(.unlisted, as: [DomainText].self)?.map(\.text)
        }
        zone = try table.decode(DomainText.self, forKey: .zone).text.asciiLowercased
        let possible: Set<Subject> = kind == .ip ? [.client, .uri] : Set(Subject.allCases).subtracting([.client])
        if let wrong = check.first(where: { !possible.contains($0) }) {
            let words = Subject.allCases.filter(possible.contains).map { "\"\($0.rawValue)\"" }
            throw DecodingError.dataCorruptedError(
                forKey: .check, in: table,
                debugDescription:
                    "\"\(wrong.rawValue)\" is nothing that a list of this kind has: there are "
                    + words.joined(separator: ", "))
        }
        if families.isEmpty || check.isEmpty {
            throw DecodingError.dataCorruptedError(
                forKey: check.isEmpty ? .check : .families, in: table,
                debugDescription: "must name something, or the list is never asked")
        }
        if listed?.isEmpty == true, unlisted?.isEmpty == true {
            throw DecodingError.dataCorruptedError(
                forKey: .listed, in: table, debugDescription: "without any test point nobody knows whether it is sound")
        }
    }
}

extension DNSBL.Configuration.List.Weight: Decodable {
    enum CodingKeys: String, CodingKey { case answer, bits, points, means }

    public init(from decoder: any Decoder) throws {
        let table = try decoder.container(keyedBy: CodingKeys.self)
        answer = table.optional(.answer)
        bits = table.optional(.bits)
        points = try table.decode(Double.self, forKey: .points)
        means = table.optional(.means)
        guard answer != nil || bits != nil else {
            throw DecodingError.dataCorruptedError(
                forKey: .answer, in: table, debugDescription: "must be there, or bits: which answers is it for?")
        }
        if let bits, !(1..<(1 << 24)).contains(bits) {
            throw DecodingError.dataCorruptedError(
                forKey: .bits, in: table, debugDescription: "\(bits) is out of range: from 1 to 16777215")
        }
    }
}

public import MailTypes

/// A list in DNS: of addresses, or of domains. RFC 5782.
public struct Blocklist: Sendable, Hashable {
    /// The name that everything is asked below, in A-labels: `zen.example.org`.
    public var zone: String
    /// Names in the zone that are listed as long as the list is sound. RFC 5782 §5.
    public var listed: [String]
    /// Names in the zone that never are.
    public var unlisted: [String]
    /// What else no sound list has: names that no cache can know; `nil`: nothing is known of such.
    public var fresh: FreshNames?
    /// Answers by which the list says that it does not answer: too many questions, or none from here.
    public var errors: [Network]

    public init(
        zone: String, listed: [String], unlisted: [String], fresh: FreshNames? = nil, errors: [Network] = []
    ) {
        self.zone = zone
        self.listed = listed
        self.unlisted = unlisted
        self.fresh = fresh
        self.errors = errors
    }

    /// Names that are not listed, and so many that each is asked about once: a test point's answer may be an old one.
    public enum FreshNames: Sendable, Hashable {
        /// Hosts' own addresses, 127.128.0.0/9, far from those that test points may be. `isMapped`: as IPv6 addresses.
        case addresses(isMapped: Bool)
        /// Domains that nobody can have. RFC 2606 §2.
        case domains

        /// The one of that number.
        public func name(_ number: UInt32) -> String {
            // Of the second octet of an address the first bit is set.
            let host = number & 0xFF_FFFF | 0x80_0000
            switch self {
            case .addresses(isMapped: false):
                return "\(host & 0xFF).\(host >> 8 & 0xFF).\(host >> 16).127"
            case .addresses(isMapped: true):
                let digits = (0..<6).map { String(host >> (4 * $0) & 0xF, radix: 16) } + ["f", "7", "f", "f", "f", "f"]
                return (digits + Array(repeating: "0", count: 20)).joined(separator: ".")
            case .domains: return "\(String(number, radix: 36)).invalid"
            }
        }
    }

    /// What nearly all lists mean by these: an error, RFC 5782 §2.1 notwithstanding; and that they do not talk to us.
    public static let usualErrors: [Network] = ["127.255.255.0/24", "127.0.0.1"]

    /// Where answers of a list lie; others come from somebody who has taken over its name. RFC 5782 §2.1.
    private static let answers: Network = "127.0.0.0/8"

    /// Why an answer is none, if it is none.
    public func fault(in answer: [IPAddress]) -> String? {
        for address in answer {
            if !Self.answers.contains(address) { return "it answers \(address), which no list does" }
            if (Self.usualErrors + errors).contains(where: { $0.contains(address) }) {
                return "it answers \(address): it does not serve this server's name server"
            }
        }
        return nil
    }
}

/// Which of these names does a list have?
public struct ListingQuestion: Sendable, Hashable, Codable {
    public var zone: String
    /// As they stand before the zone: `2.0.0.127`, `example.org`. Each once.
    public var names: [String]

    public init(zone: String, names: [String]) {
        self.zone = zone
        self.names = names
    }
}

/// A name that a list has, and what it says of it.
public struct Listing: Sendable, Hashable, Codable {
    public var name: String
    /// At most ``most``.
    public var answers: [IPAddress]

    public init(name: String, answers: [IPAddress]) {
        self.name = name
        self.answers = Array(answers.prefix(Self.most))
    }

    /// Answers about one name that are kept.
    public static let most = 16
}

/// What a list says.
public enum ListingAnswer: Sendable, Hashable, Codable {
    /// The names that it has; it has none of the others but those to which no answer came.
    case answered([Listing], unanswered: [String])
    /// It was not asked, or what it said does not count: why.
    case passedOver(String)
}

/// A stage that asks lists; whoever answers must know them, to see to it that they are sound.
public protocol BlocklistStage: Stage {
    var blocklists: [Blocklist] { get }
}

extension Chain {
    /// The lists of all its stages, each zone once, in order.
    public var blocklists: [Blocklist] {
        let stages = links.flatMap { link in [link.base] + link.domains.sorted { $0.key < $1.key }.map(\.value) }
        var seen: Set<String> = []
        return stages.compactMap { $0.stage as? any BlocklistStage }.flatMap(\.blocklists)
            .filter { seen.insert($0.zone).inserted }
    }
}

extension Services {
    /// What a list says of these names. A list that is silent or insane is passed over.
    public func listings(_ names: [String], in zone: String) async throws(StageFailure) -> ListingAnswer {
        guard case .listings(let answer) = try await ask(.listings(ListingQuestion(zone: zone, names: names))) else {
            throw .mismatch
        }
        return answer
    }
}

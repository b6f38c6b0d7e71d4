import MailTypes

/// Which signatures are looked at where a message has more than that.
///
/// Whoever passes a message on may put any number of his own above the author's, which is the one that matters. So
/// those of the author's domain come first, then those of its nearest relatives by name, then the others, from the top.
struct SignatureChoice {
    /// The places, counted among the signatures, of those that are looked at.
    let places: Set<Int>
    /// Of these, those that want the body hashed in one way more than there may be.
    let crowded: Set<Int>

    /// Ways to hash one body; a message whose signatures ask for more wants to cost us time.
    private static let mostPlans = 4

    init(in header: Header, most: Int) {
        let signatures = header.fields(named: "DKIM-Signature")
        let ranked = Self.ranked(signatures, header).prefix(most)
        var plans: Set<[UInt8]> = []
        var crowded: Set<Int> = []
        for place in ranked where SignatureTags.isReadable(signatures[place].rawValue) {
            let plan = SignatureTags.bodyPlan(signatures[place].rawValue)
            if plans.count < Self.mostPlans || plans.contains(plan) {
                plans.insert(plan)
            } else {
                crowded.insert(place)
            }
        }
        places = Set(ranked)
        self.crowded = crowded
    }

    /// The places, the author's first.
    private static func ranked(_ signatures: [HeaderField], _ header: Header) -> [Int] {
        guard signatures.count > 1 else { return Array(signatures.indices) }
        let authors = header.fields(named: "From").prefix(mostAuthors)
            .flatMap { AddressList($0, limit: mostAuthors).addresses }.map { labels($0.domain) }
        let ranks = signatures.map { field in
            let signer = labels(SignatureTags.domain(field.rawValue))
            return authors.map { Rank(of: signer, near: $0) }.min() ?? .farthest
        }
        return signatures.indices.sorted { (ranks[$0], $0) < (ranks[$1], $1) }
    }

    /// Authors that are compared with; more is an attack on whoever reads them.
    private static let mostAuthors = 5
    /// RFC 1035 §2.3.4, in text.
    private static let longestName = 253

    /// The labels of a domain from the right; none of what is no name.
    private static func labels(_ domain: String) -> [Substring] {
        guard domain.utf8.count <= longestName else { return [] }
        return domain.asciiLowercased.split(separator: ".").reversed()
    }

    private struct Rank: Comparable {
        /// The more labels in common, the nearer; of those with as many, the one that has none besides.
        let common: Int
        let rest: Int

        static let farthest = Rank(common: 0, rest: .max)

        private init(common: Int, rest: Int) {
            self.common = common
            self.rest = rest
        }

        init(of signer: [Substring], near author: [Substring]) {
            common = zip(signer, author).prefix { Self.mayBeOne($0, $1) }.count
            rest = signer.count - common
        }

        /// A U-label may be any A-label here: whoever wants to crowd the author's signatures out could name the right
        /// one as well.
        private static func mayBeOne(_ label: Substring, _ author: Substring) -> Bool {
            label.utf8.elementsEqual(author.utf8)
                || label.utf8.starts(with: "xn--".utf8) && author.utf8.contains { $0 >= 0x80 }
        }

        static func < (left: Rank, right: Rank) -> Bool { (-left.common, left.rest) < (-right.common, right.rest) }
    }
}

import MailTypes

/// Which signatures are looked at where a message has more than that.
///
/// Whoever passes a message on may put any number of his own above the author's, which is the one that matters. So
/// those of the author's domain come first, then those of its nearest relatives by name, then the others, from the top.
enum SignatureChoice {
    /// The places, counted among the signatures, of those that are looked at.
    static func places(in header: Header, most: Int) -> Set<Int> {
        let signatures = header.fields(named: "DKIM-Signature")
        guard signatures.count > most else { return Set(signatures.indices) }
        let authors = header.fields(named: "From").prefix(mostAuthors)
            .flatMap { AddressList($0, limit: mostAuthors).addresses }.map { labels($0.domain) }
        let ranks = signatures.map { field in
            let signer = labels(SignatureTags.domain(field.rawValue))
            return authors.map { Rank(of: signer, near: $0) }.min() ?? .farthest
        }
        return Set(signatures.indices.sorted { (ranks[$0], $0) < (ranks[$1], $1) }.prefix(most))
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
            common = zip(signer, author).prefix { $0.utf8.elementsEqual($1.utf8) }.count
            rest = signer.count - common
        }

        static func < (left: Rank, right: Rank) -> Bool { (-left.common, left.rest) < (-right.common, right.rest) }
    }
}

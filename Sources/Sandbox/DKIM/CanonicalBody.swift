import MailTypes

/// Lengths of a body as DKIM sees it. RFC 6376 §3.4.3, §3.4.4.
enum CanonicalBody {
    /// Octets of a word that libopendkim takes into the hash of a relaxed body.
    static let longestHashedWord = 65_000

    /// How many octets the whole canonical body has, which `l=` is compared with.
    static func length(_ body: Bytes, isRelaxed: Bool) -> Int {
        body.withUnsafeBytes { octets in
            var meter = Meter(isRelaxed: isRelaxed)
            for octet in octets { meter.take(octet) }
            return meter.finish()
        }
    }

    /// Whether a run of more than `limit` octets has neither a blank nor a line end.
    static func hasWord(longerThan limit: Int, in body: Bytes) -> Bool {
        body.withUnsafeBytes { octets in
            // Where such a word begins at the earliest. It covers whatever lies `limit` octets behind, so most octets
            // need no look.
            var start = 0
            while start + limit < octets.count {
                var place = start + limit
                while place >= start, !octets[place].endsWord { place -= 1 }
                if place < start { return true }
                start = place + 1
            }
            return false
        }
    }

    /// Counts line by line; empty lines count once something follows them.
    private struct Meter {
        let isRelaxed: Bool
        private var total = 0
        private var emptyLines = 0
        private var line = 0
        private var blanks = 0

        init(isRelaxed: Bool) { self.isRelaxed = isRelaxed }

        mutating func take(_ octet: UInt8) {
            if octet == .lf {
                endLine()
            } else if octet == .cr {
                return
            } else if isRelaxed, octet.isBlank {
                blanks += 1
            } else {
                // Blanks between words are one; those at the end of a line are none.
                line += (blanks > 0 ? 1 : 0) + 1
                blanks = 0
            }
        }

        private mutating func endLine() {
            if line == 0 {
                emptyLines += 1
            } else {
                total += emptyLines * 2 + line + 2
                emptyLines = 0
            }
            (line, blanks) = (0, 0)
        }

        mutating func finish() -> Int {
            if line > 0 { endLine() }
            // An empty body is one empty line in the simple form, and nothing in the relaxed one.
            return total == 0 && !isRelaxed ? 2 : total
        }
    }
}

extension UInt8 {
    fileprivate var endsWord: Bool { isBlank || self == .cr || self == .lf }
}
